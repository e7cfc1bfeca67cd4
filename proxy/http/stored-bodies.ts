import { WeirError } from '../../src/base/errors.ts';
import type { CacheStore } from '../record/cache-store.ts';
import type { Exchange } from './exchange.ts';
import { createPinnedBodies } from './pinned-bodies.ts';
import type { ResponseMemory, Stored } from './stored.ts';

/** The bodies of stored answers, from memory where they fit, else from the store. */
export interface StoredBodies {
  /** A body for one client. Rejects as `StoredBody.read` does, when it is to be read into memory first. */
  open(exchange: Exchange, stored: Stored): Promise<StoredBody>;
}

export interface StoredBody {
  /** All of it, when it is in memory. */
  readonly bytes: Buffer | undefined;
  /**
   * The bytes from `fromByte` to before `toByte`. Throws WEIR_CONTENT_MISSING when the store has lost
   * them, WEIR_SERVER_BUSY when they are in memory alone and clients keep too much of that already.
   */
  read(fromByte: number, toByte: number): AsyncIterable<Uint8Array>;
}

/** Sent from memory without counting what clients keep of it: connections bound that. */
const SMALL_BYTES = 64 * 1024;

/** Bodies up to `memoryBodyBytes` come to memory when they are wanted. */
export function createStoredBodies(
  store: CacheStore,
  memory: ResponseMemory,
  memoryBodyBytes: number,
): StoredBodies {
  const loading = new Map<Stored, Promise<Buffer>>();
  const pinned = createPinnedBodies();
  let loadingBytes = 0;

  /** Once for all who want the same at the same time. */
  async function load(stored: Stored): Promise<Buffer | undefined> {
    const { bytes, held, sizeBytes } = stored;
    if (bytes !== undefined || held === undefined || sizeBytes > memoryBodyBytes) return bytes;
    const begun = loading.get(stored);
    if (begun !== undefined) return begun;
    if (!pinned.hasRoom(loadingBytes + sizeBytes)) return undefined;
    loadingBytes += sizeBytes;
    const read = gather(store.read(held, 0, sizeBytes), sizeBytes);
    loading.set(stored, read);
    try {
      const whole = await read;
      memory.replace(stored, { ...stored, bytes: whole });
      return whole;
    } finally {
      loading.delete(stored);
      loadingBytes -= sizeBytes;
    }
  }

  return {
    async open({ res }, stored) {
      const { bytes, held } = stored;
      if (bytes !== undefined && bytes.length <= SMALL_BYTES) return inMemory(bytes);
      const loaded = await load(stored);
      if (loaded !== undefined && pinned.pin(loaded, res)) return inMemory(loaded);
      const read = (fromByte: number, toByte: number) =>
        held === undefined ? noRoom() : store.read(held, fromByte, toByte);
      return { bytes: undefined, read };
    },
  };
}

function inMemory(bytes: Buffer): StoredBody {
  return { bytes, read: (fromByte, toByte) => only(bytes.subarray(fromByte, toByte)) };
}

async function* only(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function noRoom(): never {
  throw new WeirError('WEIR_SERVER_BUSY', 'clients keep too much in memory already');
}

async function gather(body: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  let filled = 0;
  for await (const piece of body) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return bytes;
}
