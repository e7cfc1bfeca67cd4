import { LRUCache } from 'lru-cache';
import type { HeldBody, KeptResponse } from '../../src/catalog/responses.ts';
import { MAX_VARIANTS } from '../../src/catalog/responses.ts';
import type { KeptOfUrl } from '../record/keeper.ts';
import { type Judgement, judge } from './cache/judge.ts';
import type { CacheableResponse } from './cache/response.ts';
import { isSelected, type Selecting } from './cache/vary.ts';
import { type RawHeaders, valuesOf } from './headers.ts';

/** An answer the cache has, with its whole body in memory, in the store or in both. */
export interface Stored extends CacheableResponse {
  readonly url: string;
  readonly reason: string;
  readonly selecting: Selecting;
  readonly judgement: Judgement;
  readonly sizeBytes: number;
  readonly bytes: Buffer | undefined;
  readonly held: HeldBody | undefined;
  /** Where it is held or about to be. */
  readonly source: { readonly scope: number; readonly contentId?: Uint8Array } | undefined;
  readonly described: Described;
}

/** What a recorder wants to know of a body. */
export interface Described {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly mediaType: string | undefined;
}

export function describe(headers: RawHeaders): Described {
  return {
    etag: valuesOf(headers, 'etag')[0],
    lastModified: valuesOf(headers, 'last-modified')[0],
    mediaType: valuesOf(headers, 'content-type')[0],
  };
}

/** The answers in memory by URL: those used last, up to so many bytes. */
export interface ResponseMemory {
  /** The one sent last of those this request selects (RFC 9111 section 4.1). */
  select(url: string, requestHeaders: RawHeaders): Stored | undefined;
  /** All of the URL; undefined when memory does not know whether there are any. */
  variants(url: string): readonly Stored[] | undefined;
  /** Takes it in the place of `instead`, or of what the same requests select. */
  put(stored: Stored, instead?: Stored): void;
  /** Puts `next` where `stored` is, if it is still there. */
  replace(stored: Stored, next: Stored): void;
  /** What the store has of a URL, `found` none too. */
  load(url: string, found: readonly Stored[]): void;
  remove(stored: Stored): void;
  /** From now on the URL has no answer. */
  forget(url: string): void;
  /** From now on it is not known whether the URL has answers. */
  drop(url: string): void;
  readonly sizeBytes: number;
  readonly entries: number;
}

/** What an entry costs beside its body, headers and URL. */
const ENTRY_BYTES = 1024;
const URL_BYTES = 256;

export function createResponseMemory(maxBytes: number): ResponseMemory {
  const byUrl = new LRUCache<string, readonly Stored[]>({
    // None at all is no bound to the library.
    maxSize: Math.max(1, maxBytes),
    sizeCalculation: (variants, url) =>
      variants.reduce((sum, one) => sum + footprint(one), url.length + URL_BYTES),
  });

  function without(url: string, isGone: (one: Stored) => boolean): readonly Stored[] {
    return (byUrl.get(url) ?? []).filter((one) => !isGone(one));
  }

  return {
    select(url, requestHeaders) {
      let selected: Stored | undefined;
      for (const one of byUrl.get(url) ?? []) {
        if (!isSelected(requestHeaders, one.selecting)) continue;
        if (selected === undefined || one.judgement.sentMs > selected.judgement.sentMs) selected = one;
      }
      return selected;
    },
    variants: (url) => byUrl.get(url),
    put(stored, instead) {
      const key = selectingKey(stored);
      const others = without(stored.url, (one) => one === instead || selectingKey(one) === key);
      byUrl.set(stored.url, [stored, ...others].slice(0, MAX_VARIANTS));
    },
    replace(stored, next) {
      const variants = byUrl.peek(stored.url) ?? [];
      if (variants.includes(stored))
        byUrl.set(
          stored.url,
          variants.map((one) => (one === stored ? next : one)),
        );
    },
    load(url, found) {
      if (byUrl.peek(url) === undefined) byUrl.set(url, found);
    },
    remove(stored) {
      byUrl.set(
        stored.url,
        without(stored.url, (one) => one === stored),
      );
    },
    forget: (url) => void byUrl.set(url, []),
    drop: (url) => void byUrl.delete(url),
    get sizeBytes() {
      return byUrl.calculatedSize;
    },
    get entries() {
      return byUrl.size;
    },
  };
}

/** As the store keeps them: those whose bodies it holds. */
export function keptOf(url: string, variants: readonly Stored[]): KeptOfUrl {
  const responses = variants.flatMap(({ status, reason, headers, selecting, requestMs, responseMs, held }) =>
    held === undefined ? [] : { status, reason, headers, selecting, requestMs, responseMs, body: held },
  );
  return { url, responses };
}

export function storedOf(url: string, { body, ...kept }: KeptResponse, targets: readonly string[]): Stored {
  return {
    ...kept,
    url,
    judgement: judge(kept, targets),
    sizeBytes: body.sizeBytes,
    bytes: undefined,
    held: body,
    source: body,
    described: describe(kept.headers),
  };
}

function footprint({ url, bytes, headers, judgement, selecting }: Stored): number {
  const texts = [url, ...headers, ...judgement.headers, ...selecting];
  return ENTRY_BYTES + (bytes?.length ?? 0) + texts.reduce((sum, text) => sum + text.length, 0);
}

function selectingKey({ selecting }: Stored): string {
  return selecting.join('\n');
}
