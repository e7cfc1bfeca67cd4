import type { Clock } from '../../src/base/clock.ts';
import { asWeirError, WeirError } from '../../src/base/errors.ts';
import type { CacheStore } from '../record/cache-store.ts';
import type { Recorder } from '../record/recording.ts';
import { answerError } from './answer.ts';
import { createArrivingMemory } from './arriving-memory.ts';
import type { Known } from './ask-headers.ts';
import { createAsker } from './asking.ts';
import { hasOwnPreconditions } from './cache/conditional.ts';
import { invalidatedUrls } from './cache/invalidation.ts';
import { planRange } from './cache/ranges.ts';
import { decideReuse, type RequestDirectives, requestDirectives } from './cache/reuse.ts';
import type { CacheCounts } from './cache-counts.ts';
import type { CacheSettings } from './cache-settings.ts';
import { isOwn } from './direct.ts';
import type { Exchange } from './exchange.ts';
import { type RawHeaders, valuesOf } from './headers.ts';
import type { OriginConnections } from './origin-connections.ts';
import { bytesOfRange, createParts, prefixOf } from './parts.ts';
import type { ForwardRequest } from './request.ts';
import { createResponseCache } from './response-cache.ts';
import { createStoredServer } from './serve.ts';
import type { Stored } from './stored.ts';
import { createStoredBodies } from './stored-bodies.ts';

/** Answers GET and HEAD: from the cache where RFC 9111 lets it, from the origin where not. */
export interface GetService {
  get(exchange: Exchange): void;
  /** An origin has answered a request of another method: what that may have changed is forgotten. */
  answered(request: ForwardRequest, status: number, headers: RawHeaders): void;
  readonly counts: Readonly<CacheCounts>;
}

export interface GetOptions {
  readonly settings: CacheSettings;
  readonly store: CacheStore;
  readonly recorder: Recorder;
  readonly connections: OriginConnections;
  readonly clock: Clock;
  readonly originIdleMs: number;
  /** An exchange broke after it was accepted. Answers the client if that can still be done. */
  fail(exchange: Exchange, error: WeirError): void;
}

export function createGetService(options: GetOptions): GetService {
  const { settings, store, recorder, connections, clock, originIdleMs, fail } = options;
  const { isEnabled, memoryBytes, memoryBodyBytes, targetedFields: targets } = settings;
  const counts: CacheCounts = { hits: 0, misses: 0, joined: 0, validated: 0, stale: 0 };
  const cache = createResponseCache({ isEnabled, store, memoryBytes, targets });
  const onBroken = (exchange: Exchange, stored: Stored, error: WeirError): void => {
    cache.remove(stored);
    fail(exchange, error);
  };
  const bodies = createStoredBodies(store, cache.memory, memoryBodyBytes);
  const server = createStoredServer({ store, bodies, recorder, onBroken });
  const parts = createParts(cache, targets);
  const arriving = createArrivingMemory(memoryBodyBytes);
  const passing = { store, clock, memory: arriving, finishing: { answers: 0 }, fail };
  const asking = { connections, originIdleMs, counts, serve, again: get };
  const asker = createAsker({ cache, parts, recorder, targets, ...passing, ...asking });

  store.watch(({ url, isInvalidated }) => {
    if (isInvalidated) outdate(url);
  });

  function outdate(url: string): void {
    asker.outdate(url);
    parts.forget(url);
  }

  function get(exchange: Exchange): void {
    const { request, res } = exchange;
    if (res.destroyed) return;
    if (!cache.isFor(request) || cache.isKnown(request.url)) return decide(exchange);
    cache
      .load(request.url)
      .then(() => {
        if (!res.destroyed) decide(exchange);
      })
      .catch((error: unknown) => fail(exchange, asWeirError(error)));
  }

  function decide(exchange: Exchange): void {
    const { request, res } = exchange;
    const { url, rawHeaders } = request;
    const directives = requestDirectives(rawHeaders);
    const conditions = hasOwnPreconditions(rawHeaders);
    // RFC 9111 section 4.3.2: whether these hold only the origin can tell.
    const isForOrigin = !cache.isFor(request) || conditions.ifMatch || conditions.ifUnmodifiedSince;
    const stored = isForOrigin ? undefined : cache.memory.select(url, rawHeaders);
    const reuse = stored === undefined ? 'none' : decideReuse(directives, stored.judgement, clock.wallMs());
    if (stored !== undefined && (reuse === 'fresh' || reuse === 'stale-while-revalidate')) {
      counts.hits++;
      noteStatus(exchange, 'weir; hit');
      if (reuse === 'stale-while-revalidate') asker.refresh(request, stored);
      return serve(exchange, stored);
    }
    const part = isForOrigin || stored !== undefined ? undefined : cachedPart(exchange, directives);
    if (part?.isServed === true) return;
    if (directives.isOnlyIfCached) return answerError(res, notCached(url), 504);
    const isConditional = conditions.ifNoneMatch || conditions.ifModifiedSince || conditions.range;
    const isPlain = !isForOrigin && (stored !== undefined || !isConditional);
    noteStatus(exchange, 'weir; fwd=miss');
    const known = { validated: stored, begun: isConditional ? undefined : part?.begun };
    asker.ask(exchange, known, isPlain && isForMany(request, directives));
  }

  /** Serves the range a client asks for, or gives the beginning of the whole. */
  function cachedPart(
    exchange: Exchange,
    directives: RequestDirectives,
  ): { isServed: boolean; begun?: Known['begun'] } | undefined {
    const { url, rawHeaders, method } = exchange.request;
    const partial = method === 'GET' ? parts.select(url, rawHeaders) : undefined;
    if (partial === undefined) return undefined;
    const { stored } = partial;
    const nowMs = clock.wallMs();
    const plan = planRange(rawHeaders, stored, stored.sizeBytes);
    if (plan.kind === 'whole') {
      const prefix = prefixOf(partial);
      return { isServed: false, begun: prefix && { stored, prefix } };
    }
    const [range, ...others] = plan.kind === 'ranges' ? plan.ranges : [];
    const bytes = range && bytesOfRange(partial, range);
    const isUsable = others.length === 0 && decideReuse(directives, stored.judgement, nowMs) === 'fresh';
    if (range === undefined || bytes === undefined || !isUsable) return undefined;
    counts.hits++;
    server.servePart(exchange, stored, range, bytes, nowMs);
    return { isServed: true };
  }

  function serve(exchange: Exchange, stored: Stored, ownHeaders?: RawHeaders): void {
    const { res } = exchange;
    server.serve(exchange, stored, clock.wallMs(), ownHeaders).then(
      (served) => {
        if (served === 'served' || res.destroyed) return;
        if (served === 'busy') return asker.ask(exchange, {}, false);
        cache.remove(stored);
        get(exchange);
      },
      (error: unknown) => onBroken(exchange, stored, asWeirError(error)),
    );
  }

  return {
    get,
    answered(request, status, headers) {
      if (!cache.isFor(request)) return;
      for (const url of invalidatedUrls(request.method, request.url, status, headers)) {
        outdate(url);
        void cache.forget(url);
      }
    },
    counts,
  };
}

/** Tells the page what became of its test download (RFC 9211). Other answers carry nothing of ours. */
function noteStatus({ request, res }: Exchange, status: string): void {
  if (isOwn(request.origin)) res.setHeader('Cache-Status', status);
}

/** Whether an answer to this request can be one for others too, so that they may wait for it. */
function isForMany({ method, rawHeaders }: ForwardRequest, directives: RequestDirectives): boolean {
  const { isNoStore, isNoCache, maxAgeMs, minFreshMs } = directives;
  const isChoosy = isNoStore || isNoCache || maxAgeMs !== Number.POSITIVE_INFINITY || minFreshMs > 0;
  if (method !== 'GET' || isChoosy) return false;
  return valuesOf(rawHeaders, 'authorization').length === 0;
}

function notCached(url: string): WeirError {
  return new WeirError('WEIR_PROXY_NOT_CACHED', `${url} is not in the cache`);
}
