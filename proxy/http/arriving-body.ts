import { WeirError } from '../../src/base/errors.ts';
import type { CacheStore } from '../record/cache-store.ts';
import type { DurablePart } from '../record/recording.ts';

/**
 * A body on its way from the origin, read by any number of clients as it arrives. What every
 * reader has passed is let go; a reader that fell behind reads what is durable from the store.
 */
export interface ArrivingBody {
  /** Takes the next bytes. */
  push(chunk: Buffer): void;
  /** Whether more is wanted now. If not, `onRoom` is called later. */
  readonly isRoom: boolean;
  /** All has arrived; `trailers` as IncomingMessage.rawTrailers has them. */
  finish(trailers: readonly string[]): void;
  /** It will never be whole. Readers get what did arrive, then the error. */
  fail(error: WeirError): void;
  /** More is durable, or nothing more will be. */
  progress(): void;
  /** Looks anew whether there is room. */
  adjust(): void;
  /** Whether a reader that begins now will get the body from its first byte. */
  readonly isJoinable: boolean;
  read(): BodyReader;
  readonly readers: number;
  readonly arrivedBytes: number;
  /** Once it has arrived. */
  readonly trailers: readonly string[];
  /** The whole body, when it has arrived and is not above `wholeBytes`. */
  readonly whole: Buffer | undefined;
}

/** The body from its first byte to its last, or to the error that ended it early. */
export interface BodyReader extends AsyncIterable<Uint8Array> {
  /** Reads no more: the iteration ends. */
  leave(): void;
}

export interface ArrivingBodyOptions {
  /** What of the body can be read back, when it is being recorded. */
  readonly durable: DurablePart | undefined;
  readonly store: Pick<CacheStore, 'readDurable'>;
  readonly memory: BodyMemory;
  onRoom(): void;
}

/** What of a body is kept in memory although its readers have passed it. */
export interface BodyMemory {
  /** A body up to this, until it is whole. */
  readonly wholeBytes: number;
  /** So much of what is not durable yet, for readers that come while it arrives. */
  readonly joinBytes: number;
}

/** The origin is read no further ahead of the fastest reader. */
const AHEAD_BYTES = 32 * 1024;
/** Kept in memory for readers that fell behind; beyond, they read from the store or are cut off. */
const BEHIND_BYTES = 4 * 1024 * 1024;

interface Reading {
  position: number;
  isLeft: boolean;
  error: WeirError | undefined;
  /** Ends the wait for more. */
  wake(): void;
}

export function createArrivingBody({ durable, store, memory, onRoom }: ArrivingBodyOptions): ArrivingBody {
  const { wholeBytes, joinBytes } = memory;
  const readings = new Set<Reading>();
  let chunks: Buffer[] = [];
  /** Where in the body the first of `chunks` begins. */
  let startBytes = 0;
  let arrivedBytes = 0;
  let trailers: readonly string[] | undefined;
  let failure: WeirError | undefined;
  let isPaused = false;

  function canReadBack(): boolean {
    return durable?.isLost === false;
  }

  /** Nobody waits for the store: what is not in memory must be there already. */
  function isDurable(toByte: number): boolean {
    return (durable?.sizeBytes ?? 0) >= toByte;
  }

  /** After a reader, the store or the origin has got further. */
  function adjust(): void {
    if (!canReadBack()) cutLaggards();
    trim();
    const isRoom = hasRoom();
    const mayGoOn = isPaused && isRoom;
    isPaused = !isRoom;
    if (mayGoOn) onRoom();
  }

  /** A reader too far behind for memory, with no store to read from, must not hold up the others. */
  function cutLaggards(): void {
    if (readings.size < 2 || arrivedBytes - startBytes < BEHIND_BYTES) return;
    for (const reading of readings) {
      if (arrivedBytes - reading.position < BEHIND_BYTES) continue;
      reading.error = tooSlow();
      readings.delete(reading);
      reading.wake();
    }
  }

  /** Lets go of what nobody needs in memory. */
  function trim(): void {
    if (arrivedBytes <= wholeBytes) return;
    let neededFrom = arrivedBytes;
    for (const { position } of readings) neededFrom = Math.min(neededFrom, position);
    if (canReadBack())
      neededFrom = Math.max(durable?.sizeBytes ?? 0, Math.min(neededFrom, arrivedBytes - joinBytes));
    let gone = 0;
    for (const chunk of chunks) {
      if (startBytes + chunk.length > neededFrom) break;
      startBytes += chunk.length;
      gone++;
    }
    if (gone > 0) chunks = chunks.slice(gone);
  }

  function hasRoom(): boolean {
    if (arrivedBytes <= wholeBytes) return true;
    if (arrivedBytes - startBytes >= BEHIND_BYTES) return false;
    let fastest = readings.size === 0 ? arrivedBytes : 0;
    for (const { position } of readings) fastest = Math.max(fastest, position);
    return arrivedBytes - fastest < AHEAD_BYTES;
  }

  function chunkAt(position: number): Buffer | undefined {
    let at = startBytes;
    for (const chunk of chunks) {
      if (position < at + chunk.length) return position === at ? chunk : chunk.subarray(position - at);
      at += chunk.length;
    }
    return undefined;
  }

  async function* iterate(reading: Reading): AsyncGenerator<Uint8Array> {
    try {
      while (!reading.isLeft) {
        if (reading.error !== undefined) throw reading.error;
        const chunk = reading.position < startBytes ? undefined : chunkAt(reading.position);
        if (chunk !== undefined) {
          yield chunk;
          // Only what the client has taken makes room: one chunk at a time is held for a slow one.
          reading.position += chunk.length;
          adjust();
        } else if (reading.position < startBytes && canReadBack()) yield* readBack(reading);
        else if (reading.position < startBytes) throw tooSlow();
        else if (failure !== undefined) throw failure;
        else if (trailers !== undefined) return;
        else await more(reading);
      }
    } finally {
      readings.delete(reading);
      adjust();
    }
  }

  /** From the store, up to where memory begins. */
  async function* readBack(reading: Reading): AsyncGenerator<Uint8Array> {
    if (durable === undefined || !isDurable(startBytes)) throw tooSlow();
    for await (const chunk of store.readDurable(durable, reading.position, startBytes)) {
      if (reading.isLeft) return;
      reading.position += chunk.length;
      yield chunk;
    }
  }

  function more(reading: Reading): Promise<void> {
    return new Promise((resolve) => {
      reading.wake = resolve;
    });
  }

  function wakeAll(): void {
    for (const reading of readings) reading.wake();
  }

  return {
    push(chunk) {
      chunks.push(chunk);
      arrivedBytes += chunk.length;
      adjust();
      wakeAll();
    },
    get isRoom() {
      return !isPaused;
    },
    finish(rawTrailers) {
      trailers = rawTrailers;
      wakeAll();
    },
    fail(error) {
      failure = error;
      wakeAll();
    },
    progress() {
      adjust();
      wakeAll();
    },
    adjust,
    get isJoinable() {
      return failure === undefined && (startBytes === 0 || (canReadBack() && isDurable(startBytes)));
    },
    read() {
      const reading: Reading = { position: 0, isLeft: false, error: undefined, wake: () => {} };
      readings.add(reading);
      return {
        [Symbol.asyncIterator]: () => iterate(reading),
        leave() {
          reading.isLeft = true;
          readings.delete(reading);
          reading.wake();
          adjust();
        },
      };
    },
    get readers() {
      return readings.size;
    },
    get arrivedBytes() {
      return arrivedBytes;
    },
    get trailers() {
      return trailers ?? [];
    },
    get whole() {
      return trailers !== undefined && arrivedBytes <= wholeBytes ? compact(chunks) : undefined;
    },
  };
}

/** In one piece, and not in memory that was allocated for much more. */
function compact(chunks: readonly Buffer[]): Buffer {
  const [only] = chunks;
  return only !== undefined && chunks.length === 1 && 2 * only.length >= only.buffer.byteLength
    ? only
    : Buffer.concat(chunks);
}

function tooSlow(): WeirError {
  return new WeirError('WEIR_PROXY_UPSTREAM', 'the client fell too far behind the others of a shared answer');
}
