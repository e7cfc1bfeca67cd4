import { expect } from 'chai';
import { systemRandom } from '../../src/base/random.ts';
import { scopePrefix } from '../../src/catalog/scope.ts';
import { subscriberRecords } from '../../src/catalog/subscriber-records.ts';
import { openSubscribers, type Subscriber, type Subscribers } from '../../src/catalog/subscribers.ts';
import { openMemoryRecords } from '../../src/store/memory/records.ts';
import { putRecord, type Records } from '../../src/store/records.ts';
import { codeOf, EMBEDDED, type ManualClock, MEMORY, manualClock } from './opened-catalog.ts';

const DAY_MS = 86_400_000;

function withoutScope(subscriber: Subscriber): Omit<Subscriber, 'scope'> {
  const { scope, ...rest } = subscriber;
  expect(scope.number).to.equal(subscriber.number);
  return rest;
}

/** What the version before consents and connections wrote. */
const FORMER_RECORD = {
  number: 1,
  name: 'ada',
  isSuspended: false,
  createdMs: 1_700_000_000_000,
  addresses: ['10.0.0.1'],
  scopeKey: Buffer.alloc(32, 5).toString('base64'),
};

for (const drivers of [MEMORY, EMBEDDED]) {
  describe(`subscribers over ${drivers.name} records`, () => {
    let opened: Awaited<ReturnType<typeof drivers.open>>;
    let clock: ManualClock;
    let subscribers: Subscribers;
    const open = (records: Records) => openSubscribers(records, clock, systemRandom);

    beforeEach(async () => {
      opened = await drivers.open();
      clock = manualClock();
      subscribers = await open(opened.stores.records);
    });
    afterEach(() => opened.remove());

    it('have running numbers, a name and addresses of their own, and a scope each', async () => {
      const ada = await subscribers.add('ada', ['10.0.0.1', '2001:db8::1']);
      const bob = await subscribers.add('bob', []);
      expect([ada.number, bob.number]).to.deep.equal([1, 2]);
      expect(subscribers.list().map(({ name }) => name)).to.deep.equal(['ada', 'bob']);
      expect(subscribers.byAddress('2001:db8::1')?.name).to.equal('ada');
      expect(subscribers.byAddress('10.0.0.2')).to.equal(undefined);
      expect(subscribers.scopeOf(2)).to.equal(bob.scope);
      expect(subscribers.scopeOf(3)).to.equal(undefined);
      const id = Buffer.alloc(32);
      expect(ada.scope.contentKey(id).equals(bob.scope.contentKey(id))).to.equal(false);
    });

    it('take no name and no address twice, and no name that is empty or too long', async () => {
      await subscribers.add('ada', ['10.0.0.1']);
      expect(await codeOf(subscribers.add('ada', []))).to.equal('WEIR_NAME_TAKEN');
      expect(await codeOf(subscribers.add('bob', ['10.0.0.9', '10.0.0.1']))).to.equal('WEIR_ADDRESS_TAKEN');
      expect(await codeOf(subscribers.add('', []))).to.equal('WEIR_USAGE');
      expect(await codeOf(subscribers.add('é'.repeat(33), []))).to.equal('WEIR_USAGE');
      expect(subscribers.list()).to.have.length(1);
      expect(subscribers.byAddress('10.0.0.9')).to.equal(undefined);
      await subscribers.add('é'.repeat(32), ['10.0.0.2', '10.0.0.2']);
    });

    it('added at once do not share a number, a name or an address', async () => {
      const outcomes = await Promise.allSettled([
        subscribers.add('ada', ['10.0.0.1']),
        subscribers.add('bob', ['10.0.0.2']),
        subscribers.add('ada', ['10.0.0.3']),
        subscribers.add('cid', ['10.0.0.1']),
      ]);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected')
          expect(['WEIR_RECORD_CONFLICT', 'WEIR_NAME_TAKEN', 'WEIR_ADDRESS_TAKEN']).to.include(
            outcome.reason.code,
          );
      }
      const again = await open((await opened.reopen()).records);
      const list = again.list();
      expect(list.length).to.be.greaterThan(0);
      expect(new Set(list.map(({ number }) => number)).size).to.equal(list.length);
      expect(new Set(list.map(({ name }) => name)).size).to.equal(list.length);
      expect(list.map(({ name }) => name)).to.deep.equal(subscribers.list().map(({ name }) => name));
    });

    it('enrol a device by an invitation once, and know it by its token alone', async () => {
      const ada = await subscribers.add('ada', []);
      const invitation = await subscribers.invite(ada);
      const { token, subscriber } = await subscribers.enrol(invitation, 'laptop', '10.0.0.7');
      expect(subscriber.name).to.equal('ada');
      expect(subscribers.byAddress('10.0.0.7')?.name).to.equal('ada');
      expect(token.equals(invitation)).to.equal(false);
      const device = await subscribers.authenticate(token);
      expect([device.name, device.subscriber.name]).to.deep.equal(['laptop', 'ada']);
      expect(await codeOf(subscribers.enrol(invitation, 'thief', undefined))).to.equal(
        'WEIR_INVITATION_INVALID',
      );
      expect(await codeOf(subscribers.authenticate(invitation))).to.equal('WEIR_TOKEN_REFUSED');
      const near = Buffer.from(token);
      near[31] = (near[31] ?? 0) ^ 1;
      for (const wrong of [near, Buffer.alloc(32), Buffer.alloc(0), token.subarray(0, 31)]) {
        expect(await codeOf(subscribers.authenticate(wrong))).to.equal('WEIR_TOKEN_REFUSED');
        expect(await codeOf(subscribers.enrol(wrong, 'x', undefined))).to.equal('WEIR_INVITATION_INVALID');
      }
    });

    it('enrol one device when an invitation is used twice at once', async () => {
      const invitation = await subscribers.invite(await subscribers.add('ada', []));
      const outcomes = await Promise.allSettled(
        ['one', 'two', 'three'].map((name) => subscribers.enrol(invitation, name, undefined)),
      );
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).to.have.length(1);
    });

    it('leave an address with whom it belongs to', async () => {
      await subscribers.add('ada', ['10.0.0.1']);
      const bob = await subscribers.add('bob', []);
      const { subscriber } = await subscribers.enrol(await subscribers.invite(bob), 'pc', '10.0.0.1');
      expect(subscriber.addresses).to.deep.equal([]);
      expect(subscribers.byAddress('10.0.0.1')?.name).to.equal('ada');
    });

    it('let an invitation end after seven days of the clock', async () => {
      const ada = await subscribers.add('ada', []);
      const [early, late] = [await subscribers.invite(ada), await subscribers.invite(ada)];
      clock.advance(7 * DAY_MS);
      await subscribers.enrol(early, 'in time', undefined);
      clock.advance(1);
      expect(await codeOf(subscribers.enrol(late, 'too late', undefined))).to.equal(
        'WEIR_INVITATION_INVALID',
      );
    });

    it('revoke every token of a device of that name and no other', async () => {
      const ada = await subscribers.add('ada', []);
      const bob = await subscribers.add('bob', []);
      const enrol = async (who: typeof ada, name: string) =>
        (await subscribers.enrol(await subscribers.invite(who), name, undefined)).token;
      const [first, second, other, his] = [
        await enrol(ada, 'pc'),
        await enrol(ada, 'pc'),
        await enrol(ada, 'phone'),
        await enrol(bob, 'pc'),
      ];
      expect(await subscribers.revoke('ada', 'pc')).to.equal(2);
      expect(await subscribers.revoke('ada', 'pc')).to.equal(0);
      expect(await subscribers.revoke('ada', 'none')).to.equal(0);
      expect(await codeOf(subscribers.revoke('nobody', 'pc'))).to.equal('WEIR_SUBSCRIBER_UNKNOWN');
      for (const token of [first, second])
        expect(await codeOf(subscribers.authenticate(token))).to.equal('WEIR_TOKEN_REFUSED');
      for (const token of [other, his]) await subscribers.authenticate(token);
    });

    it('suspended can do nothing, and keep everything', async () => {
      const ada = await subscribers.add('ada', ['10.0.0.1']);
      const { token } = await subscribers.enrol(await subscribers.invite(ada), 'pc', undefined);
      const invitation = await subscribers.invite(ada);
      await subscribers.change('ada', { isSuspended: true });
      expect(subscribers.byAddress('10.0.0.1')?.isSuspended).to.equal(true);
      expect(await codeOf(subscribers.authenticate(token))).to.equal('WEIR_SUBSCRIBER_SUSPENDED');
      expect(await codeOf(subscribers.enrol(invitation, 'x', undefined))).to.equal(
        'WEIR_SUBSCRIBER_SUSPENDED',
      );
      await subscribers.change('ada', { isSuspended: false });
      await subscribers.authenticate(token);
      await subscribers.enrol(invitation, 'x', undefined);
      expect(subscribers.byName('ada')?.scope).to.equal(ada.scope);
      expect(await codeOf(subscribers.change('nobody', { isSuspended: true }))).to.equal(
        'WEIR_SUBSCRIBER_UNKNOWN',
      );
    });

    it('stay suspended when a device enrols at the same time', async () => {
      const ada = await subscribers.add('ada', ['10.0.0.1']);
      const invitations = [await subscribers.invite(ada), await subscribers.invite(ada)] as const;
      await Promise.allSettled([
        subscribers.enrol(invitations[0], 'before', '10.0.0.1'),
        subscribers.change('ada', { isSuspended: true }),
        subscribers.enrol(invitations[1], 'after', undefined),
      ]);
      const isStored = (await open((await opened.reopen()).records)).byName('ada')?.isSuspended;
      expect(subscribers.byName('ada')?.isSuspended, 'in memory as on disk').to.equal(isStored);
      expect(isStored).to.equal(true);
    });

    it('are recorded by http from the start, unless the provider or they say otherwise', async () => {
      const startMs = clock.wallMs();
      const ada = await subscribers.add('ada', []);
      expect(ada.consents).to.deep.equal({ http: { isGiven: true, timeMs: startMs, by: 'default' } });
      const bob = await subscribers.add('bob', [], { http: false });
      expect(bob.consents).to.deep.equal({ http: { isGiven: false, timeMs: startMs, by: 'default' } });
      clock.advance(1000);
      const out = await subscribers.change('ada', { recording: { http: false } });
      const withdrawn = { http: { isGiven: false, timeMs: startMs + 1000, by: 'operator' } };
      expect(out.consents).to.deep.equal(withdrawn);
      clock.advance(1000);
      await subscribers.change('ada', { recording: { http: false } });
      expect(subscribers.byName('ada')?.consents, 'the time of the first answer').to.deep.equal(withdrawn);
      const mailed = await subscribers.change('ada', { recording: { smtp: true } });
      expect(mailed.consents).to.deep.equal({
        ...withdrawn,
        smtp: { isGiven: true, timeMs: startMs + 2000, by: 'operator' },
      });
      expect((await open((await opened.reopen()).records)).byName('ada')?.consents).to.deep.equal(
        mailed.consents,
      );
    });

    it('change their addresses, each staying with one of them', async () => {
      const ada = await subscribers.add('ada', ['10.0.0.1', '10.0.0.2']);
      await subscribers.add('bob', ['10.0.0.3']);
      await subscribers.change('ada', { addresses: ['10.0.0.2', '10.0.0.4', '10.0.0.4'] });
      expect(subscribers.byName('ada')?.addresses).to.deep.equal(['10.0.0.2', '10.0.0.4']);
      expect(subscribers.byAddress('10.0.0.1')).to.equal(undefined);
      expect(subscribers.byAddress('10.0.0.4')?.scope).to.equal(ada.scope);
      expect(await codeOf(subscribers.change('bob', { addresses: ['10.0.0.1', '10.0.0.4'] }))).to.equal(
        'WEIR_ADDRESS_TAKEN',
      );
      expect(subscribers.byName('bob')?.addresses).to.deep.equal(['10.0.0.3']);
      await subscribers.change('ada', { addresses: [] });
      await subscribers.change('bob', { addresses: ['10.0.0.4'] });
      expect(subscribers.byAddress('10.0.0.4')?.name).to.equal('bob');
      const again = await open((await opened.reopen()).records);
      expect(again.list().map(({ addresses }) => addresses)).to.deep.equal([[], ['10.0.0.4']]);
    });

    it('have connections of their own, or those of the configuration', async () => {
      expect((await subscribers.add('ada', [])).connections).to.equal(undefined);
      expect((await subscribers.change('ada', { connections: 5 })).connections).to.equal(5);
      expect((await subscribers.change('ada', { isSuspended: true })).connections).to.equal(5);
      const again = await open((await opened.reopen()).records);
      expect(again.byName('ada')?.connections).to.equal(5);
      expect((await again.change('ada', { connections: null })).connections).to.equal(undefined);
      expect(await codeOf(again.change('nobody', { connections: 1 }))).to.equal('WEIR_SUBSCRIBER_UNKNOWN');
    });

    it('of a former version open, are recorded as they were, and can be changed', async () => {
      const encode = (record: typeof FORMER_RECORD) => Buffer.from(JSON.stringify(record));
      const former = { ...subscriberRecords, encode };
      await opened.stores.records.write([putRecord(former, scopePrefix(1), FORMER_RECORD)]);
      const again = await open(opened.stores.records);
      const http = { isGiven: true, timeMs: FORMER_RECORD.createdMs, by: 'default' };
      expect(again.byAddress('10.0.0.1')?.consents).to.deep.equal({ http });
      await again.change('ada', { connections: 5 });
      await again.change('ada', { recording: { http: false } });
      const last = await open((await opened.reopen()).records);
      await last.change('ada', { isSuspended: true });
      expect(last.byName('ada')).to.deep.include({ isSuspended: true, connections: 5 });
      expect(last.byName('ada')?.consents.http?.isGiven).to.equal(false);
    });

    it('are the same when they are opened again', async () => {
      const ada = await subscribers.add('ada', ['10.0.0.1']);
      await subscribers.add('bob', ['10.0.0.2']);
      const { token } = await subscribers.enrol(await subscribers.invite(ada), 'pc', '10.0.0.3');
      const open2 = await subscribers.invite(ada);
      await subscribers.change('bob', { isSuspended: true });
      const before = subscribers.list().map(withoutScope);
      const again = await open((await opened.reopen()).records);
      expect(again.list().map(withoutScope)).to.deep.equal(before);
      const id = Buffer.alloc(32, 9);
      const scope = again.scopeOf(1);
      expect(scope?.contentKey(id).equals(ada.scope.contentKey(id))).to.equal(true);
      expect(scope?.candidateKey('file', 7, 8)).to.equal(ada.scope.candidateKey('file', 7, 8));
      expect((await again.authenticate(token)).subscriber.name).to.equal('ada');
      await again.enrol(open2, 'later', undefined);
      expect((await again.add('cid', [])).number).to.equal(3);
    });
  });
}

describe('subscribers on disk', () => {
  it('hold no token and no invitation that would open a door', async () => {
    const records = openMemoryRecords();
    const written: Buffer[] = [];
    const subscribers = await openSubscribers(
      {
        ...records,
        write(operations) {
          for (const one of operations)
            written.push(
              Buffer.from(one.key),
              ...('value' in one && one.value ? [Buffer.from(one.value)] : []),
            );
          return records.write(operations);
        },
      },
      manualClock(),
      systemRandom,
    );
    const invitation = await subscribers.invite(await subscribers.add('ada', []));
    const { token } = await subscribers.enrol(invitation, 'pc', undefined);
    for (const secret of [invitation, token])
      for (const form of [
        secret,
        secret.toString('hex'),
        secret.toString('base64'),
        secret.toString('base64url'),
      ])
        expect(written.some((bytes) => bytes.includes(form))).to.equal(false);
  });
});
