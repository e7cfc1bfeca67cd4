import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { createLeases, MAX_LEASED_KEYS } from '../../src/catalog/leases.ts';
import { createScope } from '../../src/catalog/scope.ts';

const newKeys = (count: number) => Array.from({ length: count }, () => randomBytes(32));

describe('leases', () => {
  it('are seen by a watch if they were open when it began or came later, also once released', () => {
    const leases = createLeases();
    const [released, open, later, never] = [newKeys(50), newKeys(50), newKeys(50), newKeys(50)];
    const first = leases.lease();
    first.addKeys(released);
    first.release();
    const second = leases.lease();
    second.addKeys(open);
    const watch = leases.watch();
    second.release();
    const third = leases.lease();
    third.addKeys(later);
    third.release();
    third.release();
    const seen = (keys: readonly Buffer[]) => keys.map(watch.has);
    for (const keys of [open, later]) expect(seen(keys)).to.deep.equal(keys.map(() => true));
    for (const keys of [released, never]) expect(seen(keys)).to.deep.equal(keys.map(() => false));
    watch.end();
    const next = leases.watch();
    expect([...open, ...later].some(next.has)).to.equal(false);
  });

  it('name content by the key it has in its scope', () => {
    const leases = createLeases();
    const [scope, other] = [createScope(1, randomBytes(32)), createScope(2, randomBytes(32))];
    const [id = Buffer.alloc(32)] = newKeys(1);
    leases.lease().add(scope, [id]);
    const watch = leases.watch();
    expect([scope, other].map((one) => watch.has(one.contentKey(id)))).to.deep.equal([true, false]);
  });

  it('say when there are more than they remember, until enough are released', () => {
    const leases = createLeases();
    const keys = newKeys(1024);
    const large = leases.lease();
    for (let left = MAX_LEASED_KEYS; left > 0; left -= keys.length) large.addKeys(keys);
    expect(leases.isOverfull).to.equal(false);
    const small = leases.lease();
    small.addKeys(keys);
    expect(leases.isOverfull).to.equal(true);
    large.release();
    expect(leases.isOverfull).to.equal(false);
    small.release();
    expect(leases.isOverfull).to.equal(false);
  }).timeout(10_000);
});
