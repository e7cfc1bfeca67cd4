import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { zstdCompress, zstdDecompress } from '../../src/base/compress.ts';
import { chance, mutated, underSeed } from './seeded.ts';

const text = Buffer.from('what passes is kept, what is kept need not be sent. '.repeat(400));
const frame = Buffer.from(zstdCompress(text, 3));

/** A frame of run-length blocks of zeros, 128 KiB each, that says it holds `statedBytes` (RFC 8878 section 3.1.1). */
function bomb(blocks: number, statedBytes: number, singleSegment = true): Buffer {
  const head = Buffer.alloc(singleSegment ? 13 : 14);
  head.writeUInt32LE(0xfd2fb528, 0);
  head[4] = singleSegment ? 0xe0 : 0xc0;
  if (!singleSegment) head[5] = 0xff; // a window of 3.75 TiB
  head.writeBigUInt64LE(BigInt(statedBytes), singleSegment ? 5 : 6);
  const body = Buffer.alloc(blocks * 4);
  for (let block = 0; block < blocks; block++) {
    const isLast = block === blocks - 1;
    const header = (131_072 << 3) | (1 << 1) | (isLast ? 1 : 0);
    body.writeUIntLE(header, block * 4, 3);
  }
  return Buffer.concat([head, body]);
}

/** What the process's greatest resident memory so far grew by while `body` ran. */
function growthBytes(body: () => void): number {
  const before = process.resourceUsage().maxRSS;
  body();
  return (process.resourceUsage().maxRSS - before) * 1024;
}

describe('zstd frames', () => {
  it('give back what was compressed, at every level that is used', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 4096 }),
      fc.nat({ max: 400_000 }).map((length) => new Uint8Array(length)),
    );
    fc.assert(
      fc.property(bytes, fc.constantFrom(1, 3, 9), (plain, level) => {
        const content = zstdDecompress(zstdCompress(plain, level), plain.length);
        expect(content !== undefined && Buffer.compare(content, plain) === 0).to.equal(true);
      }),
      { numRuns: 200 },
    );
  });

  it('state their size in each of the widths there are', () => {
    for (const sizeBytes of [0, 1, 255, 256, 257, 65_791, 65_792, 1_000_000]) {
      const plain = chance(sizeBytes).bytes(sizeBytes);
      expect(zstdDecompress(zstdCompress(plain, 3), sizeBytes)?.length).to.equal(sizeBytes);
    }
  });

  it('are refused when their size is not the one expected', () => {
    for (const sizeBytes of [0, 1, text.length - 1, text.length + 1, 2 ** 32, 2 ** 53 - 1, -1, Number.NaN]) {
      expect(zstdDecompress(frame, sizeBytes), `${sizeBytes}`).to.equal(undefined);
    }
  });

  it('are refused when the size they state is a lie', () => {
    expect(zstdDecompress(bomb(1, 131_072), 131_072)?.length).to.equal(131_072);
    expect(zstdDecompress(bomb(2, 131_072), 131_072)).to.equal(undefined);
    expect(zstdDecompress(bomb(1, 131_073), 131_073)).to.equal(undefined);
    expect(zstdDecompress(bomb(1, 10), 10)).to.equal(undefined);
  });

  it('cost no more than the size expected, however far they would unpack', () => {
    const large = bomb(3000, 3000 * 131_072);
    const lying = bomb(3000, 1000);
    const wide = bomb(1, 131_072, false);
    const grown = growthBytes(() => {
      for (let run = 0; run < 20; run++) {
        expect(zstdDecompress(large, 1000)).to.equal(undefined);
        expect(zstdDecompress(lying, 1000)).to.equal(undefined);
        const content = zstdDecompress(wide, 131_072);
        expect(content === undefined || content.length === 131_072).to.equal(true);
      }
    });
    expect(grown).to.be.lessThan(64 * 1024 * 1024);
  });

  it('come alone: another frame, a skippable one or a byte before or behind is refused', () => {
    const skippable = Buffer.from('502a4d180400000001020304', 'hex');
    const empty = Buffer.from(zstdCompress(new Uint8Array(0), 3));
    for (const [name, bytes] of Object.entries({
      'two frames': Buffer.concat([frame, frame]),
      'an empty frame behind': Buffer.concat([frame, empty]),
      'an empty frame before': Buffer.concat([empty, frame]),
      'a skippable frame behind': Buffer.concat([frame, skippable]),
      'a skippable frame before': Buffer.concat([skippable, frame]),
      'a skippable frame alone': skippable,
      'a byte behind': Buffer.concat([frame, Buffer.from([0])]),
      'a byte before': Buffer.concat([Buffer.from([0]), frame]),
      nothing: Buffer.alloc(0),
    })) {
      for (const sizeBytes of [text.length, text.length * 2, 0]) {
        expect(zstdDecompress(bytes, sizeBytes), `${name}, ${sizeBytes}`).to.equal(undefined);
      }
    }
  });

  it('are refused when they are cut short, wherever', () => {
    for (let length = 0; length < frame.length; length++) {
      expect(zstdDecompress(frame.subarray(0, length), text.length), `${length}`).to.equal(undefined);
    }
    expect(zstdDecompress(frame, text.length)?.length).to.equal(text.length);
  });

  it('may be views of larger buffers', () => {
    const view = Buffer.concat([Buffer.alloc(3), frame, Buffer.alloc(5)]).subarray(3, 3 + frame.length);
    expect(zstdDecompress(view, text.length)?.length).to.equal(text.length);
  });

  it('never throw and never give another length, whatever is done to them', () => {
    underSeed((chance) => {
      const random = chance.bytes(3000);
      const frames = [frame, Buffer.from(zstdCompress(random, 3)), bomb(3, 3 * 131_072)] as const;
      const sizes = [text.length, random.length, 3 * 131_072] as const;
      for (let run = 0; run < 10_000; run++) {
        const which = chance.integer(3);
        const sizeBytes = sizes[which] ?? 0;
        const content = zstdDecompress(mutated(frames[which] ?? frame, chance), sizeBytes);
        if (content !== undefined) expect(content.length).to.equal(sizeBytes);
      }
    });
  });

  it('keep working after they were refused', () => {
    zstdDecompress(mutated(frame, chance(1)), text.length);
    const content = zstdDecompress(frame, text.length);
    expect(content && crc32(content)).to.equal(crc32(text));
  });
});
