import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { createUses, MAX_NOTED_OBJECTS } from '../../src/catalog/uses.ts';

const key = (name: string | number) => createHash('sha256').update(`${name}`).digest();

describe('uses', () => {
  it('make worth more what was wanted more, by the bytes', () => {
    const uses = createUses();
    for (const share of [1, 1, 1]) uses.note(key('often'), share);
    uses.note(key('once'), 1);
    uses.note(key('a tenth'), 0.1);
    const worths = ['often', 'once', 'a tenth', 'never'].map((name) => uses.worth(key(name)));
    expect(worths).to.deep.equal([3, 1, 0.1, 0]);
  });

  it('let what was wanted long ago grow old', () => {
    const uses = createUses();
    for (let n = 0; n < 5; n++) uses.note(key('once popular'), 1);
    uses.raise(5);
    uses.raise(2);
    uses.note(key('new'), 1);
    expect(uses.worth(key('new'))).to.be.greaterThan(uses.worth(key('once popular')));
    uses.note(key('once popular'), 1);
    expect(uses.worth(key('once popular'))).to.equal(11);
  });

  it('forget those used longest ago', () => {
    const uses = createUses();
    for (const name of ['stays', 'goes']) uses.note(key(name), 1);
    for (let n = 0; n < MAX_NOTED_OBJECTS - 1; n++) {
      if (n === 10) uses.note(key('stays'), 1);
      uses.note(key(n), 1);
    }
    expect([uses.worth(key('goes')), uses.worth(key('stays')), uses.worth(key(0))]).to.deep.equal([0, 2, 1]);
  });
});
