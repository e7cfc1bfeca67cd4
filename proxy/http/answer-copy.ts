import type { IncomingMessage } from 'node:http';
import type { HeldBody } from '../../src/catalog/responses.ts';
import type { KeptOfUrl } from '../record/keeper.ts';
import type { Recorder, Recording } from '../record/recording.ts';
import type { AnswerHead } from './answer-head.ts';
import { isStorable } from './cache/storable.ts';
import type { Exchange } from './exchange.ts';
import { valuesOf } from './headers.ts';
import type { Parts } from './parts.ts';
import type { ForwardRequest } from './request.ts';
import type { ResponseCache } from './response-cache.ts';
import { isSharedCacheable } from './shared-cacheable.ts';
import { describe, type Stored } from './stored.ts';
import type { Transfer } from './transfer.ts';

/** For whom, and by which request, an answer was asked. */
export interface Asked {
  readonly request: ForwardRequest;
  readonly method: 'GET' | 'HEAD';
  /** The address of the client who asked; undefined when the cache asked by itself. */
  readonly clientAddress: string | undefined;
}

export interface CopyOptions {
  readonly cache: ResponseCache;
  readonly parts: Parts;
  readonly recorder: Recorder;
  readonly targets: readonly string[];
}

/** What becomes of an answer beside its way to the clients: it is recorded, and kept by the cache. */
export class AnswerCopy {
  /** What it will be in the cache, if it may be kept there. */
  readonly candidate: Stored | undefined;
  /** As announced. */
  readonly sizeBytes: number | undefined;
  /** It was changed at the origin since: it is not kept. */
  isOutdated = false;
  readonly #options: CopyOptions;
  readonly #asked: Asked;
  readonly #head: AnswerHead;
  readonly #isPart: boolean;

  constructor(options: CopyOptions, asked: Asked, head: AnswerHead, answer: IncomingMessage) {
    const { cache, parts, targets } = options;
    const { request, method } = asked;
    const headers = request.rawHeaders;
    const isFor = method === 'GET' && cache.isFor(request);
    const mayKeep = isFor && isDelimited(answer) && isStorable({ method, headers }, head, targets);
    const [length] = valuesOf(head.headers, 'content-length');
    this.candidate = mayKeep ? cache.create(request.url, headers, head) : undefined;
    this.sizeBytes = length === undefined ? undefined : Number(length);
    this.#options = options;
    this.#asked = asked;
    this.#head = head;
    this.#isPart = isFor && parts.mayKeep(headers, head);
  }

  /** Whether the body is wanted in memory. */
  get mayBeKept(): boolean {
    return this.candidate !== undefined || this.#isPart;
  }

  /** Begins to record the body for the one who asked, or for the cache alone. */
  record(onProgress: () => void): Recording | undefined {
    const { request, method, clientAddress = '' } = this.#asked;
    if (method !== 'GET' || this.#head.status !== 200 || !request.isTrusted) return undefined;
    const { candidate } = this;
    return this.#options.recorder.begin({
      clientAddress,
      url: request.url,
      sizeBytes: this.sizeBytes,
      ...describe(this.#head.headers),
      isSharedCacheable: isSharedCacheable(request.rawHeaders, this.#head.headers),
      onProgress,
      ...(candidate !== undefined && { keep: (held: HeldBody) => this.#keptWith(candidate, held) }),
    });
  }

  /** Another subscriber gets the body that is recorded already: it is theirs too. */
  recordFor({ req }: Exchange, { durable }: Recording): Recording | undefined {
    if (this.#head.status !== 200) return undefined;
    return this.#options.recorder.begin({
      clientAddress: req.socket.remoteAddress ?? '',
      url: this.#asked.request.url,
      sizeBytes: undefined,
      ...describe(this.#head.headers),
      isSharedCacheable: true,
      held: { scope: durable.scope },
    });
  }

  /** The body has arrived: from now on the cache has it. Resolves when it is in the store, or will not be. */
  async keep({ body, recording }: Transfer): Promise<void> {
    const { cache, parts } = this.#options;
    const { url, rawHeaders } = this.#asked.request;
    const { candidate } = this;
    const { whole: bytes, arrivedBytes: sizeBytes } = body;
    if (this.#isPart && bytes !== undefined && !this.isOutdated)
      parts.add(url, rawHeaders, this.#head, bytes);
    const source = recording && { scope: recording.durable.scope };
    const inMemory =
      candidate && bytes && cache.withBody(candidate, { sizeBytes, bytes, held: undefined, source });
    if (inMemory !== undefined && !this.isOutdated) cache.put(inMemory);
    const held = await recording?.finish();
    if (candidate === undefined || held === undefined) return;
    if (this.isOutdated) cache.save(url);
    else cache.hold(cache.withBody(candidate, { sizeBytes, bytes, held, source: held }), inMemory);
  }

  #keptWith(candidate: Stored, held: HeldBody): KeptOfUrl | undefined {
    if (this.isOutdated) return undefined;
    const { cache } = this.#options;
    const { sizeBytes } = held;
    return cache.keeping(cache.withBody(candidate, { sizeBytes, bytes: undefined, held, source: held }));
  }
}

/**
 * Whether the end of the body is marked. Where it is that of the connection, libuv may report a reset
 * as an end (seen on a busy machine), and what was cut off would be kept as the whole.
 */
function isDelimited({ headers, statusCode }: IncomingMessage): boolean {
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) return true;
  return statusCode === 204;
}
