import { expect } from 'chai';
import fc from 'fast-check';
import { contentId, EMPTY_CONTENT_ID } from '../../src/content/content-id.ts';
import {
  PACKED_PORTION_BYTES,
  portionList,
  portionListBuilder,
  singlePortion,
} from '../../src/content/portion-list.ts';

describe('portion list', () => {
  it('gives back what was added, in order', () => {
    const portion = fc.tuple(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.integer({ min: 1, max: 0xffff_ffff }),
    );
    fc.assert(
      fc.property(fc.array(portion, { maxLength: 40 }), (portions) => {
        const builder = portionListBuilder();
        for (const [index, [id, length]] of portions.entries()) {
          expect(builder.count).to.equal(index);
          builder.add(id, length);
        }
        for (const list of [builder.list(), portionList(Buffer.from(builder.list().packed))]) {
          expect(list.count).to.equal(portions.length);
          expect(list.packed.length).to.equal(portions.length * PACKED_PORTION_BYTES);
          expect(list.sizeBytes).to.equal(portions.reduce((sum, [, length]) => sum + length, 0));
          for (const [index, [id, length]] of portions.entries()) {
            expect(list.id(index).equals(id)).to.equal(true);
            expect(list.lengthBytes(index)).to.equal(length);
          }
        }
      }),
    );
  });

  it('sums beyond 32 bits', () => {
    const builder = portionListBuilder();
    for (let count = 0; count < 10; count++) builder.add(EMPTY_CONTENT_ID, 0xffff_ffff);
    expect(builder.list().sizeBytes).to.equal(10 * 0xffff_ffff);
  });

  it('of one portion names the object itself, and nothing for an empty object', () => {
    const id = contentId(Buffer.from('one'));
    const list = singlePortion(id, 3);
    expect([list.count, list.sizeBytes, list.lengthBytes(0)]).to.deep.equal([1, 3, 3]);
    expect(list.id(0).equals(id)).to.equal(true);
    expect(singlePortion(EMPTY_CONTENT_ID, 0).count).to.equal(0);
  });
});
