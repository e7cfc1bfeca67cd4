import { assert } from '../../base/assert.ts';
import { systemCode, WeirError } from '../../base/errors.ts';
import type { Files, OpenFile } from '../../base/files.ts';
import type { Segment, Segments } from './segment.ts';

/** A stretch of a segment that somebody wants. */
export interface Extent {
  readonly segment: number;
  readonly offset: number;
  readonly lengthBytes: number;
}

/** Positional reads over all segments, with few open files and few system calls. */
export interface SegmentReader {
  /**
   * Calls `onBytes` for each extent, in no order, with its bytes: fewer than asked where the file
   * ends, undefined where the disk cannot read them (EIO). Neighbours whose gap is at most
   * `maxGapBytes` are read as one; the bytes then are a view of a buffer shared with others.
   */
  read<E extends Extent>(extents: E[], maxGapBytes: number, onBytes: OnBytes<E>): Promise<void>;
  use<R>(segment: Segment, work: (file: OpenFile) => Promise<R>): Promise<R>;
  /** Closes the segment's file. No read of it may be under way. */
  release(segment: Segment): Promise<void>;
  /** No read may be under way. */
  close(): Promise<void>;
}

export type OnBytes<E> = (extent: E, bytes: Buffer | undefined, isShared: boolean) => void;

/** What one system call fetches at most, unless a single extent is longer. */
const MAX_RUN_BYTES = 1024 * 1024;
/** Reads under way in the whole store; with `MAX_RUN_BYTES` this bounds their buffers. */
const MAX_READS_AT_ONCE = 16;
/** Files kept open for reading. Above `MAX_READS_AT_ONCE`, so that one not in use can be closed. */
const MAX_OPEN_FILES = 128;

export function createSegmentReader(files: Files, segments: Segments): SegmentReader {
  const slots = createSlots(MAX_READS_AT_ONCE);
  const handles = createHandles(files);

  async function use<R>(segment: Segment, work: (file: OpenFile) => Promise<R>): Promise<R> {
    await slots.take();
    try {
      return await handles.use(segment, work);
    } finally {
      slots.give();
    }
  }

  async function readRun<E extends Extent>(run: Run<E>, onBytes: OnBytes<E>): Promise<void> {
    const segment = segments.get(run.segment);
    assert(segment !== undefined, 'the index names known segments only');
    try {
      await use(segment, async (file) => {
        const buffer = Buffer.allocUnsafeSlow(run.endOffset - run.offset);
        const bytes = buffer.subarray(0, await file.read(buffer, run.offset));
        for (const extent of run.extents) {
          const at = extent.offset - run.offset;
          onBytes(extent, bytes.subarray(at, at + extent.lengthBytes), run.extents.length > 1);
        }
      });
    } catch (error) {
      if (systemCode(error) !== 'EIO') throw error;
      await readApart(run, onBytes);
    }
  }

  /** One bad sector must not condemn the neighbours of the record it is in. */
  async function readApart<E extends Extent>(run: Run<E>, onBytes: OnBytes<E>): Promise<void> {
    const [first, ...others] = run.extents;
    if (others.length === 0 && first !== undefined) return onBytes(first, undefined, false);
    for (const extent of run.extents) await readRun(runOf(extent), onBytes);
  }

  return {
    async read(extents, maxGapBytes, onBytes) {
      const outcomes = await Promise.allSettled(
        planRuns(extents, maxGapBytes).map((run) => readRun(run, onBytes)),
      );
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
    use,
    release: (segment) => handles.release(segment),
    close: () => handles.close(),
  };
}

interface Run<E extends Extent> {
  readonly segment: number;
  readonly offset: number;
  endOffset: number;
  readonly extents: E[];
}

function runOf<E extends Extent>(extent: E): Run<E> {
  const { segment, offset, lengthBytes } = extent;
  return { segment, offset, endOffset: offset + lengthBytes, extents: [extent] };
}

function planRuns<E extends Extent>(extents: E[], maxGapBytes: number): Run<E>[] {
  extents.sort((a, b) => a.segment - b.segment || a.offset - b.offset);
  const runs: Run<E>[] = [];
  let run: Run<E> | undefined;
  for (const extent of extents) {
    const end = extent.offset + extent.lengthBytes;
    const joins =
      run !== undefined &&
      extent.segment === run.segment &&
      extent.offset - run.endOffset <= maxGapBytes &&
      end - run.offset <= MAX_RUN_BYTES;
    if (run !== undefined && joins) {
      run.extents.push(extent);
      run.endOffset = Math.max(run.endOffset, end);
    } else {
      run = runOf(extent);
      runs.push(run);
    }
  }
  return runs;
}

interface Handle {
  readonly file: Promise<OpenFile>;
  users: number;
}

interface Handles {
  use<R>(segment: Segment, work: (file: OpenFile) => Promise<R>): Promise<R>;
  release(segment: Segment): Promise<void>;
  close(): Promise<void>;
}

/** Keeps the files of the segments read last open. */
function createHandles(files: Files): Handles {
  // In the order of their last use, which a Map keeps.
  const open = new Map<number, Handle>();

  async function closeUnused(): Promise<void> {
    for (const [number, handle] of open) {
      if (open.size <= MAX_OPEN_FILES) return;
      if (handle.users > 0) continue;
      open.delete(number);
      await (await handle.file).close();
    }
  }

  function acquire(segment: Segment): Handle {
    const number = segment.identity.number;
    const handle = open.get(number) ?? { file: files.open(segment.path, 'read'), users: 0 };
    open.delete(number);
    open.set(number, handle);
    handle.users++;
    return handle;
  }

  return {
    async use(segment, work) {
      const handle = acquire(segment);
      try {
        const file = await handle.file.catch((error: unknown) => {
          if (open.get(segment.identity.number) === handle) open.delete(segment.identity.number);
          throw new WeirError('WEIR_STORE_FAILED', `${segment.path} cannot be opened`, { cause: error });
        });
        return await work(file);
      } finally {
        handle.users--;
        if (open.size > MAX_OPEN_FILES) await closeUnused();
      }
    },
    async release({ identity }) {
      const handle = open.get(identity.number);
      if (handle === undefined) return;
      assert(handle.users === 0, 'nobody reads a segment that goes');
      open.delete(identity.number);
      await (await handle.file).close();
    },
    async close() {
      const files = await Promise.allSettled([...open.values()].map((handle) => handle.file));
      open.clear();
      for (const file of files) if (file.status === 'fulfilled') await file.value.close();
    },
  };
}

interface Slots {
  take(): Promise<void>;
  give(): void;
}

/** A counting semaphore, first come first served. */
function createSlots(count: number): Slots {
  let free = count;
  const waiting: (() => void)[] = [];
  return {
    async take() {
      if (free > 0) {
        free--;
        return;
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    },
    give() {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    },
  };
}
