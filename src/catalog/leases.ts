import { assert } from '../base/assert.ts';
import { createKeyFilter, FILTERED_PREFIX_LENGTH, type KeyFilter } from '../store/key-filter.ts';
import type { Scope } from './scope.ts';

/**
 * Protection of content that no record refers to yet: portions of a recording or an upload under
 * way, objects a session is about to rely on, a body that is being served. What is leased is not
 * evicted and not swept, and neither is what was leased at any time since a round of making room
 * began: by its end the holder may have written the record that the round had already looked for.
 */
export interface Leases {
  /** To be released when what it covers is recorded or given up. */
  lease(): Lease;
  /** Notes what is leased now and from now on, until `end`. One at a time. */
  watch(): LeaseWatch;
  /** More is leased than is remembered: until holders release, nothing may leave. */
  readonly isOverfull: boolean;
}

export interface Lease {
  /** Takes effect at once: before the content is looked for or put. */
  add(scope: Scope, ids: readonly Uint8Array[]): void;
  /** As `add`, of keys of the store. */
  addKeys(keys: readonly Uint8Array[]): void;
  /** Idempotent. */
  release(): void;
}

export interface LeaseWatch {
  /** True for every key leased since the watch began, and for few others. */
  has(key: Uint8Array): boolean;
  end(): void;
}

/** Keys of all open leases: the portions of 256 GiB under way at once. */
export const MAX_LEASED_KEYS = 4 * 1024 * 1024;
/** What a watch is made for; it keeps what is beyond too, and more besides. 5 MiB. */
const WATCHED_KEYS = 4 * 1024 * 1024;

export function createLeases(): Leases {
  const open = new Set<KeyList>();
  let keys = 0;
  let watching: KeyFilter | undefined;

  return {
    lease() {
      const list = new PrefixList();
      open.add(list);
      const addKeys = (added: readonly Uint8Array[]) => {
        for (const key of added) {
          watching?.add(key);
          keys++;
          list.add(key, keys <= MAX_LEASED_KEYS);
        }
      };
      return {
        add: (scope, ids) => addKeys(ids.map(scope.contentKey)),
        addKeys,
        release() {
          if (open.delete(list)) keys -= list.count;
        },
      };
    },
    watch() {
      assert(watching === undefined, 'one watch at a time');
      const filter = createKeyFilter(WATCHED_KEYS);
      for (const list of open) for (const key of list.prefixes()) filter.add(key);
      watching = filter;
      return {
        has: filter.has,
        end() {
          watching = undefined;
        },
      };
    },
    get isOverfull() {
      return keys > MAX_LEASED_KEYS;
    },
  };
}

/** The first bytes of keys, which is what a filter looks at. */
interface KeyList {
  /** How many were added, remembered or not. */
  readonly count: number;
  add(key: Uint8Array, isRemembered: boolean): void;
  prefixes(): Iterable<Uint8Array>;
}

class PrefixList implements KeyList {
  #bytes = Buffer.alloc(0);
  #used = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(key: Uint8Array, isRemembered: boolean): void {
    this.#count++;
    if (!isRemembered) return;
    if (this.#used === this.#bytes.length)
      this.#bytes = Buffer.concat([this.#bytes], Math.max(64, this.#bytes.length * 2));
    this.#bytes.set(key.subarray(0, FILTERED_PREFIX_LENGTH), this.#used);
    this.#used += FILTERED_PREFIX_LENGTH;
  }

  *prefixes(): Generator<Uint8Array> {
    for (let at = 0; at < this.#used; at += FILTERED_PREFIX_LENGTH)
      yield this.#bytes.subarray(at, at + FILTERED_PREFIX_LENGTH);
  }
}
