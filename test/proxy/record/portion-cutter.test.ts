import { expect } from 'chai';
import fc from 'fast-check';
import { createPortionCutter, SLAB_BYTES } from '../../../proxy/record/portion-cutter.ts';
import { createSlabs } from '../../../proxy/record/slabs.ts';
import { MAX_PORTION_BYTES, portionLengths } from '../../../src/content/chunker.ts';
import { contentId } from '../../../src/content/content-id.ts';
import { chance } from '../../base/seeded.ts';

const { bytes } = chance(4);
const NOISE = bytes(1_200_000);

describe('portion cutter', () => {
  it('hands on the portions of the format, and gives the id of the whole, in whatever pieces', () => {
    const slabs = createSlabs();
    const lengths = fc.oneof(
      fc.integer({ min: 1, max: 70_000 }),
      fc.integer({ min: 1, max: NOISE.length }),
      fc.constantFrom(16_384, MAX_PORTION_BYTES, 2 * MAX_PORTION_BYTES),
    );
    const pieces = fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 5 });
    const announced = fc.constantFrom('right', 'short', 'long', undefined);
    fc.assert(
      fc.property(lengths, pieces, announced, fc.boolean(), (length, steps, announcement, isZeros) => {
        const body = isZeros ? Buffer.alloc(length) : NOISE.subarray(0, length);
        const said = { right: length, short: length >> 1, long: length * 2 };
        const got: Buffer[] = [];
        const cutter = createPortionCutter(slabs, announcement && said[announcement], (portions, slab) => {
          expect(slab.length).to.be.most(SLAB_BYTES);
          for (const portion of portions) {
            expect(contentId(portion.bytes).equals(portion.id)).to.equal(true);
            got.push(Buffer.from(portion.bytes));
          }
          slab.fill(0xee);
          slabs.giveBack(slab);
        });
        for (let at = 0, turn = 0; at < length; turn++) {
          const end = at + (steps[turn % steps.length] ?? 1);
          cutter.write(body.subarray(at, end));
          at = end;
        }
        expect(contentId(body).equals(cutter.finish())).to.equal(true);
        expect(got.map((portion) => portion.length)).to.deep.equal(portionLengths(body));
        expect(Buffer.concat(got).equals(body)).to.equal(true);
        expect(cutter.portions.list().sizeBytes).to.equal(length);
      }),
      { numRuns: 150 },
    );
  });

  it('takes no more memory than a power of two for a body of announced length', () => {
    for (const [length, most] of [
      [1_000, 4_096],
      [65_536, 65_536],
      [65_537, 131_072],
      [1_000_000, SLAB_BYTES],
    ] as const) {
      const cutter = createPortionCutter(createSlabs(), length, () => undefined);
      cutter.write(NOISE.subarray(0, 100));
      expect(cutter.heldBytes, `${length}`).to.equal(most);
    }
  });
});

describe('slabs', () => {
  it('gives back memory once, and keeps so much and no more', () => {
    const slabs = createSlabs();
    const first = slabs.take(60_000);
    expect(first.length).to.equal(65_536);
    expect(slabs.take(60_000)).to.not.equal(first);
    slabs.giveBack(first);
    expect(slabs.take(70_000)).to.not.equal(first);
    expect(slabs.take(65_536)).to.equal(first);
    expect(slabs.take(65_536)).to.not.equal(first);
    const many = Array.from({ length: 1_000 }, () => slabs.take(5_000));
    for (const slab of many) slabs.giveBack(slab);
    const again = Array.from({ length: 1_000 }, () => slabs.take(5_000));
    expect(again.filter((slab) => many.includes(slab)).length).to.equal(64);
  });
});
