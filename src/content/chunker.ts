import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { assert } from '../base/assert.ts';

/**
 * Content-defined portions: FastCDC with a 64-bit gear hash and normalisation level 2. The same
 * bytes give the same cuts wherever they stand, so an edit costs the portions it touches. The
 * numbers are part of the format (docs/format.md has the measurement behind them): two sides that
 * cut differently match nothing.
 */
export const MIN_PORTION_BYTES = 16 * 1024;
export const AVERAGE_PORTION_BYTES = 64 * 1024;
export const MAX_PORTION_BYTES = 256 * 1024;

export interface PortionSizes {
  readonly minBytes: number;
  /** A power of two. */
  readonly averageBytes: number;
  readonly maxBytes: number;
}

const DEFAULT_SIZES: PortionSizes = {
  minBytes: MIN_PORTION_BYTES,
  averageBytes: AVERAGE_PORTION_BYTES,
  maxBytes: MAX_PORTION_BYTES,
};

export interface Chunker {
  /**
   * Takes the next bytes of the stream and calls `cut` with each position in `bytes` at which a
   * portion ends, in order. What follows the last cut of the stream is its last portion.
   */
  push(bytes: Uint8Array, cut: (end: number) => void): void;
}

const NORMALISATION_BITS = 2;
const TOP_BIT = 62;
const GEAR_BYTES = 2048;
const WINDOW_BYTES = 256 * 1024;

interface Scanner {
  readonly memory: WebAssembly.Memory;
  readonly hash: WebAssembly.Global;
  readonly find: (at: number, end: number, hash: bigint, mask: bigint) => number;
}

const scanner = instantiate();
const window = new Uint8Array(scanner.memory.buffer, GEAR_BYTES, WINDOW_BYTES);

export function createChunker(sizes: PortionSizes = DEFAULT_SIZES): Chunker {
  const bits = Math.log2(sizes.averageBytes);
  assert(Number.isInteger(bits), 'the average portion size is a power of two');
  const early = topBits(bits + NORMALISATION_BITS);
  const late = topBits(bits - NORMALISATION_BITS);
  let portionBytes = 0;
  let state = 0n;

  /** Cuts what lies in the scanner's window, reported from `base`. */
  function scan(length: number, base: number, cut: (end: number) => void): void {
    let at = 0;
    while (at < length) {
      if (portionBytes < sizes.minBytes) {
        const skipped = Math.min(sizes.minBytes - portionBytes, length - at);
        portionBytes += skipped;
        at += skipped;
        continue;
      }
      const isEarly = portionBytes < sizes.averageBytes;
      const limit = (isEarly ? sizes.averageBytes : sizes.maxBytes) - portionBytes;
      const end = at + Math.min(limit, length - at);
      const found = scanner.find(GEAR_BYTES + at, GEAR_BYTES + end, state, isEarly ? early : late);
      const next = found === 0 ? end : found - GEAR_BYTES;
      portionBytes += next - at;
      at = next;
      state = scanner.hash.value;
      if (found !== 0 || portionBytes === sizes.maxBytes) {
        cut(base + at);
        portionBytes = 0;
        state = 0n;
      }
    }
  }

  return {
    push(bytes, cut) {
      for (let base = 0; base < bytes.length; base += WINDOW_BYTES) {
        const piece = bytes.subarray(base, base + WINDOW_BYTES);
        window.set(piece);
        scan(piece.length, base, cut);
      }
    },
  };
}

/** The lengths of the portions of one byte string. They add up to its length. */
export function portionLengths(bytes: Uint8Array, sizes: PortionSizes = DEFAULT_SIZES): number[] {
  const lengths: number[] = [];
  let start = 0;
  createChunker(sizes).push(bytes, (end) => {
    lengths.push(end - start);
    start = end;
  });
  if (start < bytes.length) lengths.push(bytes.length - start);
  return lengths;
}

/** Contiguous bits, none above bit 62: the top bits of a gear hash depend on the most bytes. */
function topBits(count: number): bigint {
  return ((1n << BigInt(count)) - 1n) << BigInt(TOP_BIT - count + 1);
}

function instantiate(): Scanner {
  const module = new WebAssembly.Module(readFileSync(new URL('chunker.wasm', import.meta.url)));
  const { memory, hash, find } = new WebAssembly.Instance(module).exports;
  assert(memory instanceof WebAssembly.Memory, 'chunker.wasm exports its memory');
  assert(hash instanceof WebAssembly.Global, 'chunker.wasm exports its hash');
  assert(isFind(find), 'chunker.wasm exports its loop');
  const gear = new BigUint64Array(memory.buffer, 0, 256);
  for (let byte = 0; byte < 256; byte++) gear[byte] = gearValue(byte);
  return { memory, hash, find };
}

/** The build assembles chunker.wat, so its one function has the type written there. */
function isFind(exported: unknown): exported is Scanner['find'] {
  return typeof exported === 'function';
}

/** The first 64 bits, little-endian, of SHA-256("weir gear N"): numbers nobody chose. */
function gearValue(byte: number): bigint {
  return Buffer.from(hash('sha256', `weir gear ${byte}`, 'hex'), 'hex').readBigUInt64LE(0);
}
