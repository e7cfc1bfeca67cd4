import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { OpenFile } from '../../../src/base/files.ts';
import {
  encodeRecord,
  HEADER_BYTES,
  MAX_RECORD_BYTES,
  RECORD_HEADER_BYTES,
} from '../../../src/store/embedded/segment-format.ts';
import { scanSegment } from '../../../src/store/embedded/segment-scan.ts';

const SALT = 77n;

describe('segment scan', () => {
  it('finds all records, small and of the largest size, across its windows', async () => {
    const sizes = Array.from({ length: 30 }, (_, n) =>
      n % 3 === 0 ? MAX_RECORD_BYTES - RECORD_HEADER_BYTES : n * 1000,
    );
    const { file, offsets, end } = segmentOf(sizes);
    const found: number[] = [];
    expect(await scanSegment(file, SALT, (offset) => found.push(offset))).to.deep.equal({
      endBytes: end,
      damage: [],
    });
    expect(found).to.deep.equal(offsets);
  });

  it('steps over damage of any length and tells where it is', async () => {
    const { bytes, file, offsets, end } = segmentOf(Array.from({ length: 40 }, () => 400_000));
    const [first = 0, last = 0] = [offsets[3], offsets[20]];
    bytes.fill('WREC', first + 20, last);
    const found: number[] = [];
    const result = await scanSegment(file, SALT, (offset) => found.push(offset));
    expect(result).to.deep.equal({ endBytes: end, damage: [{ offset: first, sizeBytes: last - first }] });
    expect(found).to.deep.equal([...offsets.slice(0, 3), ...offsets.slice(20)]);
  });

  it('ends before a torn tail', async () => {
    const { bytes, file, offsets } = segmentOf([500, 500, 500]);
    bytes.fill(0, (offsets[2] ?? 0) + 300);
    expect(await scanSegment(file, SALT, () => {})).to.deep.equal({ endBytes: offsets[2], damage: [] });
  });

  it('does not take a record inside a payload for one', async () => {
    const forged = Buffer.alloc(200);
    encodeRecord(forged, 0, SALT + 1n, Buffer.alloc(32, 'forged'), 'raw', 100, Buffer.alloc(100));
    const { bytes, file, offsets } = segmentOf([500, 500]);
    forged.copy(bytes, (offsets[0] ?? 0) + RECORD_HEADER_BYTES + 50);
    const found: number[] = [];
    await scanSegment(file, SALT, (offset) => found.push(offset));
    expect(found).to.deep.equal([offsets[1]]);
  });
});

function segmentOf(sizes: readonly number[]) {
  const bytes = Buffer.alloc(sizes.reduce((sum, size) => sum + size + RECORD_HEADER_BYTES, HEADER_BYTES));
  const offsets: number[] = [];
  let end = HEADER_BYTES;
  for (const size of sizes) {
    offsets.push(end);
    end = encodeRecord(bytes, end, SALT, randomBytes(32), 'raw', size, randomBytes(size));
  }
  const file: Pick<OpenFile, 'read' | 'sizeBytes'> = {
    read: async (target, position) => bytes.copy(target, 0, position),
    sizeBytes: async () => bytes.length,
  };
  return { bytes, file, offsets, end };
}
