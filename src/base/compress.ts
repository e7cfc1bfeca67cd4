import { compress, decompress } from '@cloudpss/zstd';

/**
 * Zstandard, as single frames that state their content size (RFC 8878).
 *
 * The binding keeps one context per process, so these functions must be called from one thread
 * only.
 */
export function zstdCompress(bytes: Uint8Array, level: number): Uint8Array {
  return compress(bytes, level);
}

/**
 * The content of one frame, or undefined when `frame` is not exactly one whole frame that states
 * `sizeBytes` as its content size. The frame is walked before anything is allocated, so a hostile
 * frame costs no more than `sizeBytes`.
 */
export function zstdDecompress(frame: Uint8Array, sizeBytes: number): Uint8Array | undefined {
  if (!isOneFrame(frame, sizeBytes)) return undefined;
  try {
    const content = decompress(frame);
    return content.length === sizeBytes ? content : undefined;
  } catch {
    return undefined;
  }
}

const MAGIC = 0xfd2fb528;
const CHECKSUM_BYTES = 4;
const FCS_BYTES = [0, 2, 4, 8] as const;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;

/** RFC 8878 section 3.1.1: header, then blocks up to the last one, then the checksum, then nothing. */
function isOneFrame(frame: Uint8Array, sizeBytes: number): boolean {
  if (frame.length < 6) return false;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (view.getUint32(0, true) !== MAGIC) return false;
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeField = isSingleSegment && descriptor >> 6 === 0 ? 1 : (FCS_BYTES[descriptor >> 6] ?? 0);
  const sizeAt = 5 + (isSingleSegment ? 0 : 1) + (DICTIONARY_ID_BYTES[descriptor & 3] ?? 0);
  if (sizeAt + sizeField > frame.length) return false;
  if (contentSize(view, sizeAt, sizeField) !== sizeBytes) return false;
  const end = endOfBlocks(view, sizeAt + sizeField);
  if (end === undefined) return false;
  return end + ((descriptor & 4) !== 0 ? CHECKSUM_BYTES : 0) === frame.length;
}

function contentSize(view: DataView, at: number, field: number): number | undefined {
  if (field === 1) return view.getUint8(at);
  if (field === 2) return view.getUint16(at, true) + 256;
  if (field === 4) return view.getUint32(at, true);
  if (field === 8) return Number(view.getBigUint64(at, true));
  return undefined;
}

function endOfBlocks(view: DataView, start: number): number | undefined {
  let at = start;
  for (;;) {
    if (at + 3 > view.byteLength) return undefined;
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const isRunLength = ((header >> 1) & 3) === 1;
    at += 3 + (isRunLength ? 1 : header >> 3);
    if (at > view.byteLength) return undefined;
    if ((header & 1) === 1) return at;
  }
}
