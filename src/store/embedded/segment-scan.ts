import type { OpenFile } from '../../base/files.ts';
import {
  decodeRecord,
  HEADER_BYTES,
  MAX_RECORD_BYTES,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  RECORD_MAGIC_AT,
  type StoredRecord,
} from './segment-format.ts';

/** Read at a time; holds any record twice over. */
const WINDOW_BYTES = 4 * MAX_RECORD_BYTES;

export interface Damage {
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface ScanResult {
  /** Where the last good record ends. */
  readonly endBytes: number;
  /** Stretches between good records in which there is none. */
  readonly damage: readonly Damage[];
}

/**
 * Finds every good record of a segment without its footer, in order. Behind a bad one it goes on
 * at the next that is good, so that one flipped bit does not take what follows with it.
 * `onRecord` must not keep views of the record.
 */
export async function scanSegment(
  file: Pick<OpenFile, 'read' | 'sizeBytes'>,
  salt: bigint,
  onRecord: (offset: number, record: StoredRecord) => void,
): Promise<ScanResult> {
  const fileBytes = await file.sizeBytes();
  const buffer = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, fileBytes));
  const damage: Damage[] = [];
  let endBytes = HEADER_BYTES;
  let offset = HEADER_BYTES;
  while (offset < fileBytes) {
    const start = offset;
    const window = buffer.subarray(0, await file.read(buffer, start));
    const isLast = start + window.length >= fileBytes;
    let at = 0;
    for (;;) {
      const found = nextRecord(window, at, salt, isLast);
      if ('resumeAt' in found) {
        offset = start + found.resumeAt;
        break;
      }
      const from = start + found.at;
      if (from > endBytes) damage.push({ offset: endBytes, sizeBytes: from - endBytes });
      onRecord(from, found.record);
      at = found.at + RECORD_HEADER_BYTES + found.record.storedBytes;
      endBytes = start + at;
    }
    if (isLast || window.length === 0) break;
  }
  return { endBytes, damage };
}

type Found = { readonly at: number; readonly record: StoredRecord } | { readonly resumeAt: number };

/**
 * The first good record at or after `at`, or where to go on with the next window: any record that
 * could reach beyond this one starts there or later.
 */
function nextRecord(window: Buffer, at: number, salt: bigint, isLast: boolean): Found {
  const safeEnd = isLast ? window.length : window.length - MAX_RECORD_BYTES;
  let candidate = at;
  while (candidate < safeEnd) {
    const decoded = decodeRecord(window, candidate, salt);
    if (decoded.ok) return { at: candidate, record: decoded.value };
    const magicAt = window.indexOf(RECORD_MAGIC, candidate + RECORD_MAGIC_AT + 1);
    if (magicAt < 0) return { resumeAt: safeEnd };
    candidate = magicAt - RECORD_MAGIC_AT;
  }
  return { resumeAt: candidate };
}
