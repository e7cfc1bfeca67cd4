import { expect } from 'chai';
import { createKeyFilter } from '../../src/catalog/key-filter.ts';
import { chance } from '../base/seeded.ts';

describe('the key filter', () => {
  it('knows every key that was added, and of others nearly all that they were not', () => {
    const { bytes } = chance(3);
    const filter = createKeyFilter();
    const added = Array.from({ length: 20_000 }, () => Buffer.from(bytes(32)));
    for (const key of added) filter.add(key);
    expect(added.every(filter.mayHave)).to.equal(true);
    const passed = Array.from({ length: 20_000 }, () => Buffer.from(bytes(32))).filter(filter.mayHave);
    expect(passed.length).to.be.below(5);
  });
});
