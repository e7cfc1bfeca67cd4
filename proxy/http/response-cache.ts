import { MAX_KEPT_FIELDS } from '../../src/catalog/responses.ts';
import type { CacheStore } from '../record/cache-store.ts';
import type { KeptOfUrl } from '../record/keeper.ts';
import type { AnswerHead } from './answer-head.ts';
import { withoutFields } from './cache/fields.ts';
import { freshen } from './cache/freshen.ts';
import { judge } from './cache/judge.ts';
import { isStorable, storedHeaders } from './cache/storable.ts';
import { selectingFields } from './cache/vary.ts';
import { type RawHeaders, valuesOf } from './headers.ts';
import type { ForwardRequest } from './request.ts';
import {
  createResponseMemory,
  describe,
  keptOf,
  type ResponseMemory,
  type Stored,
  storedOf,
} from './stored.ts';

/** The answers the cache has, in memory and in the store. */
export interface ResponseCache {
  readonly memory: ResponseMemory;
  /** Whether answers to the request may be kept, and be what is kept, as far as the proxy is concerned. */
  isFor(request: ForwardRequest): boolean;
  /** Whether memory knows all answers to the URL; `load` makes it so. */
  isKnown(url: string): boolean;
  load(url: string): Promise<void>;
  /** A new answer with its body in memory, in the store, or still to come. Not kept until `put`. */
  create(url: string, requestHeaders: RawHeaders, head: AnswerHead): Stored | undefined;
  /** The answer once its body is known. */
  withBody(stored: Stored, body: Pick<Stored, 'sizeBytes' | 'bytes' | 'held' | 'source'>): Stored;
  put(stored: Stored, instead?: Stored): void;
  /** Has the store keep of the URL what memory knows now. */
  save(url: string): void;
  /** Takes an answer whose body is held from now on in the place of `instead`. */
  hold(stored: Stored, instead: Stored | undefined): void;
  /** What is to be kept of the URL from the moment that the body of `stored` is held. */
  keeping(stored: Stored): KeptOfUrl;
  /**
   * The origin has said that the answer still holds (RFC 9111 section 4.3.4), in an answer to these
   * request headers. Gives it as it is now, kept or not, and the headers for the client who asked.
   */
  freshen(stored: Stored, requestHeaders: RawHeaders, head: AnswerHead): Freshened;
  /** The answer does not hold any more. */
  remove(stored: Stored): void;
  /** No answer to the URL holds any more. */
  forget(url: string): Promise<void>;
}

export interface Freshened {
  /** With the new headers and times as far as they are for everybody. */
  readonly stored: Stored;
  readonly ownHeaders: RawHeaders;
}

/** A client writes what selects an answer: longer ones are not kept. */
const MAX_SELECTING_BYTES = 4096;

export interface ResponseCacheOptions {
  readonly isEnabled: boolean;
  readonly store: CacheStore;
  readonly memoryBytes: number;
  /** Fields of targeted cache control that are meant for this cache (RFC 9213). */
  readonly targets: readonly string[];
}

export function createResponseCache(options: ResponseCacheOptions): ResponseCache {
  const { isEnabled, store, memoryBytes, targets } = options;
  const memory = createResponseMemory(memoryBytes);
  /** What is being looked up; not in here any more when the URL has changed meanwhile. */
  const loading = new Map<string, ReturnType<CacheStore['find']>>();

  store.watch(({ url, isInvalidated }) => {
    loading.delete(url);
    if (isInvalidated) memory.forget(url);
    else memory.drop(url);
  });

  function save(url: string): void {
    store.replace(keptOf(url, memory.variants(url) ?? []));
  }

  /** After `stored` has come or gone. */
  function tell({ url, held }: Stored): void {
    if (held === undefined) store.announce({ url, isInvalidated: false });
    else save(url);
  }

  async function load(url: string): Promise<void> {
    const underWay = loading.get(url) ?? store.find(url);
    loading.set(url, underWay);
    const found = await underWay;
    if (loading.get(url) !== underWay) return;
    loading.delete(url);
    memory.load(
      url,
      found.map((kept) => storedOf(url, kept, targets)),
    );
  }

  return {
    memory,
    isFor: ({ isTrusted }) => isEnabled && isTrusted,
    isKnown: (url) => memory.variants(url) !== undefined,
    load,
    create(url, requestHeaders, head) {
      const selecting = selectingFields(requestHeaders, head.headers);
      if (selecting === undefined || head.headers.length > MAX_KEPT_FIELDS) return undefined;
      if (selecting.reduce((sum, field) => sum + field.length, 0) > MAX_SELECTING_BYTES) return undefined;
      const { status, reason, requestMs, responseMs } = head;
      const headers = storedHeaders(head.headers, targets);
      const response = { status, reason, headers, requestMs, responseMs };
      return {
        ...response,
        url,
        selecting,
        judgement: judge(response, targets),
        sizeBytes: 0,
        bytes: undefined,
        held: undefined,
        source: undefined,
        described: describe(headers),
      };
    },
    withBody(stored, body) {
      const isCounted = stored.status === 204 || valuesOf(stored.headers, 'content-length').length > 0;
      if (isCounted) return { ...stored, ...body };
      const headers = [...stored.headers, 'Content-Length', String(body.sizeBytes)];
      return { ...stored, ...body, headers, judgement: judge({ ...stored, headers }, targets) };
    },
    put(stored, instead) {
      memory.put(stored, instead);
      // What is being recorded is told of when it is held.
      if (stored.source === undefined) tell(stored);
    },
    save,
    hold(stored, instead) {
      const { url } = stored;
      const known = memory.variants(url);
      if (known === undefined) return;
      const isCurrent =
        instead === undefined ? !known.some((one) => isNewer(one, stored)) : known.includes(instead);
      if (isCurrent) memory.put(stored, instead);
      // It was replaced while it was written, or others of the URL were being written too.
      if (!isCurrent || known.length > 1) save(url);
    },
    keeping(stored) {
      const others = (memory.variants(stored.url) ?? []).filter(
        (one) => one.selecting.join() !== stored.selecting.join(),
      );
      return keptOf(stored.url, [stored, ...others]);
    },
    freshen(stored, requestHeaders, head) {
      const updated = freshen(stored, head, targets);
      const ownHeaders = withoutFields(updated.headers, (name) => name === 'age');
      const headers = storedHeaders(updated.headers, targets);
      const response = { ...updated, headers };
      const isKept = isStorable({ method: 'GET', headers: [] }, response, targets);
      const isForOthers = isStorable({ method: 'GET', headers: requestHeaders }, updated, targets);
      // What answers somebody's credentials tells nobody else anything (RFC 9111 section 3.5).
      const isCurrent = memory.variants(stored.url)?.includes(stored) === true;
      if (!isCurrent || (isKept && !isForOthers)) return { stored, ownHeaders };
      const selecting = selectingFields(requestHeaders, headers);
      const fresh = {
        ...response,
        selecting: selecting ?? [],
        judgement: judge(response, targets),
        described: describe(headers),
      };
      memory.remove(stored);
      if (isKept && selecting !== undefined) memory.put(fresh);
      if (stored.held !== undefined) save(stored.url);
      return { stored: fresh, ownHeaders };
    },
    remove(stored) {
      memory.remove(stored);
      tell(stored);
    },
    async forget(url) {
      store.announce({ url, isInvalidated: true });
      if (memory.variants(url) === undefined) await load(url);
      const isKept = (memory.variants(url) ?? []).some(({ held }) => held !== undefined);
      memory.forget(url);
      if (isKept) store.replace({ url, responses: [] });
    },
  };
}

/** Whether the same requests select both, and `one` came later. */
function isNewer(one: Stored, other: Stored): boolean {
  return one.selecting.join() === other.selecting.join() && one.responseMs > other.responseMs;
}
