import { join } from 'node:path';
import { writeAll } from '../../base/durable-write.ts';
import { WeirError } from '../../base/errors.ts';
import type { Files, OpenFile } from '../../base/files.ts';
import type { Log } from '../../base/log.ts';
import type { Retention } from '../byte-store.ts';
import type { PortionIndex } from './portion-index.ts';
import {
  createFooterTable,
  createSegments,
  parseSegmentName,
  type Segment,
  type Segments,
} from './segment.ts';
import { readSealed, scanEntries } from './segment-entries.ts';
import {
  type Decoded,
  decodeHeader,
  type FooterEntry,
  HEADER_BYTES,
  RECORD_HEADER_BYTES,
  type SegmentIdentity,
} from './segment-format.ts';

export interface Recovered {
  readonly segments: Segments;
  /** The segment of each retention to go on with. */
  readonly open: Map<Retention, Segment>;
  readonly nextNumber: number;
  /** Over all records of a retention, those corrupt or put again included. */
  readonly totals: Readonly<Record<Retention, Sums>>;
}

export interface Sums {
  plainBytes: number;
  storedBytes: number;
}

interface Parts {
  readonly files: Files;
  readonly index: PortionIndex;
  readonly log: Log;
}

/**
 * Enters all records of a directory of segments into `index`. Idempotent, also when it is cut
 * short: what it changes is the torn tail of an open segment and left-over temporary files.
 *
 * Only the newest segment of a retention can be open, since the one before is sealed and synced
 * first. It is made durable before its records enter the index: after a kill they may be in the
 * page cache alone. A segment that lost its footer in another way is scanned and left as it is.
 */
export async function recoverSegments(parts: Parts, directory: string): Promise<Recovered> {
  const found = await listSegments(parts, directory);
  const newest = new Map(found.map(({ number, retention }) => [retention, number]));
  const segments = createSegments();
  const open: Recovered['open'] = new Map();
  const totals = {
    passing: { plainBytes: 0, storedBytes: 0 },
    kept: { plainBytes: 0, storedBytes: 0 },
  };
  for (const { path, ...place } of found) {
    const isNewest = newest.get(place.retention) === place.number;
    const file = await parts.files.open(path, isNewest ? 'append' : 'read');
    try {
      const recovered = await recoverSegment(parts.log, path, file, place, isNewest);
      if (recovered === undefined) continue;
      const { segment, entries } = recovered;
      segments.add(segment);
      enter(parts.index, segment.slot, entries, totals[place.retention]);
      if (isNewest && segment.footer !== undefined) open.set(place.retention, segment);
    } finally {
      await file.close();
    }
  }
  return { segments, open, nextNumber: (found.at(-1)?.number ?? 0) + 1, totals };
}

const REWRITE_BYTES = 4 * 1024 * 1024;

interface Place {
  readonly number: number;
  readonly retention: Retention;
}

async function listSegments({ files, log }: Parts, directory: string): Promise<(Place & { path: string })[]> {
  const found: (Place & { path: string })[] = [];
  for (const name of await files.list(directory)) {
    const path = join(directory, name);
    const place = parseSegmentName(name);
    if (place !== undefined) found.push({ ...place, path });
    else if (name.endsWith('.new')) await files.unlink(path);
    else log.warn('store.bytes.file.unknown', { path });
  }
  // After a kill a segment may have its name in memory only.
  await files.syncDirectory(directory);
  return found.sort((a, b) => a.number - b.number);
}

interface RecoveredSegment {
  readonly segment: Segment;
  readonly entries: readonly FooterEntry[];
}

async function recoverSegment(
  log: Log,
  path: string,
  file: OpenFile,
  place: Place,
  isNewest: boolean,
): Promise<RecoveredSegment | undefined> {
  const header = await readHeader(file, path);
  if (isNewest) await file.datasync();
  const sealed = await readSealed(file);
  const identity = header.ok ? header.value : sealed.ok ? sealed.value.identity : undefined;
  if (!header.ok) log.error('store.bytes.header.damaged', { path, reason: header.fault });
  if (identity?.number !== place.number || identity.retention !== place.retention) {
    log.error('store.bytes.segment.unreadable', { path });
    return undefined;
  }
  if (sealed.ok && sealed.value.identity.salt === identity.salt) {
    const { entries, endBytes } = sealed.value;
    return { segment: { identity, slot: 0, path, endBytes, footer: undefined }, entries };
  }
  const scanned = await scanEntries(file, identity);
  for (const damage of scanned.damage) log.error('store.bytes.segment.damaged', { path, ...damage });
  const lostBytes = (await file.sizeBytes()) - scanned.endBytes;
  if (isNewest) {
    if (lostBytes > 0) log.warn('store.bytes.tail.truncated', { path, lostBytes });
    await file.truncate(scanned.endBytes);
    await rewrite(file, scanned.endBytes);
  } else {
    log.error('store.bytes.footer.damaged', { path, lostBytes });
  }
  const footer = createFooterTable();
  for (const entry of scanned.entries) footer.append(entry);
  return {
    segment: { identity, slot: 0, path, endBytes: scanned.endBytes, footer },
    entries: scanned.entries,
  };
}

/**
 * Writes the bytes of a file over themselves and syncs. A sync alone proves nothing for what it
 * finds: after one that failed, Linux takes the pages for clean and later syncs succeed without
 * them, so records of a process that could not even take them back would be seen and then lost.
 */
async function rewrite(file: OpenFile, sizeBytes: number): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(REWRITE_BYTES, sizeBytes));
  for (let at = 0; at < sizeBytes; at += buffer.length) {
    const bytes = buffer.subarray(0, Math.min(buffer.length, sizeBytes - at));
    const length = await file.read(bytes, at);
    await writeAll(file, bytes.subarray(0, length), at);
  }
  await file.datasync();
}

async function readHeader(file: OpenFile, path: string): Promise<Decoded<SegmentIdentity>> {
  const bytes = Buffer.alloc(HEADER_BYTES);
  const header = decodeHeader(bytes.subarray(0, await file.read(bytes, 0)));
  if (!header.ok && header.fault === 'version') {
    throw new WeirError('WEIR_STORE_FORMAT', `${path} has a format this version does not know`, {
      facts: { path },
    });
  }
  return header;
}

function enter(index: PortionIndex, slot: number, entries: readonly FooterEntry[], totals: Sums): void {
  index.reserve(entries.length);
  for (const { key, offset, sizeBytes, storedBytes } of entries) {
    index.insert(key, slot, offset, RECORD_HEADER_BYTES + storedBytes);
    totals.plainBytes += sizeBytes;
    totals.storedBytes += storedBytes;
  }
}
