import { WeirError } from '../../src/base/errors.ts';
import type { CacheStore } from '../record/cache-store.ts';
import type { DurablePart } from '../record/recording.ts';
import { createByteWindow } from './byte-window.ts';

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
  /** The last reader has gone. */
  onIdle(): void;
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
  /** What the client has taken. */
  position: number;
  isLeft: boolean;
  /** All that is in memory or durable is taken: only what is on its way to the store comes next. */
  awaitsStore: boolean;
  error: WeirError | undefined;
  /** Ends the wait for more. */
  wake(): void;
}

export function createArrivingBody(options: ArrivingBodyOptions): ArrivingBody {
  return new SharedBody(options);
}

class SharedBody implements ArrivingBody {
  readonly #options: ArrivingBodyOptions;
  readonly #window = createByteWindow();
  readonly #readings = new Set<Reading>();
  #trailers: readonly string[] | undefined;
  #failure: WeirError | undefined;
  #isPaused = false;
  #willAdjust = false;

  constructor(options: ArrivingBodyOptions) {
    this.#options = options;
  }

  push(chunk: Buffer): void {
    this.#window.push(chunk);
    this.#isPaused = !this.#hasRoom();
    this.#adjustSoon();
    this.#wakeAll();
  }

  get isRoom(): boolean {
    return !this.#isPaused;
  }

  finish(trailers: readonly string[]): void {
    this.#trailers = trailers;
    this.#wakeAll();
  }

  fail(error: WeirError): void {
    this.#failure = error;
    this.#wakeAll();
  }

  progress(): void {
    this.#adjustSoon();
    this.#wakeAll();
  }

  get isJoinable(): boolean {
    const { startBytes } = this.#window;
    return this.#failure === undefined && (startBytes === 0 || this.#durableBytes() >= startBytes);
  }

  get readers(): number {
    return this.#readings.size;
  }

  get arrivedBytes(): number {
    return this.#window.endBytes;
  }

  get trailers(): readonly string[] {
    return this.#trailers ?? [];
  }

  get whole(): Buffer | undefined {
    const isWhole = this.#trailers !== undefined && this.arrivedBytes <= this.#options.memory.wholeBytes;
    return isWhole ? this.#window.gather() : undefined;
  }

  read(): BodyReader {
    const reading: Reading = {
      position: 0,
      isLeft: false,
      awaitsStore: false,
      error: undefined,
      wake: () => {},
    };
    this.#readings.add(reading);
    return {
      [Symbol.asyncIterator]: () => this.#iterate(reading),
      leave: () => {
        reading.isLeft = true;
        this.#remove(reading);
        reading.wake();
      },
    };
  }

  async *#iterate(reading: Reading): AsyncGenerator<Uint8Array> {
    try {
      while (!reading.isLeft) {
        if (reading.error !== undefined) throw reading.error;
        const isInMemory = reading.position >= this.#window.startBytes;
        const chunk = isInMemory ? this.#window.at(reading.position) : undefined;
        if (chunk !== undefined) {
          yield chunk;
          // Only what the client has taken makes room: one chunk at a time is held for a slow one.
          reading.position += chunk.length;
          this.#adjustSoon();
        } else if (!isInMemory) yield* this.#readBack(reading);
        else if (this.#failure !== undefined) throw this.#failure;
        else if (this.#trailers !== undefined) return;
        else await more(reading);
      }
    } finally {
      this.#remove(reading);
    }
  }

  /** From the store, as far as it is durable or up to where memory begins. */
  async *#readBack(reading: Reading): AsyncGenerator<Uint8Array> {
    const { durable, store } = this.#options;
    if (durable === undefined || durable.isLost) throw tooSlow();
    const toByte = Math.min(durable.sizeBytes, this.#window.startBytes);
    if (toByte <= reading.position) {
      reading.awaitsStore = true;
      this.#adjustSoon();
      await more(reading);
      reading.awaitsStore = false;
      return;
    }
    for await (const chunk of store.readDurable(durable, reading.position, toByte)) {
      if (reading.isLeft) return;
      yield chunk;
      reading.position += chunk.length;
    }
  }

  #remove(reading: Reading): void {
    if (!this.#readings.delete(reading)) return;
    this.#adjustSoon();
    if (this.#readings.size === 0) this.#options.onIdle();
  }

  /** Once for all readers that move in one turn: with thousands of them each look costs. */
  #adjustSoon(): void {
    if (this.#willAdjust) return;
    this.#willAdjust = true;
    setImmediate(() => {
      this.#willAdjust = false;
      this.#adjust();
    });
  }

  /** After a reader, the store or the origin has got further. */
  #adjust(): void {
    this.#trim();
    if (this.#heldBytes() >= BEHIND_BYTES) this.#cutLaggards();
    const isRoom = this.#hasRoom();
    const mayGoOn = this.#isPaused && isRoom;
    this.#isPaused = !isRoom;
    if (mayGoOn) this.#options.onRoom();
  }

  /** Lets go of what nobody needs in memory. */
  #trim(): void {
    const { wholeBytes, joinBytes } = this.#options.memory;
    const { endBytes } = this.#window;
    if (endBytes <= wholeBytes) return;
    let slowest = endBytes;
    for (const { position } of this.#readings) slowest = Math.min(slowest, position);
    const forJoiners = this.#canReadBack() ? Math.min(slowest, endBytes - joinBytes) : slowest;
    this.#window.dropBefore(Math.max(this.#durableBytes(), forJoiners));
  }

  /** A reader that keeps too much in memory, because the store does not keep up, must not hold up the others. */
  #cutLaggards(): void {
    if (this.#readings.size < 2) return;
    for (const reading of this.#readings) {
      const isHolding = reading.position >= this.#window.startBytes;
      if (!isHolding || this.arrivedBytes - reading.position < BEHIND_BYTES) continue;
      reading.error = tooSlow();
      this.#remove(reading);
      reading.wake();
    }
    this.#trim();
  }

  #hasRoom(): boolean {
    const { endBytes } = this.#window;
    if (endBytes <= this.#options.memory.wholeBytes) return true;
    if (this.#heldBytes() >= BEHIND_BYTES) return false;
    let fastest = this.#readings.size === 0 ? endBytes : 0;
    for (const { position, awaitsStore } of this.#readings) {
      // The store gets a portion when it is complete, for which more may have to arrive.
      if (awaitsStore) return true;
      fastest = Math.max(fastest, position);
    }
    return endBytes - fastest < AHEAD_BYTES;
  }

  #heldBytes(): number {
    return this.#window.endBytes - this.#window.startBytes;
  }

  #canReadBack(): boolean {
    return this.#options.durable?.isLost === false;
  }

  #durableBytes(): number {
    return this.#canReadBack() ? (this.#options.durable?.sizeBytes ?? 0) : 0;
  }

  #wakeAll(): void {
    for (const reading of this.#readings) reading.wake();
  }
}

function more(reading: Reading): Promise<void> {
  return new Promise((resolve) => {
    reading.wake = resolve;
  });
}

function tooSlow(): WeirError {
  return new WeirError('WEIR_PROXY_UPSTREAM', 'the client fell too far behind the others of a shared answer');
}
