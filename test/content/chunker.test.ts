import { createHash } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { AssertionError } from '../../src/base/assert.ts';
import {
  AVERAGE_PORTION_BYTES,
  createChunker,
  MAX_PORTION_BYTES,
  MIN_PORTION_BYTES,
  type PortionSizes,
  portionLengths,
} from '../../src/content/chunker.ts';
import { chance } from '../base/seeded.ts';

const DEFAULT: PortionSizes = {
  minBytes: MIN_PORTION_BYTES,
  averageBytes: AVERAGE_PORTION_BYTES,
  maxBytes: MAX_PORTION_BYTES,
};
/** Small enough that a property sees many cuts. */
const SMALL: PortionSizes = { minBytes: 64, averageBytes: 256, maxBytes: 1024 };

const GEAR = Array.from({ length: 256 }, (_, byte) =>
  createHash('sha256').update(`weir gear ${byte}`).digest().readBigUInt64LE(0),
);

/** FastCDC as Xia et al. write it down (USENIX ATC 2016, algorithm 1), one byte a step. */
function referenceLengths(bytes: Uint8Array, { minBytes, averageBytes, maxBytes }: PortionSizes): number[] {
  const bits = Math.log2(averageBytes);
  const mask = (count: number) => BigInt(`0b0${'1'.repeat(count)}${'0'.repeat(63 - count)}`);
  const [early, late] = [mask(bits + 2), mask(bits - 2)];
  const lengths: number[] = [];
  for (let start = 0; start < bytes.length; ) {
    const longest = Math.min(maxBytes, bytes.length - start);
    let hash = 0n;
    let length = Math.min(minBytes, longest);
    while (length < longest) {
      const isEarly = length < averageBytes;
      hash = BigInt.asUintN(64, (hash << 1n) + (GEAR[bytes[start + length] ?? 0] ?? 0n));
      length += 1;
      if ((hash & (isEarly ? early : late)) === 0n) break;
    }
    lengths.push(length);
    start += length;
  }
  return lengths;
}

function cutsOf(pieces: readonly Uint8Array[], sizes: PortionSizes): number[] {
  const chunker = createChunker(sizes);
  const cuts: number[] = [];
  let base = 0;
  for (const piece of pieces) {
    chunker.push(piece, (end) => cuts.push(base + end));
    base += piece.length;
  }
  return cuts;
}

function piecesOf(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return [...pieces, bytes.subarray(Math.min(at, bytes.length))];
}

/** Bytes with long runs, repetition and noise: where a chunker goes wrong. */
const rough = fc
  .tuple(fc.nat(), fc.array(fc.tuple(fc.nat({ max: 2500 }), fc.nat({ max: 4 })), { maxLength: 8 }))
  .map(([seed, parts]) => {
    const { bytes } = chance(seed);
    return Buffer.concat(
      parts.map(([length, kind]) => {
        if (kind === 0) return Buffer.alloc(length);
        if (kind === 1) return Buffer.alloc(length, bytes(13));
        return bytes(length);
      }),
    );
  });

describe('chunker', () => {
  it('cuts as it has always cut: the cuts are part of the format', () => {
    const lengths = portionLengths(chance(20_261_120).bytes(8 * 1024 * 1024));
    expect(lengths.slice(0, 6)).to.deep.equal([67_756, 37_489, 68_084, 29_038, 70_184, 71_891]);
    expect(createHash('sha256').update(lengths.join()).digest('hex')).to.equal(
      '967536d617e2d0f619d86be4c0f0d70a4d78de2d4270bd2a51740f23dc894e0e',
    );
  });

  it('has the numbers of the format', () => {
    expect(DEFAULT).to.deep.equal({ minBytes: 16_384, averageBytes: 65_536, maxBytes: 262_144 });
  });

  it('cuts where a plain implementation of FastCDC cuts, with the sizes of the format', () => {
    const { bytes } = chance(1);
    const data = Buffer.concat([bytes(700_000), Buffer.alloc(600_000), bytes(1_000_001)]);
    const lengths = portionLengths(data);
    expect(lengths).to.deep.equal(referenceLengths(data, DEFAULT));
    expect(lengths).to.include(MAX_PORTION_BYTES);
  });

  it('cuts where a plain implementation of FastCDC cuts, with small sizes', () => {
    fc.assert(
      fc.property(rough, (bytes) => {
        expect(portionLengths(bytes, SMALL)).to.deep.equal(referenceLengths(bytes, SMALL));
      }),
      { numRuns: 150 },
    );
  });

  it('cuts the same in whatever pieces the bytes come', () => {
    const lengths = fc.array(
      fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 900 }), fc.constantFrom(0, 1, 7, 8, 9, 64, 256, 1024)),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(rough, lengths, (bytes, pieces) => {
        expect(cutsOf(piecesOf(bytes, pieces), SMALL)).to.deep.equal(cutsOf([bytes], SMALL));
      }),
      { numRuns: 300 },
    );
  });

  it('cuts the same across its own window, one byte a piece and beside another chunker', () => {
    const bytes = chance(2).bytes(1_200_000);
    const expected = cutsOf([bytes], DEFAULT);
    for (const piece of [262_143, 262_144, 262_145, 524_289, 65_536, 4093]) {
      const pieces = piecesOf(
        bytes,
        Array.from({ length: Math.floor(bytes.length / piece) }, () => piece),
      );
      expect(cutsOf(pieces, DEFAULT), `pieces of ${piece}`).to.deep.equal(expected);
    }
    const short = bytes.subarray(0, 20_000);
    const single = Array.from({ length: short.length }, () => 1);
    expect(cutsOf(piecesOf(short, single), SMALL)).to.deep.equal(cutsOf([short], SMALL));

    const [left, right] = [createChunker(SMALL), createChunker(DEFAULT)];
    const cuts: number[] = [];
    for (let at = 0; at < bytes.length; at += 50_000) {
      left.push(bytes.subarray(at, at + 50_000).toReversed(), () => undefined);
      right.push(bytes.subarray(at, at + 50_000), (end) => cuts.push(at + end));
    }
    expect(cuts).to.deep.equal(expected);
  });

  it('keeps to its bounds, and loses no byte', () => {
    fc.assert(
      fc.property(rough, (bytes) => {
        const lengths = portionLengths(bytes, SMALL);
        expect(lengths.reduce((sum, length) => sum + length, 0)).to.equal(bytes.length);
        for (const length of lengths) expect(length).to.be.within(1, SMALL.maxBytes);
        for (const length of lengths.slice(0, -1)) expect(length).to.be.greaterThan(SMALL.minBytes);
      }),
      { numRuns: 300 },
    );
  });

  it('gives nothing for nothing, and what is no longer than the least portion in one', () => {
    expect(portionLengths(new Uint8Array(0))).to.deep.equal([]);
    for (const length of [1, MIN_PORTION_BYTES - 1, MIN_PORTION_BYTES]) {
      expect(portionLengths(chance(3).bytes(length))).to.deep.equal([length]);
    }
  });

  it('cuts equal bytes at the greatest length, whichever byte it is', () => {
    for (let byte = 0; byte < 256; byte++) {
      const lengths = portionLengths(Buffer.alloc(MAX_PORTION_BYTES * 2 + 5, byte));
      expect(lengths, `${byte}`).to.deep.equal([MAX_PORTION_BYTES, MAX_PORTION_BYTES, 5]);
    }
  });

  it('makes portions of about the average', () => {
    const lengths = portionLengths(chance(4).bytes(16 * 1024 * 1024));
    expect((16 * 1024 * 1024) / lengths.length).to.be.within(
      AVERAGE_PORTION_BYTES * 0.8,
      AVERAGE_PORTION_BYTES * 1.4,
    );
  });

  it('changes few portions when bytes are inserted, removed or overwritten', () => {
    const { bytes, integer } = chance(5);
    const original = bytes(256 * 1024);
    const idsOf = (data: Uint8Array) => {
      let at = 0;
      return portionLengths(data, SMALL).map((length) => {
        at += length;
        return createHash('sha256')
          .update(data.subarray(at - length, at))
          .digest('latin1' as 'hex');
      });
    };
    const known = new Set(idsOf(original));
    let changed = 0;
    let worst = 0;
    for (let run = 0; run < 90; run++) {
      const at = integer(original.length - 100);
      const skipped = run % 3 === 0 ? 0 : 1 + integer(100);
      const inserted = run % 3 === 1 ? Buffer.alloc(0) : bytes(1 + integer(100));
      const edited = Buffer.concat([original.subarray(0, at), inserted, original.subarray(at + skipped)]);
      const fresh = idsOf(edited).filter((id) => !known.has(id)).length;
      expect(fresh).to.be.greaterThan(0);
      changed += fresh;
      worst = Math.max(worst, fresh);
    }
    expect(known.size).to.be.greaterThan(700);
    expect(changed / 90).to.be.lessThan(4);
    expect(worst).to.be.lessThan(16);
  });

  it('takes an average that is no power of two for a programmer error', () => {
    expect(() => createChunker({ ...SMALL, averageBytes: 300 })).to.throw(AssertionError);
  });
});
