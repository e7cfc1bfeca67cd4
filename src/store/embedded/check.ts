import type { Log } from '../../base/log.ts';
import type { CheckReport } from '../byte-store.ts';
import type { Lookup } from './lookup.ts';
import type { PortionIndex } from './portion-index.ts';
import type { Segment, Segments } from './segment.ts';
import { allEntries } from './segment-entries.ts';
import { decodeRecord, RECORD_HEADER_BYTES } from './segment-format.ts';
import type { Extent, SegmentReader } from './segment-reader.ts';
import type { Turns } from './turns.ts';

interface CheckParts {
  readonly segments: Segments;
  /** Shared with the sweep: no segment goes while it is read. */
  readonly turns: Turns;
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
  for (const segment of parts.segments.all()) {
    await parts.turns.take(async () => {
      if (parts.segments.get(segment.slot) !== segment) return;
      const records = await indexedRecords(parts, segment);
      for (let at = 0; at < records.length; ) {
        const batch = takeBatch(records, at);
        entries += batch.filter((record) => isCounted(parts.index, record)).length;
        corrupt.push(...(await checkBatch(parts, segment, batch)));
        at += batch.length;
      }
    });
  }
  return { entries, corrupt };
}

/** One record of each key is. */
function isCounted(index: PortionIndex, { key, segment, offset }: IndexedRecord): boolean {
  const [first] = index.candidates(key);
  return first?.segment === segment && first.offset === offset;
}

interface IndexedRecord extends Extent {
  readonly key: Uint8Array;
}

async function indexedRecords(parts: CheckParts, segment: Segment): Promise<IndexedRecord[]> {
  const { slot } = segment;
  return (await allEntries(parts, segment))
    .filter(({ key, offset }) => parts.index.has(key, slot, offset))
    .map(({ key, offset, storedBytes }) => ({
      key: Buffer.from(key),
      segment: slot,
      offset,
      lengthBytes: RECORD_HEADER_BYTES + storedBytes,
    }));
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
