import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../src/base/clock.ts';
import type { WeirError } from '../../src/base/errors.ts';
import type { HeldBody } from '../../src/catalog/responses.ts';
import type { CacheStore } from '../record/cache-store.ts';
import type { KeptOfUrl } from '../record/keeper.ts';
import type { Recorder, Recording } from '../record/recording.ts';
import type { AnswerHead } from './answer-head.ts';
import type { BodyMemory } from './arriving-body.ts';
import { decideReuse, requestDirectives } from './cache/reuse.ts';
import { servedHeaders } from './cache/served.ts';
import { isStorable } from './cache/storable.ts';
import { isSelected } from './cache/vary.ts';
import type { Exchange } from './exchange.ts';
import { type RawHeaders, valuesOf } from './headers.ts';
import { upstreamError } from './origin-fetch.ts';
import type { Parts } from './parts.ts';
import type { ForwardRequest } from './request.ts';
import type { ResponseCache } from './response-cache.ts';
import { sendBody } from './send-body.ts';
import { isSharedCacheable } from './shared-cacheable.ts';
import { describe, type Stored } from './stored.ts';
import { startTransfer } from './transfer.ts';

/** An origin's answer on its way to the clients it is for, to the recorder and into the cache. */
export interface PassingAnswer {
  /** Whether it may be kept, and so may be for more clients than the one who asked. */
  readonly isKept: boolean;
  /** Whether others can have it too, without asking the origin. */
  readonly isShared: boolean;
  /** Whether a client that comes now may have it. */
  isFor(exchange: Exchange): boolean;
  /** Sends it to a client; `isFirst` to the one who asked. */
  deliver(exchange: Exchange, isFirst: boolean): void;
  /** Nobody reads it: it is given up, unless the rest is worth having. */
  finishOrDrop(): void;
  /** It was changed at the origin meanwhile: nobody else gets it, and it is not kept. */
  outdate(): void;
}

/** For whom, and by which request, an answer was asked. */
export interface Asked {
  readonly request: ForwardRequest;
  readonly method: 'GET' | 'HEAD';
  /** The address of the client who asked; undefined when the cache asked by itself. */
  readonly clientAddress: string | undefined;
}

export interface PassingOptions {
  readonly cache: ResponseCache;
  readonly parts: Parts;
  readonly store: CacheStore;
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly targets: readonly string[];
  /** A body up to this may be kept in memory. */
  readonly memoryBodyBytes: number;
  /** Shared by all answers of a proxy. */
  readonly budget: PassingBudget;
  /** The answer broke off on its way to this client. */
  fail(exchange: Exchange, error: WeirError): void;
}

export interface PassingBudget {
  /** Held for bodies that are to be in memory as a whole. */
  arrivingBytes: number;
  /** Answers fetched to their end although their clients have left. */
  finishing: number;
}

/** Kept in memory as they arrive: bodies that are recorded too get there when they are asked for again. */
const ARRIVING_BODY_BYTES = 256 * 1024;
/** A larger body is durable but for this much, as long as the store keeps up. */
const JOIN_BYTES = 2 * 1024 * 1024;
const NO_MEMORY: BodyMemory = { wholeBytes: 0, joinBytes: 0 };
export const MAX_ARRIVING_BYTES = 64 * 1024 * 1024;
/** What is missing of a body whose clients have all left is fetched if it is no more, for so many at a time. */
export const FINISH_BYTES = 16 * 1024 * 1024;
const MAX_FINISHING = 64;
const NOT_HELD: Promise<undefined> = Promise.resolve(undefined);

/** Starts the answer flowing. `prefix` are bytes of the body that come before those of `answer`. */
export function passAnswer(
  options: PassingOptions,
  asked: Asked,
  head: AnswerHead,
  answer: IncomingMessage,
  onOver: () => void,
  prefix?: Buffer,
): PassingAnswer {
  const { cache, parts, store, recorder, clock, targets, budget } = options;
  const { request, method, clientAddress } = asked;
  const { rawHeaders, url } = request;
  const mayKeep =
    cache.isFor(request) && isDelimited(answer) && isStorable({ method, headers: rawHeaders }, head, targets);
  const stored = mayKeep ? cache.create(url, rawHeaders, head) : undefined;
  const isPart = method === 'GET' && cache.isFor(request) && parts.mayKeep(rawHeaders, head);
  const [length] = valuesOf(head.headers, 'content-length');
  const sizeBytes = length === undefined ? undefined : Number(length);
  let reservedBytes = 0;
  let isOutdated = false;
  let isFinishing = false;
  let isOver = false;

  const { body, recording } = startTransfer(answer, {
    store,
    prefix,
    memory: reserve,
    record,
    onIdle() {
      finishOrDrop();
      giveBack();
    },
    onWhole: keep,
    onBroken: end,
  });

  /** How much of the body to keep in memory as it arrives: all of a small one, else what new readers need. */
  function reserve(isRecorded: boolean): BodyMemory {
    if (stored === undefined && !isPart) return NO_MEMORY;
    const most = isRecorded ? ARRIVING_BODY_BYTES : options.memoryBodyBytes;
    const isSmall = (sizeBytes ?? 0) <= most;
    const wantedBytes = isSmall ? Math.min(sizeBytes ?? ARRIVING_BODY_BYTES, most) : JOIN_BYTES;
    const isRoom = budget.arrivingBytes + wantedBytes <= MAX_ARRIVING_BYTES;
    if (!isRoom || (!isSmall && !isRecorded)) return NO_MEMORY;
    reservedBytes = wantedBytes;
    budget.arrivingBytes += wantedBytes;
    return { wholeBytes: isSmall ? wantedBytes : 0, joinBytes: isRecorded ? wantedBytes : 0 };
  }

  function record(onProgress: () => void): Recording | undefined {
    if (method !== 'GET' || head.status !== 200 || !request.isTrusted) return undefined;
    return recorder.begin({
      clientAddress: clientAddress ?? '',
      url,
      sizeBytes,
      ...describe(head.headers),
      isSharedCacheable: isSharedCacheable(rawHeaders, head.headers),
      onProgress,
      ...(stored !== undefined && { keep: (held: HeldBody) => keeping(stored, held) }),
    });
  }

  function keeping(kept: Stored, held: HeldBody): KeptOfUrl | undefined {
    if (isOutdated) return undefined;
    return cache.keeping(
      cache.withBody(kept, { sizeBytes: held.sizeBytes, bytes: undefined, held, source: held }),
    );
  }

  /** The body has arrived: from now on the cache has it. */
  function keep(): void {
    const bytes = body.whole;
    if (isPart && bytes !== undefined && !isOutdated) parts.add(url, rawHeaders, head, bytes);
    const source = recording && { scope: recording.durable.scope };
    const wholeBytes = body.arrivedBytes;
    const inMemory = { sizeBytes: wholeBytes, bytes, held: undefined, source };
    const small = stored && bytes && cache.withBody(stored, inMemory);
    if (small !== undefined && !isOutdated) cache.put(small);
    void (recording?.finish() ?? NOT_HELD).then((held) => {
      if (stored !== undefined && held !== undefined && isOutdated) cache.save(url);
      else if (stored !== undefined && held !== undefined) {
        cache.hold(cache.withBody(stored, { sizeBytes: wholeBytes, bytes, held, source: held }), small);
      }
      end();
    });
  }

  /** The body is recorded for the one who asked; another subscriber who gets it has it recorded too. */
  function recordFor({ req }: Exchange): Recording | undefined {
    if (recording === undefined || head.status !== 200) return undefined;
    return recorder.begin({
      clientAddress: req.socket.remoteAddress ?? '',
      url,
      sizeBytes: undefined,
      ...describe(head.headers),
      isSharedCacheable: true,
      held: { scope: recording.durable.scope },
    });
  }

  function finishOrDrop(): void {
    if (isOver || isFinishing || body.readers > 0 || answer.closed) return;
    // How long an answer without a length is shows while it arrives; only the cache itself waits to see.
    const unknownBytes = clientAddress === undefined ? 0 : Number.POSITIVE_INFINITY;
    const missingBytes = sizeBytes === undefined ? unknownBytes : sizeBytes - body.arrivedBytes;
    const isWorth = stored !== undefined && !isOutdated && missingBytes <= FINISH_BYTES;
    if (!isWorth || budget.finishing >= MAX_FINISHING) {
      answer.destroy();
      return;
    }
    isFinishing = true;
    budget.finishing++;
    const mostBytes = body.arrivedBytes + FINISH_BYTES;
    answer.on('data', () => {
      if (body.arrivedBytes > mostBytes) answer.destroy();
    });
  }

  function end(): void {
    if (isOver) return;
    isOver = true;
    if (isFinishing) budget.finishing--;
    giveBack();
    onOver();
  }

  /** What has arrived stays in memory for as long as somebody reads it. */
  function giveBack(): void {
    if (!isOver || body.readers > 0) return;
    budget.arrivingBytes -= reservedBytes;
    reservedBytes = 0;
  }

  function isReusable(wanted: RawHeaders): boolean {
    if (stored === undefined) return false;
    return decideReuse(requestDirectives(wanted), stored.judgement, clock.wallMs()) !== 'validate';
  }

  return {
    isKept: stored !== undefined,
    isShared: isReusable([]),
    isFor({ request: { rawHeaders: wanted } }) {
      if (stored === undefined || isOutdated || !body.isJoinable) return false;
      return isSelected(wanted, stored.selecting) && isReusable(wanted);
    },
    deliver(exchange, isFirst) {
      const { res } = exchange;
      if (res.destroyed) return finishOrDrop();
      // Others are not sent what the origin had for the one who asked.
      const isAsIs = isFirst || stored === undefined;
      const headers = isAsIs ? [...head.headers] : servedHeaders(stored.judgement, clock.wallMs());
      try {
        res.writeHead(head.status, head.reason, headers);
      } catch (error) {
        options.fail(exchange, upstreamError(error));
        return finishOrDrop();
      }
      const reader = body.read();
      res.once('close', reader.leave);
      const own = isFirst ? undefined : recordFor(exchange);
      sendBody(exchange, reader, own, () => body.trailers).catch((error: unknown) => {
        options.fail(exchange, upstreamError(error));
      });
    },
    finishOrDrop,
    outdate() {
      isOutdated = true;
    },
  };
}

/**
 * Whether the end of the body is marked. Where it is that of the connection, libuv may report a reset
 * as an end (seen on a busy machine), and what was cut off would be kept as the whole.
 */
function isDelimited({ headers, statusCode }: IncomingMessage): boolean {
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) return true;
  return statusCode === 204;
}
