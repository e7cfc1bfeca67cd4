import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import { replaceFile, writeAll } from '../../base/durable-write.ts';
import type { Files, OpenFile } from '../../base/files.ts';
import type { Codec, Entry } from '../byte-store.ts';
import { pack } from './packing.ts';
import { createFooterTable, type FooterTable, type Segment, segmentName } from './segment.ts';
import {
  encodeHeader,
  encodeRecord,
  encodeTrailer,
  type FooterEntry,
  HEADER_BYTES,
  RECORD_HEADER_BYTES,
  type SegmentIdentity,
} from './segment-format.ts';
import type { WriteHealth } from './write-health.ts';

/** An entry to write. One that is `packed` has the payload of a record as its bytes, and stays so. */
export interface Appended extends Entry {
  readonly packed?: { readonly codec: Codec; readonly sizeBytes: number };
}

/** The one segment of a retention that grows. Calls must not overlap. */
export interface OpenSegment {
  readonly segment: Segment;
  /** Writes a record for each entry and syncs: all are durable, or none counts. */
  append(entries: readonly Appended[]): Promise<readonly FooterEntry[]>;
  /** Writes footer and trailer, syncs and closes. After a failure it is open as before. */
  seal(): Promise<void>;
  close(): Promise<void>;
}

/** Records are laid out in buffers of about this size: few writes, and turns for others between. */
const WRITE_BYTES = 4 * 1024 * 1024;

/** Makes the file, durable under its name, with a header and no records. */
export async function createSegment(
  files: Files,
  directory: string,
  identity: SegmentIdentity,
  health: WriteHealth,
): Promise<OpenSegment> {
  const path = join(directory, segmentName(identity.number, identity.retention));
  await replaceFile(files, path, encodeHeader(identity));
  const segment = { identity, slot: 0, path, endBytes: HEADER_BYTES, footer: createFooterTable() };
  return openSegment(segment, await files.open(path, 'append'), health);
}

/** `file` is that of `segment` and ends with its last record. */
export function openSegment(segment: Segment, file: OpenFile, health: WriteHealth): OpenSegment {
  const footer = footerOf(segment);
  const { salt, retention } = segment.identity;

  /** One is laid out while the other is written: a fifth more entries of 64 KiB a second on tmpfs. */
  let buffers = [Buffer.alloc(0), Buffer.alloc(0)] as const;

  /** The entries as records for `offset` of the segment; a view, good until the next call but one. */
  function layOut(entries: readonly Appended[], offset: number, written: FooterEntry[]): Buffer {
    const [previous, reused] = buffers;
    const room = roomBytes(entries);
    const buffer = reused.length < room ? Buffer.allocUnsafeSlow(room) : reused;
    buffers = [buffer, previous];
    let at = 0;
    for (const { key, bytes, packed } of entries) {
      const { codec, bytes: payload } = packed ? { ...packed, bytes } : pack(bytes, retention);
      const sizeBytes = packed?.sizeBytes ?? bytes.length;
      const end = encodeRecord(buffer, at, salt, key, codec, sizeBytes, payload);
      written.push({ key, offset: offset + at, codec, sizeBytes, storedBytes: payload.length });
      at = end;
    }
    return buffer.subarray(0, at);
  }

  /** Runs what writes behind the records; when it fails, takes everything written back. */
  async function orTakeBack(write: () => Promise<void>): Promise<void> {
    try {
      await write();
      await health.sync(() => file.datasync());
    } catch (error) {
      await takeBack(error);
      throw error;
    }
  }

  async function takeBack(cause: unknown): Promise<void> {
    try {
      await file.truncate(segment.endBytes);
    } catch (error) {
      const message = `what was written to ${segment.path} cannot be taken back`;
      throw new AggregateError([cause, error], message, { cause: error });
    }
  }

  async function append(entries: readonly Appended[]): Promise<readonly FooterEntry[]> {
    const written: FooterEntry[] = [];
    let end = segment.endBytes;
    await orTakeBack(async () => {
      let writing: Promise<void> | undefined;
      for (let at = 0; at < entries.length; ) {
        const piece = takePiece(entries, at);
        const bytes = layOut(piece, end, written);
        await writing;
        writing = writeAll(file, bytes, end);
        end += bytes.length;
        at += piece.length;
      }
      await writing;
    });
    segment.endBytes = end;
    for (const entry of written) footer.append(entry);
    return written;
  }

  return {
    segment,
    append,
    async seal() {
      const entries = footer.bytes();
      const trailer = encodeTrailer(segment.identity, segment.endBytes, entries);
      await orTakeBack(() => writeAll(file, Buffer.concat([entries, trailer]), segment.endBytes));
      segment.footer = undefined;
      await file.close();
    },
    close: () => file.close(),
  };
}

function footerOf({ footer }: Segment): FooterTable {
  assert(footer !== undefined, 'a sealed segment does not grow');
  return footer;
}

/** Room for the entries' records, which are never longer than raw ones. */
export function roomBytes(entries: readonly Entry[]): number {
  let sum = 0;
  for (const entry of entries) sum += RECORD_HEADER_BYTES + entry.bytes.length;
  return sum;
}

/** Entries from `first` on, as many as are written at once. */
function takePiece(entries: readonly Appended[], first: number): readonly Appended[] {
  let sum = 0;
  let end = first;
  for (; end < entries.length && sum < WRITE_BYTES; end++) {
    sum += RECORD_HEADER_BYTES + (entries[end]?.bytes.length ?? 0);
  }
  return entries.slice(first, end);
}
