import { assert } from '../../src/base/assert.ts';

/** The latest bytes of a stream, found by their position in it. */
export interface ByteWindow {
  /** The window holds the bytes from here … */
  readonly startBytes: number;
  /** … to before here, which is how many there have been. */
  readonly endBytes: number;
  /** Takes the next bytes and keeps them as they are. */
  push(chunk: Buffer): void;
  /** The bytes at a position of the window, as many as lie together; undefined at its end. */
  at(position: number): Buffer | undefined;
  /** Lets go of pieces that end before a position or at it. */
  dropBefore(position: number): void;
  /** All the window holds, in one piece. */
  gather(): Buffer;
}

/** Smaller chunks are gathered: a stream may come byte by byte, and a piece costs some 150 bytes. */
const SMALL_BYTES = 4 * 1024;
const BLOCK_BYTES = 16 * 1024;

interface Piece {
  readonly startBytes: number;
  /** The first `length` bytes are the stream's. */
  readonly bytes: Buffer;
  length: number;
}

export function createByteWindow(): ByteWindow {
  let pieces: Piece[] = [];
  /** Those before are gone. */
  let head = 0;
  let endBytes = 0;

  function startOf(): number {
    return pieces[head]?.startBytes ?? endBytes;
  }

  function find(position: number): Piece | undefined {
    let low = head;
    let high = pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((pieces[middle]?.startBytes ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return pieces[low];
  }

  return {
    get startBytes() {
      return startOf();
    },
    get endBytes() {
      return endBytes;
    },
    push(chunk) {
      const last = pieces.length > head ? pieces.at(-1) : undefined;
      if (chunk.length >= SMALL_BYTES) {
        pieces.push({ startBytes: endBytes, bytes: chunk, length: chunk.length });
      } else if (last !== undefined && last.length + chunk.length <= last.bytes.length) {
        last.bytes.set(chunk, last.length);
        last.length += chunk.length;
      } else {
        const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
        block.set(chunk);
        pieces.push({ startBytes: endBytes, bytes: block, length: chunk.length });
      }
      endBytes += chunk.length;
    },
    at(position) {
      assert(position >= startOf(), `byte ${position} is gone`);
      const piece = position < endBytes ? find(position) : undefined;
      return piece?.bytes.subarray(position - piece.startBytes, piece.length);
    },
    dropBefore(position) {
      for (let piece = pieces[head]; piece !== undefined; piece = pieces[head]) {
        if (piece.startBytes + piece.length > position) break;
        head++;
      }
      if (2 * head <= pieces.length) return;
      pieces = pieces.slice(head);
      head = 0;
    },
    gather() {
      const [only, ...more] = pieces.slice(head);
      // A small chunk of a large read would keep all of that in memory.
      if (only !== undefined && more.length === 0 && 2 * only.length >= only.bytes.buffer.byteLength)
        return only.bytes.subarray(0, only.length);
      return Buffer.concat(pieces.slice(head).map(({ bytes, length }) => bytes.subarray(0, length)));
    },
  };
}
