import type { Clock } from '../base/clock.ts';
import { asWeirError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ByteStore, SweepReport } from '../store/byte-store.ts';
import { createKeyFilter } from '../store/key-filter.ts';
import { deleteRecord, type Operation } from '../store/records.ts';
import { holdings } from './captures.ts';
import type { Catalog } from './catalog.ts';
import type { Leaving } from './contents.ts';
import type { LeaseWatch } from './leases.ts';
import { markProofs, markTwice } from './mark.ts';
import { objectKey, objects } from './objects.ts';
import { chooseVictims, leastWorth, type Victim } from './victims.ts';

/**
 * Keeps captures within their room. When what passes takes more than the limit, the captured
 * objects of least worth leave (uses.ts), and the byte store gives their room back; what a scope's
 * owner has proved, and so what snapshots refer to, never leaves. The ledger stays.
 *
 * One round: note leases from now on; choose; delete the records of those chosen, unless proved or
 * leased meanwhile; mark what the records left refer to, twice; sweep what neither mark nor lease
 * has. Records go first and bytes later, so that a crash at any point leaves bytes too many.
 */
export interface Room {
  /**
   * Looks whether captures exceed their limit, which costs nothing when they do not, and makes room
   * if so. One at a time: resolves when the round under way has ended. Never rejects.
   */
  check(): Promise<void>;
  readonly stats: Readonly<RoomStats>;
  /** Ends a round under way at its next step. */
  close(): Promise<void>;
}

export interface RoomStats {
  rounds: number;
  evictedObjects: number;
  evictedBytes: number;
  /** On the disk. */
  freedBytes: number;
}

export interface RoomOptions {
  readonly catalog: Catalog;
  readonly bytes: ByteStore;
  /** What captures may take on the disk. */
  readonly limitBytes: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each object that has left, by the number of its scope. */
  readonly onEvicted?: (scope: number, contentId: Uint8Array) => void;
}

/** A round goes on below the limit, so that the next is not due at once. */
const TARGET_SHARE = 0.9;
/** Rounds of one check: each chooses again among what is left. */
const MAX_ROUNDS = 4;
/** After a check that could not get below the limit. */
const PAUSE_MS = 60_000;
/** Deleted in one group, with holdings and portion lists: some 9 MB of these, or one object's. */
const EVICTED_AT_ONCE = 32;
const EVICTED_BYTES_AT_ONCE = 16 * 1024 ** 3;
const HOLDINGS_AT_ONCE = 1000;

export function openRoom(options: RoomOptions): Room {
  const { bytes, limitBytes, clock, log } = options;
  const stats = { rounds: 0, evictedObjects: 0, evictedBytes: 0, freedBytes: 0 };
  const closing = new AbortController();
  let checking: Promise<void> | undefined;
  let notBeforeMs = 0;

  const isOver = () => bytes.stats().passingBytes > limitBytes;

  async function makeRoom(): Promise<void> {
    try {
      for (let round = 0; round < MAX_ROUNDS && isOver() && !closing.signal.aborted; round++) {
        const report = await makeRoomOnce({
          ...options,
          stats,
          signal: closing.signal,
          isFirst: round === 0,
        });
        if (report === undefined || (round > 0 && report.freedBytes <= 0)) break;
      }
      if (isOver()) log.warn('catalog.room.over', { limitBytes, passingBytes: bytes.stats().passingBytes });
    } catch (error) {
      if (closing.signal.aborted) return;
      log.error('catalog.room.failed', { reason: asWeirError(error).message, error });
    }
    if (isOver()) notBeforeMs = clock.monotonicMs() + PAUSE_MS;
  }

  return {
    async check() {
      if (
        checking === undefined &&
        isOver() &&
        !closing.signal.aborted &&
        clock.monotonicMs() >= notBeforeMs
      ) {
        checking = makeRoom().finally(() => {
          checking = undefined;
        });
      }
      await checking;
    },
    stats,
    async close() {
      closing.abort();
      await checking;
    },
  };
}

interface RoundOptions extends RoomOptions {
  /** Of a check. */
  readonly isFirst: boolean;
  readonly stats: RoomStats;
  readonly signal: AbortSignal;
}

/** Undefined when nothing may leave now. */
async function makeRoomOnce(options: RoundOptions): Promise<SweepReport | undefined> {
  const { catalog, bytes, log, signal, stats } = options;
  const { contents, records, scopeOf } = catalog;
  const { leases } = contents;
  if (leases.isOverfull) {
    log.warn('catalog.room.overfull', {});
    return undefined;
  }
  const watch = leases.watch();
  try {
    stats.rounds++;
    const evicted = await evict(options, watch);
    const isLeased = watch.has;
    const report = await bytes.sweep(
      async () => {
        const parts = { records, bytes, scopeOf, log, signal, isLeased };
        const marks = await markTwice(parts, bytes.stats().entries);
        return (key) => marks.retention(key) ?? (isLeased(key) ? 'passing' : 'gone');
      },
      { signal },
    );
    stats.freedBytes += report.freedBytes;
    log.info('catalog.room.made', { ...evicted, ...report });
    return report;
  } finally {
    watch.end();
  }
}

async function evict(
  options: RoundOptions,
  watch: LeaseWatch,
): Promise<{ evictedObjects: number; evictedBytes: number }> {
  const { catalog, signal, stats } = options;
  const { uses } = catalog.captures;
  const evicted = { evictedObjects: 0, evictedBytes: 0 };
  const victims = await choose(options);
  for (const group of groups(victims)) {
    if (signal.aborted) break;
    for (const { object } of await catalog.contents.evict(await leavingOf(catalog, group), watch.has)) {
      evicted.evictedObjects++;
      evicted.evictedBytes += object.sizeBytes;
      options.onEvicted?.(object.scope, object.contentId);
    }
    uses.raise(group.at(-1)?.worth ?? 0);
  }
  stats.evictedObjects += evicted.evictedObjects;
  stats.evictedBytes += evicted.evictedBytes;
  return evicted;
}

function* groups(victims: readonly Victim[]): Generator<readonly Victim[]> {
  for (let at = 0; at < victims.length; ) {
    let end = at;
    for (let bytes = 0; end < victims.length && end - at < EVICTED_AT_ONCE; end++) {
      bytes += victims[end]?.sizeBytes ?? 0;
      if (end > at && bytes > EVICTED_BYTES_AT_ONCE) break;
    }
    yield victims.slice(at, end);
    at = end;
  }
}

/**
 * Enough for the target. At first by what the captured objects come to: what passes on the disk may
 * be far more, when much of it was proved since or belongs to nothing, and then it is the sweep
 * that helps. If that was not enough, by what is on the disk, since segments of which little leaves
 * are passed over.
 */
async function choose({ catalog, bytes, limitBytes, isFirst }: RoundOptions): Promise<readonly Victim[]> {
  const { records, scopeOf, captures, contents } = catalog;
  const { plainBytes, storedBytes, passingBytes } = bytes.stats();
  const plainShare = storedBytes === 0 ? 1 : plainBytes / storedBytes;
  const targetBytes = limitBytes * TARGET_SHARE * plainShare;
  const proved = createKeyFilter(contents.entries);
  await markProofs({ records, scopeOf }, proved);
  const sight = { records, scopeOf, worth: captures.uses.worth, isProved: proved.has };
  const passingPlainBytes = passingBytes * plainShare;
  const { victims, capturedBytes } = await chooseVictims(sight, passingPlainBytes - targetBytes);
  const countedBytes = isFirst ? Math.min(capturedBytes, passingPlainBytes) : passingPlainBytes;
  return leastWorth(victims, countedBytes - targetBytes);
}

/** The victims as they are recorded now, with their holdings. */
async function leavingOf({ records }: Catalog, victims: readonly Victim[]): Promise<Leaving[]> {
  const keys = victims.map(({ scope, contentId }) => objectKey(scope, 'file', contentId));
  const held = await records.get(objects, keys);
  const leaving: Leaving[] = [];
  for (const [at, { scope, contentId }] of victims.entries()) {
    const object = held[at];
    if (object === undefined) continue;
    leaving.push({ scope, object, alongside: await holdingsOf(records, scope.contentKey(contentId)) });
  }
  return leaving;
}

/** What deletes an object's holdings. Of very many, those beyond a thousand are deleted at once. */
async function holdingsOf(records: Catalog['records'], key: Buffer): Promise<Operation[]> {
  let operations: Operation[] = [];
  const to = Buffer.concat([key, Buffer.alloc(key.length + 1, 0xff)]);
  for await (const row of records.range(holdings, { from: key, to })) {
    operations.push(deleteRecord(holdings, Buffer.from(row.key)));
    if (operations.length <= HOLDINGS_AT_ONCE) continue;
    await records.write(operations);
    operations = [];
  }
  return operations;
}
