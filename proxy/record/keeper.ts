import { WeirError } from '../../src/base/errors.ts';
import { CACHE_SCOPE_NUMBER } from '../../src/catalog/cache-scope.ts';
import type { ObjectName } from '../../src/catalog/candidates.ts';
import type { Capture } from '../../src/catalog/captures.ts';
import type { Catalog } from '../../src/catalog/catalog.ts';
import type { Portion } from '../../src/catalog/contents.ts';
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
  /** Makes portions durable, as captures. */
  putPortions(scope: number, portions: readonly Portion[]): Promise<void>;
  /** Records a capture whose portions are durable, and in the same group that a cache keeps it. */
  record(
    scope: number,
    object: NewObject,
    capture: Capture,
    kept: KeptOfUrl | undefined,
  ): Promise<{ wasWanted: boolean }>;
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

/** In the process that owns the store, where no other process has answers in memory. */
export function catalogKeeper(catalog: Catalog): Keeper {
  const { subscribers, contents, captures, responses, records } = catalog;

  function scopeOf(number: number): Scope {
    const scope = catalog.scopeOf(number);
    if (scope === undefined)
      throw new WeirError('WEIR_SUBSCRIBER_UNKNOWN', `there is no subscriber ${number}`);
    return scope;
  }

  return {
    subscriberAt: (address) => subscribers.byAddress(address),
    isHeld: (scope, object) => contents.isHeld(scopeOf(scope), object),
    putPortions: async (scope, portions) => contents.putPortions(scopeOf(scope), portions, 'passing'),
    record: async (scope, object, capture, kept) =>
      captures.record(
        scopeOf(scope),
        object,
        capture,
        kept ? [responses.replace(kept.url, kept.responses)] : [],
      ),
    find: (url) => responses.find(url),
    replace: ({ url, responses: all }) => records.write([responses.replace(url, all)]),
    async portionsOf({ scope, contentId }) {
      const [portions] = await contents.portionsOf(scopeOf(scope), 'file', [contentId]);
      return portions;
    },
    readPortions: async (scope, ids) => contents.uncheckedPortions(scopeOf(scope), ids),
    announce: () => {},
    watch: () => {},
  };
}
