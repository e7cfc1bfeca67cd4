import type { IncomingMessage } from 'node:http';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../src/base/clock.ts';
import { asWeirError, type WeirError } from '../../src/base/errors.ts';
import type { HeldBody } from '../../src/catalog/responses.ts';
import type { Operation } from '../../src/store/records.ts';
import type { CacheStore } from '../record/cache-store.ts';
import type { Recorder, Recording } from '../record/recording.ts';
import { type AnswerHead, readAnswerHead } from './answer-head.ts';
import { askHeaders } from './ask-headers.ts';
import { agreesWith304, headAgrees } from './cache/freshen.ts';
import { decideReuse, mayServeOnError, requestDirectives } from './cache/reuse.ts';
import { servedHeaders } from './cache/served.ts';
import { isStorable } from './cache/storable.ts';
import { isSelected } from './cache/vary.ts';
import type { Exchange } from './exchange.ts';
import type { CacheCounts } from './get.ts';
import { valuesOf } from './headers.ts';
import { passInterim } from './interim.ts';
import type { OriginConnections } from './origin-connections.ts';
import { fetchFromOrigin, type OriginFetch, upstreamError } from './origin-fetch.ts';
import type { ForwardRequest } from './request.ts';
import type { ResponseCache } from './response-cache.ts';
import { sendBody } from './send-body.ts';
import { isSharedCacheable } from './shared-cacheable.ts';
import { describe, type Stored } from './stored.ts';
import { startTransfer, type Transfer } from './transfer.ts';

/** Gets answers from origins: one request for all clients that want the same at the same time. */
export interface Asker {
  /** Asks for what the client wants; `validated` is what the cache has of it and may not serve unasked. */
  ask(exchange: Exchange, validated: Stored | undefined, isShareable: boolean): void;
  /** Asks whether a stale answer still holds, for nobody in particular. */
  refresh(request: ForwardRequest, validated: Stored): void;
  /** What is on its way for this URL has been changed at the origin meanwhile, and is not kept. */
  outdate(url: string): void;
}

export interface AskerOptions {
  readonly cache: ResponseCache;
  readonly store: CacheStore;
  readonly recorder: Recorder;
  readonly connections: OriginConnections;
  readonly clock: Clock;
  readonly originIdleMs: number;
  readonly targets: readonly string[];
  /** Answers from the cache. */
  serve(exchange: Exchange, stored: Stored): void;
  /** The answer that was waited for is not for this client: it starts anew. */
  again(exchange: Exchange): void;
  /** There is no answer, or it broke off. */
  fail(exchange: Exchange, error: WeirError): void;
  readonly counts: CacheCounts;
}

/** Bodies up to this are kept in memory as they arrive. Larger ones get there when they are asked for again. */
const ARRIVING_MEMORY_BYTES = 256 * 1024;
/** What is missing of a body whose clients have all left is fetched if it is no more, for so many at a time. */
const FINISH_BYTES = 16 * 1024 * 1024;
const MAX_FINISHING = 64;
const MAX_REFRESHING = 64;
/** URLs whose answers turned out not to be for sharing: nobody waits for another's answer meanwhile. */
const MAX_UNSHARED = 10_000;
const UNSHARED_MS = 60_000;

/** RFC 5861 section 4. */
const SPARED_STATUSES = new Set([500, 502, 503, 504]);
const NOT_HELD: Promise<undefined> = Promise.resolve(undefined);

/** A request to an origin. */
interface Asking {
  readonly request: ForwardRequest;
  readonly method: 'GET' | 'HEAD';
  readonly validated: Stored | undefined;
  readonly requestMs: number;
  /** Who gets the answer when it comes. The first is the one who asked. */
  readonly waiting: Set<Exchange>;
  /** The address of the one who asked, if anybody did. */
  readonly clientAddress: string | undefined;
  fetch: OriginFetch | undefined;
  arriving: Arriving | undefined;
  isOutdated: boolean;
  isFinishing: boolean;
  isOver: boolean;
}

/** An answer that is passed on. */
interface Arriving {
  readonly head: AnswerHead;
  readonly answer: IncomingMessage;
  /** What it will be in the cache, if it may be kept. */
  readonly stored: Stored | undefined;
  readonly transfer: Transfer;
}

export function createAsker(options: AskerOptions): Asker {
  return new OriginAsker(options);
}

class OriginAsker implements Asker {
  readonly #options: AskerOptions;
  /** What may be joined, by URL. */
  readonly #shared = new Map<string, Asking>();
  readonly #unshared = new LRUCache<string, true>({ max: MAX_UNSHARED, ttl: UNSHARED_MS });
  #finishing = 0;
  #refreshing = 0;

  constructor(options: AskerOptions) {
    this.#options = options;
  }

  ask(exchange: Exchange, validated: Stored | undefined, mayShare: boolean): void {
    const { request } = exchange;
    const isShareable = mayShare && !this.#unshared.has(request.url);
    const before = isShareable ? this.#shared.get(request.url) : undefined;
    if (before !== undefined && this.#join(before, exchange)) return;
    this.#options.counts.misses++;
    const asking = this.#create(request, validated, isShareable, exchange.req.socket.remoteAddress);
    this.#wait(asking, exchange);
    this.#send(asking, validated !== undefined);
  }

  refresh(request: ForwardRequest, validated: Stored): void {
    if (this.#shared.has(request.url) || this.#refreshing >= MAX_REFRESHING) return;
    this.#refreshing++;
    this.#send(this.#create(request, validated, true, undefined), true);
  }

  outdate(url: string): void {
    const asking = this.#shared.get(url);
    if (asking === undefined) return;
    asking.isOutdated = true;
    this.#withdraw(asking);
  }

  #create(
    request: ForwardRequest,
    validated: Stored | undefined,
    isShareable: boolean,
    clientAddress: string | undefined,
  ): Asking {
    const asking: Asking = {
      request,
      method: request.method === 'HEAD' ? 'HEAD' : 'GET',
      validated,
      clientAddress,
      requestMs: this.#options.clock.wallMs(),
      waiting: new Set(),
      fetch: undefined,
      arriving: undefined,
      isOutdated: false,
      isFinishing: false,
      isOver: false,
    };
    if (isShareable) this.#shared.set(request.url, asking);
    return asking;
  }

  #send(asking: Asking, isValidating: boolean): void {
    const { request, method, validated } = asking;
    const { connections, originIdleMs } = this.#options;
    const headers = askHeaders(request, isValidating ? validated : undefined);
    const ask = { method, origin: request.origin, path: request.path, headers };
    asking.fetch = fetchFromOrigin(connections, originIdleMs, ask, {
      onInterim: (status, reason, raw) => {
        for (const exchange of asking.waiting) passInterim(exchange, status, reason, raw);
      },
      onAnswer: (answer) => {
        try {
          this.#receive(asking, isValidating, answer);
        } catch (error) {
          answer.destroy();
          this.#failAll(asking, asWeirError(error));
        }
      },
      onFailure: (error) => {
        if (this.#mayBeStale(asking, 'disconnected')) this.#serveStale(asking);
        else this.#failAll(asking, error);
      },
    });
  }

  #receive(asking: Asking, isValidating: boolean, answer: IncomingMessage): void {
    const { cache, clock, counts } = this.#options;
    const { validated } = asking;
    const head = readAnswerHead(answer, asking.requestMs, clock.wallMs());
    if (isValidating && validated !== undefined && head.status === 304) {
      answer.resume();
      if (!agreesWith304(validated, head.headers)) return this.#send(asking, false);
      counts.validated++;
      return this.#serveValidated(asking, validated, head);
    }
    if (SPARED_STATUSES.has(head.status) && this.#mayBeStale(asking, 'error')) {
      answer.resume();
      return this.#serveStale(asking);
    }
    if (asking.method === 'HEAD') this.#noteHead(asking, head);
    else if (validated !== undefined && head.status < 500) cache.remove(validated);
    this.#passOn(asking, head, answer);
  }

  #serveValidated(asking: Asking, validated: Stored, head: AnswerHead): void {
    const { cache, serve, again } = this.#options;
    if (asking.isOutdated) return this.#serveAll(asking, validated);
    const { own, others } = cache.freshen(validated, asking.request.rawHeaders, head);
    const [first, ...joined] = this.#release(asking);
    if (first !== undefined) serve(first, own);
    for (const exchange of joined) {
      if (others !== undefined && isSelected(exchange.request.rawHeaders, others.selecting))
        serve(exchange, others);
      else again(exchange);
    }
  }

  /** What a HEAD tells of a stored answer (RFC 9111 section 4.3.5). */
  #noteHead({ request }: Asking, head: AnswerHead): void {
    const { cache } = this.#options;
    const stored = cache.memory.select(request.url, request.rawHeaders);
    if (stored === undefined || head.status !== stored.status) return;
    if (headAgrees(stored, stored.sizeBytes, head)) cache.freshen(stored, request.rawHeaders, head);
    else cache.remove(stored);
  }

  #passOn(asking: Asking, head: AnswerHead, answer: IncomingMessage): void {
    const { cache, store, targets } = this.#options;
    const { request, method } = asking;
    const asked = { method, headers: request.rawHeaders };
    const mayKeep = cache.isFor(request) && isStorable(asked, head, targets);
    const stored = mayKeep ? cache.create(request.url, request.rawHeaders, head) : undefined;
    const transfer = startTransfer(answer, {
      store,
      wholeBytes: stored === undefined ? 0 : ARRIVING_MEMORY_BYTES,
      record: (onProgress) => this.#record(asking, head, stored, onProgress),
      onWhole: () => this.#keep(asking),
      onBroken: () => this.#end(asking),
    });
    asking.arriving = { head, answer, stored, transfer };
    if (stored === undefined) this.#withdraw(asking);
    const [first, ...others] = asking.waiting;
    asking.waiting.clear();
    if (first !== undefined) this.#deliver(asking, asking.arriving, first, true);
    if (others.length > 0 && stored === undefined) this.#unshared.set(request.url, true);
    for (const exchange of others) if (!this.#join(asking, exchange)) this.#options.again(exchange);
  }

  #record(
    asking: Asking,
    { status, headers }: AnswerHead,
    stored: Stored | undefined,
    onProgress: () => void,
  ): Recording | undefined {
    const { request, method, clientAddress = '' } = asking;
    if (method !== 'GET' || status !== 200 || !request.isTrusted) return undefined;
    const [length] = valuesOf(headers, 'content-length');
    const keep = stored && ((held: HeldBody) => this.#keeping(asking, stored, held));
    return this.#options.recorder.begin({
      clientAddress,
      url: request.url,
      sizeBytes: length === undefined ? undefined : Number(length),
      ...describe(headers),
      isSharedCacheable: isSharedCacheable(request.rawHeaders, headers),
      onProgress,
      ...(keep !== undefined && { keep }),
    });
  }

  #keeping(asking: Asking, stored: Stored, held: HeldBody): readonly Operation[] {
    if (asking.isOutdated) return [];
    const { sizeBytes } = held;
    const { cache } = this.#options;
    return cache.keeping(cache.withBody(stored, { sizeBytes, bytes: undefined, held, source: held }));
  }

  /** The body has arrived: from now on the cache has it. */
  #keep(asking: Asking): void {
    const { cache } = this.#options;
    if (asking.arriving === undefined) return;
    const { stored, transfer } = asking.arriving;
    const { body, recording } = transfer;
    const bytes = body.whole;
    const sizeBytes = body.arrivedBytes;
    const source = recording && { scope: recording.durable.scope };
    const small = stored && bytes && cache.withBody(stored, { sizeBytes, bytes, held: undefined, source });
    if (small !== undefined && !asking.isOutdated) cache.put(small);
    void (recording?.finish() ?? NOT_HELD).then((held) => {
      if (stored !== undefined && held !== undefined && !asking.isOutdated) {
        cache.put(cache.withBody(stored, { sizeBytes, bytes, held, source: held }), small);
      }
      this.#end(asking);
    });
  }

  /** Lets a client in on an answer that is coming or has begun to arrive. */
  #join(asking: Asking, exchange: Exchange): boolean {
    const { clock, counts } = this.#options;
    const { arriving } = asking;
    if (arriving === undefined) {
      this.#wait(asking, exchange);
      return true;
    }
    const { stored, transfer } = arriving;
    const { rawHeaders } = exchange.request;
    if (stored === undefined || asking.isOutdated || !transfer.body.isJoinable) return false;
    if (!isSelected(rawHeaders, stored.selecting)) return false;
    const reuse = decideReuse(requestDirectives(rawHeaders), stored.judgement, clock.wallMs());
    if (reuse === 'validate') return false;
    counts.joined++;
    this.#deliver(asking, arriving, exchange, false);
    return true;
  }

  #wait(asking: Asking, exchange: Exchange): void {
    asking.waiting.add(exchange);
    exchange.res.once('close', () => {
      if (!asking.waiting.delete(exchange) || asking.waiting.size > 0) return;
      if (asking.clientAddress === undefined || asking.arriving !== undefined) return;
      asking.fetch?.abort();
      this.#end(asking);
    });
  }

  #deliver(asking: Asking, arriving: Arriving, exchange: Exchange, isFirst: boolean): void {
    const { res } = exchange;
    const { head, stored, transfer } = arriving;
    const { body } = transfer;
    const nowMs = this.#options.clock.wallMs();
    const reader = body.read();
    res.once('close', () => {
      reader.leave();
      this.#readerLeft(asking);
    });
    // Others are not sent what the origin had for the one who asked.
    const headers =
      isFirst || stored === undefined ? [...head.headers] : servedHeaders(stored.judgement, nowMs);
    res.writeHead(head.status, head.reason, headers);
    const own = isFirst ? undefined : this.#recordFor(exchange, arriving);
    sendBody(exchange, reader, own, () => body.trailers).catch((error: unknown) => {
      this.#options.fail(exchange, upstreamError(error));
    });
  }

  /** The body is recorded for the one who asked; another subscriber who gets it has it recorded too. */
  #recordFor({ req, request }: Exchange, { head, transfer }: Arriving): Recording | undefined {
    if (transfer.recording === undefined || head.status !== 200) return undefined;
    return this.#options.recorder.begin({
      clientAddress: req.socket.remoteAddress ?? '',
      url: request.url,
      sizeBytes: undefined,
      ...describe(head.headers),
      isSharedCacheable: true,
      held: { scope: transfer.recording.durable.scope },
    });
  }

  /** Without readers an answer is given up, unless little of something worth keeping is missing. */
  #readerLeft(asking: Asking): void {
    const { arriving } = asking;
    if (arriving === undefined || asking.isOver || arriving.transfer.body.readers > 0) return;
    if (arriving.answer.closed || asking.isFinishing) return;
    const [length] = valuesOf(arriving.head.headers, 'content-length');
    const missingBytes = Number(length ?? Number.POSITIVE_INFINITY) - arriving.transfer.body.arrivedBytes;
    const isWorth = arriving.stored !== undefined && !asking.isOutdated && missingBytes <= FINISH_BYTES;
    if (isWorth && this.#finishing < MAX_FINISHING) {
      asking.isFinishing = true;
      this.#finishing++;
    } else arriving.answer.destroy();
  }

  #end(asking: Asking): void {
    if (asking.isOver) return;
    asking.isOver = true;
    if (asking.isFinishing) this.#finishing--;
    if (asking.clientAddress === undefined) this.#refreshing--;
    this.#withdraw(asking);
  }

  #withdraw(asking: Asking): void {
    if (this.#shared.get(asking.request.url) === asking) this.#shared.delete(asking.request.url);
  }

  #mayBeStale({ request, validated }: Asking, why: 'disconnected' | 'error'): boolean {
    if (validated === undefined) return false;
    const directives = requestDirectives(request.rawHeaders);
    return mayServeOnError(directives, validated.judgement, this.#options.clock.wallMs(), why);
  }

  #serveStale(asking: Asking): void {
    this.#options.counts.stale++;
    if (asking.validated !== undefined) this.#serveAll(asking, asking.validated);
  }

  #serveAll(asking: Asking, stored: Stored): void {
    const waiting = this.#release(asking);
    for (const exchange of waiting) {
      if (isSelected(exchange.request.rawHeaders, stored.selecting)) this.#options.serve(exchange, stored);
      else this.#options.again(exchange);
    }
  }

  #failAll(asking: Asking, error: WeirError): void {
    for (const exchange of this.#release(asking)) this.#options.fail(exchange, error);
  }

  #release(asking: Asking): Exchange[] {
    const waiting = [...asking.waiting];
    asking.waiting.clear();
    this.#end(asking);
    return waiting;
  }
}
