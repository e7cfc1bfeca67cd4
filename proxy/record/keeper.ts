import { WeirError } from '../../src/base/errors.ts';
import { CACHE_SCOPE_NUMBER } from '../../src/catalog/cache-scope.ts';
import type { ObjectName } from '../../src/catalog/candidates.ts';
import type { Capture } from '../../src/catalog/captures.ts';
import type { Catalog } from '../../src/catalog/catalog.ts';
import type { Portion } from '../../src/catalog/contents.ts';
import type { Lease } from '../../src/catalog/leases.ts';
import type { NewObject } from '../../src/catalog/objects.ts';
import type { HeldBody, KeptResponse } from '../../src/catalog/responses.ts';
import type { Scope } from '../../src/catalog/scope.ts';
import type { Subscriber } from '../../src/catalog/subscribers.ts';
import type { PortionList } from '../../src/content/portion-list.ts';

/**
 * What a proxy has of the catalogue, in the process that owns the store or over a channel to it.
 * Scopes go by their number: their keys stay with the owner.
 */
export interface Keeper {
  /** Whose traffic this is. Without waiting. */
  subscriberAt(address: string): KnownSubscriber | undefined;
  /** Whether an object is held, as far as this process knows. Without waiting. */
  isHeld(scope: number, object: ObjectName): boolean;
  /**
   * Makes portions durable, as captures. They are not let go until `recording`, a number of the
   * caller's own, is recorded or released.
   */
  putPortions(recording: number, scope: number, portions: readonly Portion[]): Promise<void>;
  /** Records a capture whose portions are durable, and in the same group that a cache keeps it. */
  record(
    recording: number,
    scope: number,
    object: NewObject,
    capture: Capture,
    kept: KeptOfUrl | undefined,
  ): Promise<{ wasWanted: boolean }>;
  /** There will be no record of it. */
  release(recording: number): void;
  /** So many bytes of a body were served from what is kept: it is worth keeping. */
  noteUse(body: HeldBody, servedBytes: number): void;
  /** The answers kept of a URL. */
  find(url: string): Promise<readonly KeptResponse[]>;
  replace(kept: KeptOfUrl): Promise<void>;
  /** What a body consists of; undefined when it is no longer held. */
  portionsOf(body: HeldBody): Promise<PortionList | undefined>;
  /** Plain bytes, checked against the store's checksum; undefined for a portion that is gone or damaged. */
  readPortions(scope: number, ids: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** Tells the other processes at the same store. What `record` and `replace` keep they are told anyway. */
  announce(change: UrlChange): void;
  /** Calls `listener` with what the other processes announce and keep. */
  watch(listener: (change: UrlChange) => void): void;
  /** Releases every recording. */
  close(): void;
}

/** What is known of the answers to a URL is known no more. */
export interface UrlChange {
  readonly url: string;
  /** By an unsafe request (RFC 9111 section 4.4): no answer asked for before holds. Else others are kept. */
  readonly isInvalidated: boolean;
}

export type KnownSubscriber = Pick<
  Subscriber,
  'number' | 'name' | 'isSuspended' | 'consents' | 'connections'
>;

/** All answers that are kept of a URL. */
export interface KeptOfUrl {
  readonly url: string;
  readonly responses: readonly KeptResponse[];
}

/** For what passes to no subscriber. */
export const NOBODYS_SCOPE: number = CACHE_SCOPE_NUMBER;

/**
 * In the process that owns the store, where no other process has answers in memory. `onCaptured` is
 * called after each capture.
 */
export function catalogKeeper(catalog: Catalog, onCaptured: () => void = () => {}): Keeper {
  const { subscribers, contents, captures, responses, records } = catalog;

  function scopeOf(number: number): Scope {
    const scope = catalog.scopeOf(number);
    if (scope === undefined)
      throw new WeirError('WEIR_SUBSCRIBER_UNKNOWN', `there is no subscriber ${number}`);
    return scope;
  }

  const leases = new Map<number, Lease>();

  function leaseOf(recording: number): Lease {
    const lease = leases.get(recording) ?? contents.lease();
    leases.set(recording, lease);
    return lease;
  }

  function release(recording: number): void {
    leases.get(recording)?.release();
    leases.delete(recording);
  }

  return {
    subscriberAt: (address) => subscribers.byAddress(address),
    isHeld: (scope, object) => contents.isHeld(scopeOf(scope), object),
    async putPortions(recording, number, portions) {
      const scope = scopeOf(number);
      leaseOf(recording).add(
        scope,
        portions.map(({ id }) => id),
      );
      await contents.putPortions(scope, portions, 'passing');
    },
    async record(recording, scope, object, capture, kept) {
      const alongside = kept ? [responses.replace(kept.url, kept.responses)] : [];
      try {
        return await captures.record(scopeOf(scope), object, capture, alongside);
      } finally {
        release(recording);
        onCaptured();
      }
    },
    release,
    noteUse({ scope, contentId, sizeBytes }, servedBytes) {
      const known = catalog.scopeOf(scope);
      if (known !== undefined && sizeBytes > 0) captures.noteUse(known, contentId, servedBytes / sizeBytes);
    },
    find: (url) => responses.find(url),
    replace: ({ url, responses: all }) => records.write([responses.replace(url, all)]),
    async portionsOf({ scope, contentId }) {
      const [portions] = await contents.portionsOf(scopeOf(scope), 'file', [contentId]);
      return portions;
    },
    readPortions: async (scope, ids) => contents.uncheckedPortions(scopeOf(scope), ids),
    announce: () => {},
    watch: () => {},
    close() {
      for (const recording of leases.keys()) release(recording);
    },
  };
}
