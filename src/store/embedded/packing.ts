import { zstdCompress, zstdDecompress } from '../../base/compress.ts';
import type { Codec, Retention } from '../byte-store.ts';

export interface Packed {
  readonly codec: Codec;
  readonly bytes: Uint8Array;
}

/**
 * What passes comes at the speed of traffic and much of it goes again, so it gets the quick level:
 * 28 against 50 ms for 10 MiB of machine code, of which 50 instead of 47 % remain.
 */
const LEVELS = { passing: 1, kept: 3 } as const satisfies Record<Retention, number>;
/** Frames have some 10 bytes of overhead, so little can come of trying below. */
const MIN_TRIED_BYTES = 128;
/** What may remain of the bytes for compression to pay. */
const PAYS_BELOW = 0.95;
/** Of a long entry its beginning is tried first: 8 µs instead of 22 for 64 KiB that do not shrink. */
const PROBE_BYTES = 4096;
const MIN_PROBED_BYTES = 4 * PROBE_BYTES;

/** The bytes as one zstd frame when that saves at least a twentieth, else as they are. */
export function pack(bytes: Uint8Array, retention: Retention): Packed {
  const level = LEVELS[retention];
  const raw: Packed = { codec: 'raw', bytes };
  if (bytes.length < MIN_TRIED_BYTES) return raw;
  if (bytes.length >= MIN_PROBED_BYTES && !pays(bytes.subarray(0, PROBE_BYTES), level)) return raw;
  const frame = zstdCompress(bytes, level);
  return frame.length <= bytes.length * PAYS_BELOW ? { codec: 'zstd', bytes: frame } : raw;
}

/** The plain bytes, or undefined when they are not what `pack` made of `sizeBytes` bytes. */
export function unpack(packed: Packed, sizeBytes: number): Uint8Array | undefined {
  if (packed.codec === 'zstd') return zstdDecompress(packed.bytes, sizeBytes);
  return packed.bytes.length === sizeBytes ? packed.bytes : undefined;
}

function pays(sample: Uint8Array, level: number): boolean {
  return zstdCompress(sample, level).length <= sample.length * PAYS_BELOW;
}
