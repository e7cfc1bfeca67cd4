import type { Files } from '../../base/files.ts';
import type { Random } from '../../base/random.ts';
import type { Entry, Retention } from '../byte-store.ts';
import type { Lookup } from './lookup.ts';
import { type Appended, createSegment, type OpenSegment, openSegment, roomBytes } from './open-segment.ts';
import type { PortionIndex } from './portion-index.ts';
import type { Sums } from './recovery.ts';
import type { Segment, Segments } from './segment.ts';
import { type FooterEntry, RECORD_HEADER_BYTES } from './segment-format.ts';
import type { SpaceReserve } from './space-reserve.ts';
import type { WriteHealth } from './write-health.ts';

/** Appends to the segments of one retention, and lets puts made at once share one sync. */
export interface SegmentWriter {
  /** As `ByteStore.put`; the entries must not change until it settles. */
  put(entries: readonly Entry[]): Promise<void>;
  /**
   * Writes records of other segments anew, as they are, although their keys are there. May use the
   * reserve, since it is for giving room back.
   */
  move(records: readonly Appended[]): Promise<void>;
  /** Whether this is the segment that grows. */
  isOpen(segment: Segment): boolean;
  /** Waits for what was put and closes the file. No put may follow. */
  close(): Promise<void>;
}

export interface WriterParts {
  readonly files: Files;
  /** Where the segments are. */
  readonly directory: string;
  readonly segments: Segments;
  readonly index: PortionIndex;
  readonly lookup: Lookup;
  readonly health: WriteHealth;
  readonly reserve: SpaceReserve;
  readonly random: Random;
  /** A segment is sealed before the next group once it has this many bytes. */
  readonly segmentBytes: number;
  /** Raised with each record that is durable. */
  readonly totals: Readonly<Record<Retention, Sums>>;
  nextNumber(): number;
}

/** What one sync covers at most, unless a single put is larger. Further puts wait, uncopied. */
const MAX_GROUP_BYTES = 64 * 1024 * 1024;

interface Waiting {
  readonly entries: readonly Appended[];
  readonly isMove: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

/** `unsealed`: the segment that an earlier process left open. */
export function createSegmentWriter(
  parts: WriterParts,
  retention: Retention,
  unsealed: Segment | undefined,
): SegmentWriter {
  const { files, segments, health } = parts;
  const queue: Waiting[] = [];
  let goOnWith = unsealed;
  let open: OpenSegment | undefined;
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    // Puts of the same turn share the first group.
    await Promise.resolve();
    while (queue.length > 0) {
      const group = takeGroup(queue);
      try {
        await commit(group);
        for (const waiting of group) waiting.resolve();
      } catch (error) {
        for (const waiting of group) waiting.reject(error);
      }
    }
    running = undefined;
  }

  /** Write all, sync, enter the index, acknowledge: in this order only. */
  async function commit(group: readonly Waiting[]): Promise<void> {
    health.check();
    const entries = group.flatMap((waiting) => waiting.entries);
    const isMove = group[0]?.isMove === true;
    const fresh = isMove ? entries : await notThere(parts.lookup, entries);
    if (fresh.length === 0) return;
    try {
      if (!isMove) await parts.reserve.admit(roomBytes(fresh));
      const { segment, append } = await ensureOpen();
      enter(parts, segment, await append(fresh));
    } catch (error) {
      throw health.failed(error);
    }
  }

  async function ensureOpen(): Promise<OpenSegment> {
    if (goOnWith !== undefined) {
      open = openSegment(goOnWith, await files.open(goOnWith.path, 'append'), health);
      goOnWith = undefined;
    }
    if (open !== undefined && open.segment.endBytes >= parts.segmentBytes) {
      await open.seal();
      open = undefined;
    }
    if (open === undefined) {
      const identity = { number: parts.nextNumber(), retention, salt: parts.random(8).readBigUInt64LE() };
      open = await createSegment(files, parts.directory, identity, health);
      segments.add(open.segment);
    }
    return open;
  }

  function enqueue(entries: readonly Appended[], isMove: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      queue.push({ entries, isMove, resolve, reject });
      running ??= run();
    });
  }

  return {
    put: (entries) => enqueue(entries, false),
    move: (records) => enqueue(records, true),
    isOpen: (segment) => segment === (open?.segment ?? goOnWith),
    async close() {
      await running;
      await open?.close();
    },
  };
}

function enter({ index, totals }: WriterParts, segment: Segment, written: readonly FooterEntry[]): void {
  const sums = totals[segment.identity.retention];
  for (const { key, offset, sizeBytes, storedBytes } of written) {
    index.insert(key, segment.slot, offset, RECORD_HEADER_BYTES + storedBytes);
    sums.plainBytes += sizeBytes;
    sums.storedBytes += storedBytes;
  }
}

/** The entries whose keys are not kept yet, each key once. */
async function notThere(lookup: Lookup, entries: readonly Appended[]): Promise<Appended[]> {
  const distinct = new Map<string, Appended>();
  for (const entry of entries) {
    const text = keyText(entry.key);
    if (!distinct.has(text)) distinct.set(text, entry);
  }
  const once = [...distinct.values()];
  const isThere = await lookup.has(once.map((entry) => entry.key));
  return once.filter((_, at) => isThere[at] !== true);
}

/** Puts from the head of the queue, or moves: never both. */
function takeGroup(queue: Waiting[]): Waiting[] {
  let sum = 0;
  let count = 0;
  for (const { entries, isMove } of queue) {
    sum += roomBytes(entries);
    if (count > 0 && (sum > MAX_GROUP_BYTES || isMove !== queue[0]?.isMove)) break;
    count++;
  }
  return queue.splice(0, count);
}

function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}
