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
const BLOCK_BYTES = 4 * 1024;

interface Piece {
  readonly startBytes: number;
  /** The first `length` bytes are the stream's. */
  readonly bytes: Buffer;
  length: number;
}

export function createByteWindow(): ByteWindow {
  return new PieceWindow();
}

class PieceWindow implements ByteWindow {
  #pieces: Piece[] = [];
  /** Those before are gone. */
  #head = 0;
  #endBytes = 0;

  get startBytes(): number {
    return this.#pieces[this.#head]?.startBytes ?? this.#endBytes;
  }

  get endBytes(): number {
    return this.#endBytes;
  }

  push(chunk: Buffer): void {
    const last = this.#pieces.length > this.#head ? this.#pieces.at(-1) : undefined;
    if (chunk.length >= BLOCK_BYTES) {
      this.#pieces.push({ startBytes: this.#endBytes, bytes: chunk, length: chunk.length });
    } else if (last !== undefined && last.length + chunk.length <= last.bytes.length) {
      last.bytes.set(chunk, last.length);
      last.length += chunk.length;
    } else {
      const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      block.set(chunk);
      this.#pieces.push({ startBytes: this.#endBytes, bytes: block, length: chunk.length });
    }
    this.#endBytes += chunk.length;
  }

  at(position: number): Buffer | undefined {
    assert(position >= this.startBytes, `byte ${position} is gone`);
    const piece = position < this.#endBytes ? this.#find(position) : undefined;
    return piece?.bytes.subarray(position - piece.startBytes, piece.length);
  }

  dropBefore(position: number): void {
    for (let piece = this.#pieces[this.#head]; piece !== undefined; piece = this.#pieces[this.#head]) {
      if (piece.startBytes + piece.length > position) break;
      this.#head++;
    }
    if (2 * this.#head <= this.#pieces.length) return;
    this.#pieces = this.#pieces.slice(this.#head);
    this.#head = 0;
  }

  gather(): Buffer {
    const pieces = this.#pieces.slice(this.#head);
    const [only, ...more] = pieces;
    // A small chunk of a large read would keep all of that in memory.
    if (only !== undefined && more.length === 0 && 2 * only.length >= only.bytes.buffer.byteLength)
      return only.bytes.subarray(0, only.length);
    return Buffer.concat(pieces.map(({ bytes, length }) => bytes.subarray(0, length)));
  }

  #find(position: number): Piece | undefined {
    let low = this.#head;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#pieces[middle]?.startBytes ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return this.#pieces[low];
  }
}
