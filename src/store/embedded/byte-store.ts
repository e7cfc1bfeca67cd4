import { dirname, join } from 'node:path';
import { assert } from '../../base/assert.ts';
import { replaceFile } from '../../base/durable-write.ts';
import { systemCode, WeirError } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';
import { type Log, silentLog } from '../../base/log.ts';
import { type Random, systemRandom } from '../../base/random.ts';
import {
  type ByteStore,
  type EncodedEntry,
  type Entry,
  KEY_BYTES,
  MAX_ENTRY_BYTES,
  MAX_PUT_BYTES,
} from '../byte-store.ts';
import { checkSegments } from './check.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { createLookup } from './lookup.ts';
import { unpack } from './packing.ts';
import { createPortionIndex } from './portion-index.ts';
import { recoverSegments } from './recovery.ts';
import { FORMAT_VERSION, type StoredRecord } from './segment-format.ts';
import { createSegmentReader } from './segment-reader.ts';
import { createSegmentWriter, type SegmentWriter } from './segment-writer.ts';
import { createSpaceReserve } from './space-reserve.ts';
import { createSweeper } from './sweep.ts';
import { createTurns } from './turns.ts';
import { createWriteHealth } from './write-health.ts';

export interface EmbeddedByteStoreOptions {
  /** Absolute; made when it is not there. Nothing else may write in it. */
  readonly directory: string;
  readonly files: Files;
  readonly log?: Log;
  readonly random?: Random;
  /** Free bytes to leave on the disk; by default 5 %, at least 2 GiB and at most 64. */
  readonly reserveBytes?: number;
  /** A segment that has reached this is sealed; 64 MiB by default. */
  readonly segmentBytes?: number;
  /** Takes the directory for this process; another when `files` are not those of the system. */
  readonly lock?: (directory: string, log: Log) => Promise<DirectoryLock>;
}

const SEGMENT_BYTES = 64 * 1024 * 1024;

/**
 * Opens the byte store in a directory: segments on disk (segment-format.ts), an index of them in
 * memory. Rejects with WEIR_LOCKED when a process has it open, WEIR_STORE_FORMAT when another
 * version wrote it, WEIR_STORE_FAILED when the disk cannot be read.
 */
export async function openEmbeddedByteStore(options: EmbeddedByteStoreOptions): Promise<ByteStore> {
  const { directory, files, log = silentLog } = options;
  await files.makeDirectory(directory);
  const lock = await (options.lock ?? lockDirectory)(directory, log);
  try {
    return await openLocked(options, lock);
  } catch (error) {
    await lock.release();
    if (error instanceof WeirError || systemCode(error) === undefined) throw error;
    throw new WeirError('WEIR_STORE_FAILED', `${directory} cannot be opened`, { cause: error });
  }
}

async function openLocked(options: EmbeddedByteStoreOptions, lock: DirectoryLock): Promise<ByteStore> {
  const { directory, files, log = silentLog, random = systemRandom, segmentBytes = SEGMENT_BYTES } = options;
  const segmentDirectory = await prepareDirectory(files, directory);
  const index = createPortionIndex();
  const recovered = await recoverSegments({ files, index, log }, segmentDirectory);
  const { segments, totals } = recovered;
  const reader = createSegmentReader(files, segments);
  const lookup = createLookup(index, segments, reader, log);
  const door = createDoor();
  const turns = createTurns();
  const health = createWriteHealth(log);
  let { nextNumber } = recovered;
  const writerParts = {
    files,
    directory: segmentDirectory,
    segments,
    index,
    lookup,
    random,
    segmentBytes,
    totals,
    health,
    reserve: createSpaceReserve(files, directory, options.reserveBytes),
    nextNumber: () => nextNumber++,
  };
  const writers = {
    passing: createSegmentWriter(writerParts, 'passing', recovered.open.get('passing')),
    kept: createSegmentWriter(writerParts, 'kept', recovered.open.get('kept')),
  };
  const { settled } = door;
  const maintained = { files, segments, index, lookup, reader, writers, totals, health, log, turns, settled };
  const sweeper = createSweeper(maintained);

  async function closeAll(): Promise<void> {
    await door.close();
    try {
      await Promise.all([writers.passing.close(), writers.kept.close(), reader.close()]);
    } finally {
      await lock.release();
    }
  }

  let closing: Promise<void> | undefined;
  return {
    put: (entries, retention) =>
      door.enter(() => {
        sweeper.asked(entries.map(({ key }) => key));
        return putChecked(writers[retention], entries);
      }),
    get: (keys) => door.enter(() => lookup.read(keysChecked(keys), takePlain)),
    getEncoded: (keys) => door.enter(() => lookup.read(keysChecked(keys), takeEncoded)),
    has: (keys) =>
      door.enter(() => {
        sweeper.asked(keysChecked(keys));
        return lookup.has(keys);
      }),
    check: () => door.enterForLong(() => checkSegments(maintained)),
    sweep: (mark, { signal } = {}) =>
      door.enterForLong(() => sweeper.sweep(mark, () => door.isClosed || signal?.aborted === true)),
    stats: () => ({
      entries: index.entries,
      plainBytes: totals.passing.plainBytes + totals.kept.plainBytes,
      storedBytes: totals.passing.storedBytes + totals.kept.storedBytes,
      passingBytes: totals.passing.storedBytes,
    }),
    close: () => (closing ??= closeAll()),
  };
}

const FORMAT = Buffer.from(`weir-byte-store ${FORMAT_VERSION}\n`, 'latin1');
/** A format file this long or longer is not one. */
const MAX_FORMAT_BYTES = 64;

/** Makes what is missing, durably, and refuses another version's directory; where segments are. */
async function prepareDirectory(files: Files, directory: string): Promise<string> {
  const path = join(directory, 'format');
  const found = await readStart(files, path);
  if (found === undefined) await replaceFile(files, path, FORMAT);
  else if (!found.equals(FORMAT)) {
    const message = `${directory} holds ${JSON.stringify(found.toString('latin1'))}`;
    throw new WeirError('WEIR_STORE_FORMAT', message, { facts: { directory } });
  }
  const segmentDirectory = join(directory, 'segments');
  await files.makeDirectory(segmentDirectory);
  await files.syncDirectory(directory);
  await files.syncDirectory(dirname(directory));
  return segmentDirectory;
}

async function readStart(files: Files, path: string): Promise<Buffer | undefined> {
  try {
    const file = await files.open(path, 'read');
    try {
      const bytes = Buffer.alloc(MAX_FORMAT_BYTES);
      return bytes.subarray(0, await file.read(bytes, 0));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function putChecked(writer: SegmentWriter, entries: readonly Entry[]): Promise<void> {
  let sum = 0;
  for (const { key, bytes } of entries) {
    assert(key.length === KEY_BYTES, 'a key has 32 bytes');
    assert(bytes.length <= MAX_ENTRY_BYTES, 'an entry has at most MAX_ENTRY_BYTES');
    sum += bytes.length;
  }
  assert(sum <= MAX_PUT_BYTES, 'a put has at most MAX_PUT_BYTES');
  if (entries.length > 0) await writer.put(entries);
}

function keysChecked(keys: readonly Uint8Array[]): readonly Uint8Array[] {
  for (const key of keys) assert(key.length === KEY_BYTES, 'a key has 32 bytes');
  return keys;
}

function takePlain(record: StoredRecord, isShared: boolean): Uint8Array | undefined {
  const plain = unpack({ codec: record.codec, bytes: record.payload }, record.sizeBytes);
  return plain === record.payload && isShared ? Buffer.from(plain) : plain;
}

function takeEncoded({ codec, sizeBytes, payload }: StoredRecord, isShared: boolean): EncodedEntry {
  return { codec, sizeBytes, bytes: isShared ? Buffer.from(payload) : payload };
}

interface Door {
  /** Runs `work`, or rejects with WEIR_STORE_CLOSED. */
  enter<R>(work: () => Promise<R>): Promise<R>;
  /** As `enter`, for what `settled` does not wait for. */
  enterForLong<R>(work: () => Promise<R>): Promise<R>;
  /** Resolves when those are out that entered before. */
  settled(): Promise<void>;
  /** Lets nobody in any more and waits for those inside. */
  close(): Promise<void>;
  readonly isClosed: boolean;
}

function createDoor(): Door {
  const inside = new Set<Promise<unknown>>();
  const insideForLong = new Set<Promise<unknown>>();
  let isClosed = false;

  async function enter<R>(room: Set<Promise<unknown>>, work: () => Promise<R>): Promise<R> {
    if (isClosed) throw new WeirError('WEIR_STORE_CLOSED', 'the byte store is closed');
    const running = work();
    room.add(running);
    try {
      return await running;
    } finally {
      room.delete(running);
    }
  }

  return {
    enter: (work) => enter(inside, work),
    enterForLong: (work) => enter(insideForLong, work),
    async settled() {
      await Promise.allSettled(inside);
    },
    async close() {
      isClosed = true;
      await Promise.allSettled([...inside, ...insideForLong]);
    },
    get isClosed() {
      return isClosed;
    },
  };
}
