import { expect } from 'chai';
import fc from 'fast-check';
import { WeirError } from '../../src/base/errors.ts';
import { type HeldObject, objects } from '../../src/catalog/objects.ts';
import { type PortionList, portionListBuilder } from '../../src/content/portion-list.ts';
import { mutated, underSeed } from '../base/seeded.ts';

const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));

function listOf(portions: readonly (readonly [Uint8Array, number])[]): PortionList {
  const builder = portionListBuilder();
  for (const [portion, length] of portions) builder.add(portion, length);
  return builder.list();
}

const held: fc.Arbitrary<HeldObject> = fc.record({
  scope: fc.nat(),
  level: fc.constantFrom('file' as const, 'directory' as const, 'portion' as const),
  contentId: id,
  sizeBytes: fc.maxSafeNat(),
  identifier: fc.nat({ max: 2 ** 48 - 1 }),
  isProved: fc.boolean(),
  portions: fc.array(fc.tuple(id, fc.nat()), { maxLength: 4 }).map(listOf),
  pages: fc.nat({ max: 100 }),
});

describe('object records', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(held, (object) => {
        const { portions, ...rest } = objects.decode(objects.encode(object));
        const { portions: given, ...expected } = object;
        expect(rest).to.deep.equal(expected);
        expect(portions.packed.equals(given.packed)).to.equal(true);
        expect(portions.sizeBytes).to.equal(given.sizeBytes);
      }),
    );
  });

  it('have one encoding: of 10,000 mutants each is corrupt or encodes to itself', () => {
    const samples = fc.sample(held, 20).map(objects.encode);
    underSeed((chance) => {
      for (let run = 0; run < 10_000; run++) {
        const mutant = mutated(samples[run % samples.length] ?? Buffer.alloc(0), chance);
        let object: HeldObject;
        try {
          object = objects.decode(mutant);
        } catch (error) {
          expect(error)
            .to.be.instanceOf(WeirError)
            .with.property('code')
            .that.is.oneOf(['WEIR_STORE_CORRUPT', 'WEIR_STORE_FORMAT']);
          continue;
        }
        expect(Buffer.compare(objects.encode(object), mutant), mutant.toString('hex')).to.equal(0);
      }
    });
  });
});
