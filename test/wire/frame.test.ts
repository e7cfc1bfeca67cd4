import { expect } from 'chai';
import fc from 'fast-check';
import { type ErrorCode, WeirError } from '../../src/base/errors.ts';
import { encodeFrameHeader, FRAME_HEADER_BYTES, type Frame, readFrames } from '../../src/wire/frame.ts';

const MAX_BYTES = 1000;

async function* streamOf(chunks: Iterable<Buffer>): AsyncGenerator<Buffer> {
  yield* chunks;
}

async function framesIn(chunks: Iterable<Buffer>, maxBytes = () => MAX_BYTES): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const { type, payload } of readFrames(streamOf(chunks), maxBytes)) {
    frames.push({ type, payload: Buffer.from(payload) });
  }
  return frames;
}

function frameOf(type: number, payload: Uint8Array): Buffer {
  return Buffer.concat([encodeFrameHeader(type, payload.length), payload]);
}

async function codeOf(frames: Promise<unknown>): Promise<ErrorCode | 'no error'> {
  try {
    await frames;
    return 'no error';
  } catch (error) {
    if (error instanceof WeirError) return error.code;
    throw error;
  }
}

const SAMPLE: readonly Frame[] = [
  { type: 1, payload: Buffer.from('first') },
  { type: 255, payload: Buffer.alloc(0) },
  { type: 0, payload: Buffer.alloc(MAX_BYTES, 7) },
  { type: 64, payload: Buffer.from('last') },
];
const STREAM = Buffer.concat(SAMPLE.map(({ type, payload }) => frameOf(type, payload)));

describe('frames', () => {
  it('begin with a little-endian length and a type', () => {
    expect(encodeFrameHeader(9, 0x01020304).toString('hex')).to.equal('0403020109');
    expect(FRAME_HEADER_BYTES).to.equal(5);
  });

  it('come out whole wherever the stream is split in two', async () => {
    for (let at = 0; at <= STREAM.length; at++) {
      const frames = await framesIn([STREAM.subarray(0, at), STREAM.subarray(at)]);
      expect(frames, `${at}`).to.deep.equal(SAMPLE);
    }
  });

  it('come out whole in any pieces, also byte by byte and empty ones', async () => {
    expect(await framesIn(Array.from(STREAM, (byte) => Buffer.from([byte])))).to.deep.equal(SAMPLE);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 60 }), { maxLength: 80 }), async (lengths) => {
        const chunks: Buffer[] = [];
        let at = 0;
        for (const length of lengths) {
          chunks.push(STREAM.subarray(at, at + length));
          at = Math.min(at + length, STREAM.length);
        }
        chunks.push(STREAM.subarray(at));
        expect(await framesIn(chunks)).to.deep.equal(SAMPLE);
      }),
      { numRuns: 100 },
    );
  });

  it('are refused above the bound before their bytes are taken', async () => {
    let taken = 0;
    function* endless(): Generator<Buffer> {
      yield encodeFrameHeader(1, MAX_BYTES + 1);
      for (;;) {
        taken += 1;
        yield Buffer.alloc(100);
      }
    }
    expect(await codeOf(framesIn(endless()))).to.equal('WEIR_WIRE_TOO_LARGE');
    expect(taken).to.equal(0);
    const largest = encodeFrameHeader(1, 0xffff_ffff);
    expect(await codeOf(framesIn([largest]))).to.equal('WEIR_WIRE_TOO_LARGE');
  });

  it('ask for the bound of each frame when it comes', async () => {
    let bound = 10;
    const chunks = [frameOf(1, Buffer.alloc(10)), frameOf(2, Buffer.alloc(500))];
    const frames: number[] = [];
    for await (const { type } of readFrames(streamOf(chunks), () => bound)) {
      frames.push(type);
      bound = 500;
    }
    expect(frames).to.deep.equal([1, 2]);
    expect(await codeOf(framesIn(chunks, () => 10))).to.equal('WEIR_WIRE_TOO_LARGE');
  });

  it('end between two of them, and nowhere else', async () => {
    expect(await framesIn([])).to.deep.equal([]);
    for (const length of [1, 4, 5, 9, STREAM.length - 1]) {
      expect(await codeOf(framesIn([STREAM.subarray(0, length)])), `${length}`).to.equal(
        'WEIR_WIRE_MALFORMED',
      );
    }
  });

  it('hold little more than their bytes, however small the pieces', async () => {
    const sizeBytes = 1_000_000;
    const piece = () => Buffer.from(new ArrayBuffer(1));
    let most = 0;
    let sent = 0;
    async function* drip(): AsyncGenerator<Buffer> {
      yield encodeFrameHeader(1, sizeBytes);
      for (; sent < sizeBytes; sent++) {
        if (sent % 100_000 === 99_999) most = Math.max(most, memoryBytes());
        yield piece();
      }
    }
    const before = memoryBytes();
    for await (const { payload } of readFrames(drip(), () => sizeBytes))
      expect(payload.length).to.equal(sizeBytes);
    expect(most - before).to.be.lessThan(48 * 1024 * 1024);
  }).timeout(10_000);
});

function memoryBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
