import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { createKeyFilter } from '../../src/store/key-filter.ts';

describe('key filter', () => {
  it('has every key it got, and takes few others for them', () => {
    const count = 200_000;
    const filter = createKeyFilter(count);
    const keys = Array.from({ length: count }, () => randomBytes(32));
    let seemedThere = 0;
    for (const key of keys) if (!filter.add(key)) seemedThere++;
    expect(keys.every((key) => filter.has(key))).to.equal(true);
    expect(keys.some((key) => filter.add(key))).to.equal(false);
    const strangers = Array.from({ length: count }, () => randomBytes(32)).filter((key) => filter.has(key));
    // 0.8 % and its spread.
    expect(strangers.length / count).to.be.lessThan(0.011);
    expect(seemedThere / count).to.be.lessThan(0.005);
  });

  it('stays right when it gets more than it was made for', () => {
    const filter = createKeyFilter(1);
    const keys = Array.from({ length: 300_000 }, () => randomBytes(8));
    for (const key of keys) filter.add(key);
    expect(keys.every((key) => filter.has(key))).to.equal(true);
  });
});
