import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { catalogKeeper, type UrlChange } from '../../../proxy/record/keeper.ts';
import { createKeeperServer, type KeeperServer } from '../../../proxy/worker/keeper-server.ts';
import { openParcelSender, type ParcelReceiver, receiveParcels } from '../../../proxy/worker/parcels.ts';
import { openRemoteKeeper, type RemoteKeeper } from '../../../proxy/worker/remote-keeper.ts';
import { systemClock } from '../../../src/base/clock.ts';
import type { KeptResponse } from '../../../src/catalog/responses.ts';
import { contentId } from '../../../src/content/content-id.ts';
import { portionListBuilder } from '../../../src/content/portion-list.ts';
import { type OpenedCatalog, openTestCatalog } from '../../catalog/opened-catalog.ts';
import { type Linked, linked } from './linked.ts';

const URL = 'http://origin.test/file';

describe('a keeper in another process', () => {
  let opened: OpenedCatalog;
  let server: KeeperServer;
  let workers: Worker[];

  interface Worker {
    readonly keeper: RemoteKeeper;
    readonly link: Linked;
    readonly receiver: ParcelReceiver;
    readonly heard: UrlChange[];
  }

  beforeEach(async () => {
    opened = await openTestCatalog();
    const { catalog } = opened;
    server = createKeeperServer(() => catalogKeeper(catalog), catalog.subscribers);
    workers = [];
    await openWorker();
    await openWorker();
  });
  afterEach(async () => {
    for (const { receiver } of workers) receiver.close();
    expect(workers.flatMap(({ link }) => link.faults)).to.deep.equal([]);
    await opened.remove();
  });

  async function openWorker(): Promise<Worker> {
    const link = linked();
    const onFault = (error: Error): void => void link.faults.push(error);
    const sender = await openParcelSender(onFault);
    const receiver = receiveParcels(sender.path, onFault);
    server.serve(link.other, receiver);
    await sender.connected;
    const keeper = await openRemoteKeeper(link.one, sender, systemClock);
    const heard: UrlChange[] = [];
    keeper.watch((change) => heard.push(change));
    const worker = { keeper, link, heard, receiver };
    workers.push(worker);
    return worker;
  }

  const settle = () => Promise.all(workers.map(({ link }) => link.settle()));

  function both(): [Worker, Worker] {
    const [one, other] = workers;
    if (one === undefined || other === undefined) throw new Error('there are two');
    return [one, other];
  }

  async function recordBody({ keeper }: Worker, bytes: Buffer, requestMs: number | undefined) {
    const id = contentId(bytes);
    const portions = portionListBuilder();
    portions.add(id, bytes.length);
    await keeper.putPortions(1, 0, [{ id, bytes }]);
    const identifier = 7;
    const object = {
      level: 'file',
      contentId: id,
      sizeBytes: bytes.length,
      identifier,
      isProved: false,
    } as const;
    const about = { etag: '"1"', lastModified: undefined, timeMs: 1 };
    const capture = { url: URL, contentId: id, sizeBytes: bytes.length, ...about };
    const body = { scope: 0, contentId: id, sizeBytes: bytes.length };
    const kept = requestMs === undefined ? undefined : { url: URL, responses: [answer(body, requestMs)] };
    const result = await keeper.record(1, 0, { ...object, portions: portions.list() }, capture, kept);
    return { result, object, body };
  }

  it('keeps what one records for the other to find and to read', async () => {
    const [one, other] = both();
    const bytes = randomBytes(100_000);
    const { result, body } = await recordBody(one, bytes, 5);
    expect(result).to.deep.equal({ wasWanted: false });
    const [found] = await other.keeper.find(URL);
    expect(found).to.deep.include({ status: 200, headers: ['Content-Type', 'text/plain'], requestMs: 5 });
    expect(Buffer.from(found?.body.contentId ?? []).equals(body.contentId)).to.equal(true);
    const portions = await other.keeper.portionsOf(body);
    expect([portions?.count, portions?.sizeBytes]).to.deep.equal([1, bytes.length]);
    const [read, none] = await other.keeper.readPortions(0, [contentId(bytes), randomBytes(32)]);
    expect(bytes.equals(read ?? Buffer.alloc(0))).to.equal(true);
    expect(none).to.equal(undefined);
    expect(await other.keeper.portionsOf({ ...body, contentId: randomBytes(32) })).to.equal(undefined);
  });

  it('knows to be held what it has recorded itself, until it hears that it left', async () => {
    const [one, other] = both();
    const { object } = await recordBody(one, randomBytes(1000), undefined);
    expect([one, other].map(({ keeper }) => keeper.isHeld(0, object))).to.deep.equal([true, false]);
    expect(one.keeper.isHeld(1, object)).to.equal(false);
    server.left(0, object.contentId);
    await settle();
    expect(one.keeper.isHeld(0, object)).to.equal(false);
  });

  it('tells the others what one keeps, replaces and announces, and not that one', async () => {
    const [one, other] = both();
    const changed = { url: URL, isInvalidated: false };
    await recordBody(one, randomBytes(1000), 1);
    await settle();
    await one.keeper.replace({ url: URL, responses: [] });
    await settle();
    one.keeper.announce({ url: URL, isInvalidated: true });
    await settle();
    expect(other.heard).to.deep.equal([changed, changed, { url: URL, isInvalidated: true }]);
    expect(one.heard).to.deep.equal([]);
    await recordBody(one, randomBytes(1000), undefined);
    await settle();
    expect(other.heard).to.have.length(3);
  });

  it('keeps no answer that was asked for before its URL was invalidated', async () => {
    const [one, other] = both();
    const nowMs = systemClock.wallMs();
    one.keeper.announce({ url: URL, isInvalidated: true });
    await settle();
    const { object } = await recordBody(other, randomBytes(1000), nowMs - 10);
    expect(await one.keeper.find(URL)).to.deep.equal([]);
    expect(other.keeper.isHeld(0, object)).to.equal(true);
    await recordBody(other, randomBytes(1000), systemClock.wallMs() + 10);
    expect(await one.keeper.find(URL)).to.have.length(1);
  });

  it('knows the subscribers as they are now, without their keys', async () => {
    const { subscribers } = opened.catalog;
    const [one] = both();
    const at = (address: string) => one.keeper.subscriberAt(address);
    await subscribers.add('ada', ['10.0.0.1']);
    await settle();
    expect(at('10.0.0.1')).to.deep.include({ number: 1, name: 'ada', isSuspended: false });
    expect(Object.keys(at('10.0.0.1') ?? {})).not.to.include('scope');
    await subscribers.change('ada', { isSuspended: true, addresses: ['10.0.0.2'] });
    await subscribers.add('bob', ['10.0.0.1']);
    await settle();
    expect([at('10.0.0.1')?.name, at('10.0.0.2')?.isSuspended]).to.deep.equal(['bob', true]);
    const later = await openWorker();
    expect(later.keeper.subscriberAt('10.0.0.2')?.name).to.equal('ada');
  });

  it('gives the error the owner met', async () => {
    const [one] = both();
    const error = await one.keeper.readPortions(99, [randomBytes(32)]).catch((reason: unknown) => reason);
    expect(error).to.include({ code: 'WEIR_SUBSCRIBER_UNKNOWN' });
  });

  it('counts connections over all, of those who come later and without those who left', async () => {
    const [one, other] = both();
    const of = (worker: Worker, client = 'ada') => worker.keeper.elsewhere.of(client);
    one.keeper.elsewhere.tell('ada', 1);
    one.keeper.elsewhere.tell('ada', 2);
    other.keeper.elsewhere.tell('ada', 5);
    await settle();
    expect([of(one), of(other), of(one, 'bob')]).to.deep.equal([5, 2, 0]);
    const third = await openWorker();
    expect(of(third)).to.equal(7);
    third.keeper.elsewhere.tell('ada', 1);
    await settle();
    expect([of(one), of(other)]).to.deep.equal([6, 3]);
    server.leave(other.link.other);
    await settle();
    expect([of(one), of(third)]).to.deep.equal([1, 2]);
    one.keeper.elsewhere.tell('ada', 0);
    await settle();
    expect(of(third)).to.equal(0);
  });
});

function answer(body: KeptResponse['body'], requestMs: number): KeptResponse {
  const headers = ['Content-Type', 'text/plain'];
  return { status: 200, reason: 'OK', headers, selecting: [], requestMs, responseMs: requestMs, body };
}
