import { assert } from '../../base/assert.ts';
import type { Log } from '../../base/log.ts';
import type { CheckReport } from '../byte-store.ts';
import type { Lookup } from './lookup.ts';
import type { PortionIndex } from './portion-index.ts';
import type { Segment } from './segment.ts';
import { readSealed, scanEntries } from './segment-entries.ts';
import {
  decodeFooterEntry,
  decodeRecord,
  FOOTER_ENTRY_BYTES,
  type FooterEntry,
  RECORD_HEADER_BYTES,
} from './segment-format.ts';
import type { Extent, SegmentReader } from './segment-reader.ts';

interface CheckParts {
  readonly segments: ReadonlyMap<number, Segment>;
  readonly index: PortionIndex;
  readonly lookup: Lookup;
  readonly reader: SegmentReader;
  readonly log: Log;
}

/** Verified in one go, a few reads; then others have their turn. */
const BATCH_BYTES = 4 * 1024 * 1024;

/**
 * Reads every record in the index and verifies it, one segment after the other. A key is reported
 * when no record of it is left that is not corrupt.
 */
export async function checkSegments(parts: CheckParts): Promise<CheckReport> {
  let entries = 0;
  const corrupt: Uint8Array[] = [];
  // Those of now: what is put meanwhile must not keep the check going.
  const segments = [...parts.segments.values()];
  for (const segment of segments) {
    const records = await indexedRecords(parts, segment);
    for (let at = 0; at < records.length; ) {
      const batch = takeBatch(records, at);
      entries += batch.length;
      corrupt.push(...(await checkBatch(parts, segment, batch)));
      at += batch.length;
    }
  }
  return { entries, corrupt };
}

interface IndexedRecord extends Extent {
  readonly key: Uint8Array;
}

async function indexedRecords(parts: CheckParts, segment: Segment): Promise<IndexedRecord[]> {
  const number = segment.identity.number;
  const entries =
    segment.footer === undefined ? await entriesOnDisk(parts, segment) : entriesIn(segment.footer.bytes());
  return entries
    .filter(({ key, offset }) => parts.index.has(key, number, offset))
    .map(({ key, offset, storedBytes }) => ({
      key: Buffer.from(key),
      segment: number,
      offset,
      lengthBytes: RECORD_HEADER_BYTES + storedBytes,
    }));
}

function entriesOnDisk({ reader, log }: CheckParts, segment: Segment): Promise<readonly FooterEntry[]> {
  return reader.use(segment, async (file) => {
    const sealed = await readSealed(file);
    if (sealed.ok) return sealed.value.entries;
    log.error('store.bytes.footer.damaged', { path: segment.path, reason: sealed.fault });
    return (await scanEntries(file, segment.identity)).entries;
  });
}

function entriesIn(footer: Buffer): FooterEntry[] {
  const entries: FooterEntry[] = [];
  for (let at = 0; at < footer.length; at += FOOTER_ENTRY_BYTES) {
    const entry = decodeFooterEntry(footer, at);
    assert(entry !== undefined, 'a footer in memory is well-formed');
    entries.push(entry);
  }
  return entries;
}

function takeBatch(records: readonly IndexedRecord[], first: number): IndexedRecord[] {
  let sum = 0;
  let end = first;
  for (; end < records.length && sum < BATCH_BYTES; end++) sum += records[end]?.lengthBytes ?? 0;
  return records.slice(first, end);
}

async function checkBatch(
  parts: CheckParts,
  segment: Segment,
  batch: IndexedRecord[],
): Promise<Uint8Array[]> {
  const corrupt: Uint8Array[] = [];
  await parts.reader.read(batch, 0, (record, bytes) => {
    const decoded = bytes === undefined ? undefined : decodeRecord(bytes, 0, segment.identity.salt);
    if (decoded?.ok === true && Buffer.compare(decoded.value.key, record.key) === 0) return;
    parts.lookup.quarantine(record.key, record, decoded?.ok === false ? decoded.fault : 'unreadable');
    if (parts.index.candidates(record.key).length === 0) corrupt.push(record.key);
  });
  return corrupt;
}
