import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  createPortionIndex,
  LENGTH_UNIT_BYTES,
  MAX_SEGMENTS,
} from '../../../src/store/embedded/portion-index.ts';
import { MAX_RECORD_BYTES } from '../../../src/store/embedded/segment-format.ts';

describe('portion index', () => {
  it('finds a record where it was entered, over doublings', () => {
    const index = createPortionIndex();
    const keys = Array.from({ length: 20_000 }, () => randomBytes(32));
    for (const [n, key] of keys.entries()) index.insert(key, 1 + (n % 7), n, 100);
    expect(index.entries).to.equal(keys.length);
    for (const [n, key] of keys.entries()) {
      expect(index.candidates(key)).to.deep.equal([
        { segment: 1 + (n % 7), offset: n, lengthBoundBytes: LENGTH_UNIT_BYTES },
      ]);
    }
    expect(index.candidates(randomBytes(32))).to.deep.equal([]);
  });

  it('keeps the largest numbers, and a length that is never too short', () => {
    const index = createPortionIndex();
    const key = randomBytes(32);
    index.insert(key, MAX_SEGMENTS, 0xffffffff, MAX_RECORD_BYTES);
    const [location] = index.candidates(key);
    expect(location).to.include({ segment: MAX_SEGMENTS, offset: 0xffffffff });
    expect(location?.lengthBoundBytes).to.be.within(MAX_RECORD_BYTES, MAX_RECORD_BYTES + LENGTH_UNIT_BYTES);
    expect(() => index.insert(key, MAX_SEGMENTS + 1, 0, 1)).to.throw('22 bits');
    expect(() => index.insert(key, 0, 0, 1)).to.throw('22 bits');
  });

  it('answers as a list does, with keys that collide and leave again', () => {
    // Few fragments near the end of the table make long runs that wrap around.
    const place = fc.record({ slot: fc.integer({ min: 1018, max: 1029 }), offset: fc.nat(2) });
    const step = fc.tuple(fc.boolean(), place);
    fc.assert(
      fc.property(fc.array(step, { minLength: 30, maxLength: 80, size: 'max' }), (steps) => {
        const index = createPortionIndex();
        const model = new Map<string, { slot: number; offset: number }>();
        for (const [isInsert, { slot, offset }] of steps) {
          const name = `${slot} ${offset}`;
          expect(index.has(keyFor(slot), 9, offset)).to.equal(model.has(name));
          if (!isInsert) expect(index.remove(keyFor(slot), 9, offset)).to.equal(model.delete(name));
          else if (!model.has(name)) {
            index.insert(keyFor(slot), 9, offset, 1);
            model.set(name, { slot, offset });
          }
        }
        expect(index.entries).to.equal(new Set([...model.values()].map(({ slot }) => slot)).size);
        for (let slot = 1018; slot < 1030; slot++) {
          const wanted = [...model.values()].filter((one) => one.slot === slot).map(({ offset }) => offset);
          expect(index.candidates(keyFor(slot)).map(({ offset }) => offset)).to.have.members(wanted);
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** A key whose home is `slot` of a table of 1024; slots from 1024 on are other keys of the first ones. */
function keyFor(slot: number): Buffer {
  const key = Buffer.alloc(32);
  key.writeUInt32LE(slot, 0);
  return key;
}
