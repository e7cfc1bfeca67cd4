import { dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { assert } from '../../base/assert.ts';
import { WeirError } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';
import type { Log } from '../../base/log.ts';
import type { Retention, SweepReport, Verdict } from '../byte-store.ts';
import { createKeyFilter, type KeyFilter } from '../key-filter.ts';
import type { Lookup } from './lookup.ts';
import type { Appended } from './open-segment.ts';
import type { PortionIndex } from './portion-index.ts';
import type { Sums } from './recovery.ts';
import type { Segment, Segments } from './segment.ts';
import { allEntries } from './segment-entries.ts';
import { decodeRecord, type FooterEntry, HEADER_BYTES, RECORD_HEADER_BYTES } from './segment-format.ts';
import type { SegmentReader } from './segment-reader.ts';
import type { SegmentWriter } from './segment-writer.ts';
import type { Turns } from './turns.ts';
import type { WriteHealth } from './write-health.ts';

/** Gives back the room of what is gone, one segment after the other. */
export interface Sweeper {
  /** As `ByteStore.sweep`. `isStopped` is asked before each segment. */
  sweep(mark: () => Promise<Verdict>, isStopped: () => boolean): Promise<SweepReport>;
  /** Says that a put or a has asks for the keys: before it looks into the index. */
  asked(keys: Iterable<Uint8Array>): void;
}

export interface SweeperParts {
  readonly files: Files;
  readonly segments: Segments;
  readonly index: PortionIndex;
  readonly lookup: Lookup;
  readonly reader: SegmentReader;
  readonly writers: Readonly<Record<Retention, SegmentWriter>>;
  readonly totals: Readonly<Record<Retention, Sums>>;
  readonly health: WriteHealth;
  readonly log: Log;
  readonly turns: Turns;
  /** Resolves when the calls are done that look into the index or read segments now. */
  settled(): Promise<void>;
}

/** A segment is rewritten when this share of its bytes leaves it: at most three bytes are then written for one that is freed. */
const LEAVING_SHARE = 0.25;
/** Entries judged in one go; then others have their turn. */
const JUDGED_AT_ONCE = 4096;
/** Copied in one go. */
const MOVED_BYTES = 4 * 1024 * 1024;

interface Tally {
  isComplete: boolean;
  goneEntries: number;
  movedEntries: number;
  freedBytes: number;
}

/** One sweep under way. */
interface Run {
  readonly verdict: Verdict;
  /** Keys that were asked for since it was called. */
  readonly spared: KeyFilter;
  readonly tally: Tally;
}

/** A record of the segment at hand that stays in the store, and where. */
interface Survivor {
  readonly entry: FooterEntry;
  readonly retention: Retention;
}

interface Judged {
  readonly survivors: Survivor[];
  readonly gone: FooterEntry[];
  /** Of survivors that are in the right class already. */
  readonly stayingBytes: number;
}

export function createSweeper(parts: SweeperParts): Sweeper {
  const { segments, index, writers, turns } = parts;
  /** Keys asked for since the sweep under way began: all that were in the index, for no other is in a sealed segment. */
  let askedFor: KeyFilter | undefined;

  async function sweep(mark: () => Promise<Verdict>, isStopped: () => boolean): Promise<SweepReport> {
    assert(askedFor === undefined, 'one sweep at a time');
    const spared = createKeyFilter(index.entries);
    askedFor = spared;
    try {
      // Not those that grow: what they get from now on, `mark` may not know of.
      const sealed = segments.all().filter((one) => !writers[one.identity.retention].isOpen(one));
      // Who asked before has an answer by then, and `mark` can know of it.
      await parts.settled();
      const run = { verdict: await mark(), spared, tally: newTally() };
      for (const segment of sealed) {
        await nextTurn();
        if (isStopped()) return { ...run.tally, isComplete: false };
        await turns.take(() => sweepOrLeave(parts, segment, run));
      }
      return run.tally;
    } finally {
      askedFor = undefined;
    }
  }

  return {
    sweep,
    asked(keys) {
      if (askedFor === undefined) return;
      for (const key of keys) if (index.candidates(key).length > 0) askedFor.add(key);
    },
  };
}

/** What finds no room for its copies stays: the next segment may need none. */
async function sweepOrLeave(parts: SweeperParts, segment: Segment, run: Run): Promise<void> {
  try {
    await sweepSegment(parts, segment, run);
  } catch (error) {
    if (!(error instanceof WeirError) || error.code !== 'WEIR_STORE_FULL') throw error;
    parts.log.warn('store.bytes.sweep.full', { path: segment.path });
    run.tally.isComplete = false;
  }
}

async function sweepSegment(parts: SweeperParts, segment: Segment, run: Run): Promise<void> {
  parts.health.check();
  const { spared, tally } = run;
  const { retention } = segment.identity;
  const entries = await allEntries(parts, segment);
  const { survivors, gone, stayingBytes } = await judge(parts, segment, entries, run);
  const wholeBytes = segment.endBytes - HEADER_BYTES;
  if (wholeBytes - stayingBytes < wholeBytes * LEAVING_SHARE) return;
  for (const entry of gone) {
    // Asked for while the others were judged.
    if (spared.has(entry.key)) survivors.push({ entry, retention });
    else if (parts.index.remove(entry.key, segment.slot, entry.offset)) tally.goneEntries++;
  }
  let movedBytes = 0;
  for (const group of groups(survivors)) {
    const moved = await move(parts, segment, group);
    if (moved === undefined) {
      tally.isComplete = false;
      return;
    }
    tally.movedEntries += moved.length;
    for (const { bytes } of moved) movedBytes += RECORD_HEADER_BYTES + bytes.length;
  }
  await remove(parts, segment, entries);
  tally.freedBytes += segment.endBytes - movedBytes;
}

async function judge(
  { index }: SweeperParts,
  { slot, identity }: Segment,
  entries: readonly FooterEntry[],
  { spared, verdict }: Run,
): Promise<Judged> {
  const survivors: Survivor[] = [];
  const gone: FooterEntry[] = [];
  let stayingBytes = 0;
  for (const [at, entry] of entries.entries()) {
    if (at > 0 && at % JUDGED_AT_ONCE === 0) await nextTurn();
    if (!index.has(entry.key, slot, entry.offset)) continue;
    const fate = spared.has(entry.key) ? identity.retention : verdict(entry.key);
    if (fate === 'gone') gone.push(entry);
    else survivors.push({ entry, retention: fate });
    if (fate === identity.retention) stayingBytes += RECORD_HEADER_BYTES + entry.storedBytes;
  }
  return { survivors, gone, stayingBytes };
}

/**
 * Copies a group, durably and into the index, before the index forgets where it was. Undefined
 * when a record is not what was written: then the segment must stay.
 */
async function move(
  parts: SweeperParts,
  segment: Segment,
  group: readonly Survivor[],
): Promise<Appended[] | undefined> {
  const { reader, lookup, writers, index } = parts;
  const { slot, identity } = segment;
  const copied = await copiedBefore(parts, segment, group);
  const wanted = group
    .filter(({ entry }) => !copied.has(entry))
    .map(({ entry: { key, offset, storedBytes }, retention }, at) => {
      return { at, key, offset, retention, segment: slot, lengthBytes: RECORD_HEADER_BYTES + storedBytes };
    });
  const records: Appended[] = [];
  let isWhole = true;
  await reader.read([...wanted], 0, (place, bytes) => {
    const decoded = bytes && decodeRecord(bytes, 0, identity.salt);
    if (decoded?.ok === true && Buffer.compare(decoded.value.key, place.key) === 0) {
      const { codec, sizeBytes, payload } = decoded.value;
      records[place.at] = { key: place.key, bytes: payload, packed: { codec, sizeBytes } };
      return;
    }
    isWhole = false;
    lookup.quarantine(place.key, place, decoded?.ok === false ? decoded.fault : 'unreadable');
  });
  if (!isWhole) return undefined;
  for (const retention of ['passing', 'kept'] as const) {
    const ofClass = records.filter((_, at) => wanted[at]?.retention === retention);
    if (ofClass.length > 0) await writers[retention].move(ofClass);
  }
  for (const { entry } of group) index.remove(entry.key, slot, entry.offset);
  return records;
}

/** Those of which a sweep that was cut short made a copy, or that two puts at once wrote twice. */
async function copiedBefore(
  { index, lookup }: SweeperParts,
  { slot }: Segment,
  group: readonly Survivor[],
): Promise<ReadonlySet<FooterEntry>> {
  const several = group.map(({ entry }) => entry).filter(({ key }) => index.candidates(key).length > 1);
  if (several.length === 0) return new Set();
  const isElsewhere = await lookup.isElsewhere(
    several.map(({ key }) => key),
    slot,
  );
  return new Set(several.filter((_, at) => isElsewhere[at]));
}

/** The index names the segment no more; when nobody reads it any more its file goes. */
async function remove(parts: SweeperParts, segment: Segment, entries: readonly FooterEntry[]): Promise<void> {
  const { files, reader, segments, totals, health } = parts;
  await parts.settled();
  await reader.release(segment);
  try {
    await files.unlink(segment.path);
  } catch (error) {
    throw health.failed(error);
  }
  segments.remove(segment);
  const sums = totals[segment.identity.retention];
  for (const { sizeBytes, storedBytes } of entries) {
    sums.plainBytes -= sizeBytes;
    sums.storedBytes -= storedBytes;
  }
  await health.sync(() => files.syncDirectory(dirname(segment.path)));
}

function newTally(): Tally {
  return { isComplete: true, goneEntries: 0, movedEntries: 0, freedBytes: 0 };
}

function* groups(survivors: readonly Survivor[]): Generator<Survivor[]> {
  let group: Survivor[] = [];
  let bytes = 0;
  for (const survivor of survivors) {
    group.push(survivor);
    bytes += RECORD_HEADER_BYTES + survivor.entry.storedBytes;
    if (bytes < MOVED_BYTES) continue;
    yield group;
    group = [];
    bytes = 0;
  }
  if (group.length > 0) yield group;
}
