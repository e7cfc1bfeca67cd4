import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { newTally } from '../../backup/server/context.ts';
import { createOffer } from '../../backup/server/offer.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { objectKey, objects } from '../../src/catalog/objects.ts';
import { openRoom, type Room } from '../../src/catalog/room.ts';
import { createCandidateDigest, SALT_BYTES } from '../../src/content/identifier.ts';
import { NONCE_BYTES } from '../../src/content/proof.ts';
import { fileObject } from '../catalog/opened-catalog.ts';
import { type TestDevice, testDevice } from './device.ts';
import { openProvider, type TestProvider, temporaryDirectory } from './provider.ts';
import { describeTree, differences } from './tree.ts';

const ADDRESS = '127.0.0.9';
const LIMIT_BYTES = 400_000;
const FILE_BYTES = 100_000;

describe('backups while captures make room', function () {
  this.timeout(30_000);
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let provider: TestProvider;
  let room: Room;
  let device: TestDevice;
  let home: string;
  let passed: Buffer[];

  beforeEach(async () => {
    directory = await temporaryDirectory();
    provider = await openProvider(join(directory.path, 'provider'), { segmentBytes: 64 * 1024 });
    const { catalog, bytes } = provider;
    room = openRoom({ catalog, bytes, limitBytes: LIMIT_BYTES, clock: systemClock, log: silentLog });
    home = join(directory.path, 'home');
    mkdirSync(home);
    await provider.add('ada', ADDRESS);
    device = testDevice(await provider.enrol('ada'), directory.path, [home]);
    passed = Array.from({ length: 12 }, () => randomBytes(FILE_BYTES));
    for (const n of passed.keys()) await pass(n);
  });
  afterEach(async () => {
    await room.close();
    await provider[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  const pass = (n: number) => provider.pass(ADDRESS, `http://origin.test/${n}`, passed[n] ?? Buffer.alloc(0));
  const keep = (name: string, ...pieces: (Buffer | undefined)[]) =>
    writeFileSync(join(home, name), Buffer.concat(pieces.map((piece) => piece ?? Buffer.alloc(0))));

  async function expectRestored(name: string): Promise<void> {
    const target = join(directory.path, name);
    const { problems } = await device.restore(home, target);
    expect(problems).to.deep.equal([]);
    expect(differences(describeTree(home), describeTree(target))).to.deep.equal([]);
  }

  it('restore what they matched, whole and in portions, and upload what has left', async () => {
    keep('first', passed[0]);
    keep('second', passed[1]);
    keep('edited', Buffer.from('a beginning of its own'), passed[2]);
    keep('own', randomBytes(50_000));
    const { tally } = await device.backup();
    expect(tally.uploadedBytes).to.be.below(250_000);
    await room.check();
    expect(provider.bytes.stats().passingBytes).to.be.below(LIMIT_BYTES);
    expect(room.stats.evictedObjects).to.be.greaterThan(3);
    await expectRestored('after one round');
    keep('left', passed[3]);
    const second = await device.backup();
    expect(second.tally.uploadedBytes).to.be.at.least(FILE_BYTES);
    for (const n of passed.keys()) await pass(n);
    await room.check();
    await expectRestored('after another');
  });

  it('may run while it is made', async () => {
    const state = { isDone: false };
    const making = (async () => {
      for (let n = 0; !state.isDone; n++) {
        await pass(n % passed.length);
        await room.check();
      }
    })();
    for (let n = 0; n < 8; n++) {
      keep(`file ${n}`, passed[n]);
      keep(`edited ${n}`, Buffer.from(`${n}`), passed[11 - n]);
      expect((await device.backup()).problems).to.deep.equal([]);
    }
    state.isDone = true;
    await making;
    expect(room.stats.rounds).to.be.greaterThan(0);
    await expectRestored('afterwards');
  });

  it('are told that an offer has left, whole or in part, and never that it is there', async () => {
    const { contents, subscribers } = provider.catalog;
    const scope = subscribers.byName('ada')?.scope;
    const bytes = passed.find((one) => fileObject(one).portions.count > 1);
    if (scope === undefined || bytes === undefined) return expect.fail();
    const digestOf = createCandidateDigest(randomBytes(SALT_BYTES));
    const context = { contents, scope, nonce: randomBytes(NONCE_BYTES), digestOf, tally: newTally() };
    const object = fileObject(bytes);
    const identifier = object.portions.id(0).readUIntLE(0, 6);
    const offers = [
      createOffer(context, 'file', [object]),
      createOffer(context, 'portion', [{ identifier, sizeBytes: object.portions.lengthBytes(0) }]),
    ];
    expect(offers.map(({ candidates }) => candidates.flat().length)).to.deep.equal([1, 1]);
    // Its bytes are still there: only a sweep takes them.
    const [held] = await provider.catalog.records.get(objects, [objectKey(scope, 'file', object.contentId)]);
    if (held === undefined) return expect.fail();
    await contents.evict([{ scope, object: held, alongside: [] }], () => false);
    for (const offer of offers) {
      const choice = { chosen: Uint8Array.of(1), proof: undefined, isThorough: false };
      expect((await offer.settle(choice, 0)).verdict).to.deep.equal({ isAccepted: false, lost: [0] });
    }
  });
});
