import { asWeirError, WeirError } from '../../src/base/errors.ts';
import type { Log } from '../../src/base/log.ts';
import type { HeldBody, KeptResponse } from '../../src/catalog/responses.ts';
import type { PortionList } from '../../src/content/portion-list.ts';
import type { Keeper, KeptOfUrl } from './keeper.ts';
import type { DurablePart } from './recording.ts';

/** What an HTTP cache has of the store: the answers it kept, and their bodies. */
export interface CacheStore extends Pick<Keeper, 'announce' | 'watch'> {
  /** Never rejects: what cannot be read is not kept. */
  find(url: string): Promise<readonly KeptResponse[]>;
  /** Later these, and no others, are kept of the URL. */
  replace(kept: KeptOfUrl): void;
  /**
   * The bytes from `fromByte` to before `toByte`, in order. Throws WEIR_CONTENT_MISSING when they
   * are no longer all there: never other bytes, never fewer without saying so.
   */
  read(body: HeldBody, fromByte: number, toByte: number): AsyncIterable<Uint8Array>;
  /** So many bytes of it were sent to a client. */
  noteUse(body: HeldBody, servedBytes: number): void;
  /** The same of a body that is still being recorded; `toByte` is at most its durable size. */
  readDurable(part: DurablePart, fromByte: number, toByte: number): AsyncIterable<Uint8Array>;
}

/** Read from the store at once: few large reads cost a third of many small ones. */
const READ_BYTES = 1024 * 1024;
const USES_TOLD_AFTER_MS = 1_000;
const MAX_UNTOLD_USES = 10_000;

export function openCacheStore(keeper: Keeper, log: Log): CacheStore {
  function note(url: string): (error: unknown) => void {
    return (error) => log.warn('proxy.cache.store', { url, reason: asWeirError(error).message });
  }

  async function* readPortions(
    scope: number,
    portions: PortionList,
    fromByte: number,
    toByte: number,
  ): AsyncIterable<Uint8Array> {
    let offset = 0;
    let index = 0;
    for (; offset + portions.lengthBytes(index) <= fromByte; index++) offset += portions.lengthBytes(index);
    while (offset < toByte) {
      const ids: Buffer[] = [];
      for (let bytes = 0; bytes < READ_BYTES && offset + bytes < toByte; index++) {
        ids.push(portions.id(index));
        bytes += portions.lengthBytes(index);
      }
      for (const portion of await keeper.readPortions(scope, ids)) {
        if (portion === undefined) throw missing();
        yield portion.subarray(Math.max(0, fromByte - offset), Math.min(portion.length, toByte - offset));
        offset += portion.length;
      }
    }
  }

  const uses = new Map<HeldBody, number>();
  let flushing: NodeJS.Timeout | undefined;

  /** What is served a thousand times a second is told once. */
  function flushUses(): void {
    flushing = undefined;
    for (const [body, servedBytes] of uses) keeper.noteUse(body, servedBytes);
    uses.clear();
  }

  return {
    noteUse(body, servedBytes) {
      uses.set(body, (uses.get(body) ?? 0) + servedBytes);
      if (uses.size >= MAX_UNTOLD_USES) flushUses();
      else flushing ??= setTimeout(flushUses, USES_TOLD_AFTER_MS).unref();
    },
    async find(url) {
      try {
        return await keeper.find(url);
      } catch (error) {
        note(url)(error);
        return [];
      }
    },
    replace(kept) {
      keeper.replace(kept).catch(note(kept.url));
    },
    async *read(body, fromByte, toByte) {
      const portions = await keeper.portionsOf(body);
      if (portions?.sizeBytes !== body.sizeBytes) throw missing();
      yield* readPortions(body.scope, portions, fromByte, toByte);
    },
    readDurable: (part, fromByte, toByte) => readPortions(part.scope, part.portions(), fromByte, toByte),
    announce: (change) => keeper.announce(change),
    watch: (listener) => keeper.watch(listener),
  };
}

const NOTHING: AsyncIterable<never> = {
  [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(missing()) }),
};

/** For a proxy that keeps nothing but what its memory holds. */
export const NO_CACHE_STORE: CacheStore = {
  find: async () => [],
  replace: () => {},
  noteUse: () => {},
  read: () => NOTHING,
  readDurable: () => NOTHING,
  announce: () => {},
  watch: () => {},
};

function missing(): WeirError {
  return new WeirError('WEIR_CONTENT_MISSING', 'a kept body is no longer whole');
}
