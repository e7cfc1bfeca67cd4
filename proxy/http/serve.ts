import { randomUUID } from 'node:crypto';
import { asWeirError, type WeirError } from '../../src/base/errors.ts';
import type { CacheStore } from '../record/cache-store.ts';
import type { Recorder, Recording } from '../record/recording.ts';
import { isNotModified, notModifiedHeaders } from './cache/conditional.ts';
import { withoutFields } from './cache/fields.ts';
import { type Multipart, multipart } from './cache/multipart.ts';
import { type ByteRange, planRange } from './cache/ranges.ts';
import { servedHeaders } from './cache/served.ts';
import type { Exchange } from './exchange.ts';
import type { RawHeaders } from './headers.ts';
import { sendBody } from './send-body.ts';
import type { Stored } from './stored.ts';
import type { StoredBodies, StoredBody } from './stored-bodies.ts';

/** Answers from what the cache has. */
export interface StoredServer {
  /**
   * Answers a GET or HEAD with a stored answer: whole, in part, or by telling that the client has it
   * (RFC 9111 section 4.3.2). `ownHeaders` are sent instead of those for everybody.
   */
  serve(exchange: Exchange, stored: Stored, nowMs: number, ownHeaders?: RawHeaders): Promise<Served>;
  /** Answers with the bytes of one range. */
  servePart(exchange: Exchange, stored: Stored, range: ByteRange, bytes: Buffer, nowMs: number): void;
}

/**
 * - `unreadable`: the body is no longer whole; nothing was sent.
 * - `busy`: it is in memory alone, and clients keep too much of that already; nothing was sent.
 */
export type Served = 'served' | 'unreadable' | 'busy';

export interface StoredServerOptions {
  readonly store: CacheStore;
  readonly bodies: StoredBodies;
  readonly recorder: Recorder;
  /** The body broke off in mid-answer. */
  onBroken(exchange: Exchange, stored: Stored, error: WeirError): void;
}

export function createStoredServer(options: StoredServerOptions): StoredServer {
  return new CacheServer(options);
}

/** What is answered with, and under which headers. */
interface Reply {
  readonly exchange: Exchange;
  readonly stored: Stored;
  readonly headers: string[];
}

class CacheServer implements StoredServer {
  readonly #options: StoredServerOptions;

  constructor(options: StoredServerOptions) {
    this.#options = options;
  }

  servePart({ res }: Exchange, stored: Stored, range: ByteRange, bytes: Buffer, nowMs: number): void {
    const headers = servedHeaders(stored.judgement, nowMs);
    res.writeHead(206, headersOfRange(headers, range, stored.sizeBytes)).end(bytes);
  }

  async serve(exchange: Exchange, stored: Stored, nowMs: number, ownHeaders?: RawHeaders): Promise<Served> {
    const headers = ownHeaders === undefined ? servedHeaders(stored.judgement, nowMs) : [...ownHeaders];
    try {
      await this.#answer({ exchange, stored, headers });
      return 'served';
    } catch (error) {
      if (exchange.res.headersSent) throw error;
      return asWeirError(error).code === 'WEIR_SERVER_BUSY' ? 'busy' : 'unreadable';
    }
  }

  async #answer(reply: Reply): Promise<void> {
    const { exchange, stored, headers } = reply;
    const { req, res, request } = exchange;
    if (isNotModified(request.rawHeaders, stored)) {
      res.writeHead(304, notModifiedHeaders(headers)).end();
      return;
    }
    if (req.method === 'HEAD') {
      res.writeHead(stored.status, stored.reason, headers).end();
      return;
    }
    const plan = planRange(request.rawHeaders, stored, stored.sizeBytes);
    if (plan.kind === 'unsatisfiable') {
      res.writeHead(416, ['Content-Range', `bytes */${stored.sizeBytes}`, 'Content-Length', '0']).end();
      return;
    }
    const body = await this.#options.bodies.open(exchange, stored);
    if (plan.kind === 'whole') await this.#sendWhole(reply, body);
    else await this.#sendRanges(reply, body, plan.ranges);
  }

  async #sendWhole(reply: Reply, body: StoredBody): Promise<void> {
    const { exchange, stored, headers } = reply;
    const { store } = this.#options;
    const { bytes } = body;
    const chunks = bytes === undefined ? await begun(body.read(0, stored.sizeBytes)) : undefined;
    exchange.res.writeHead(stored.status, stored.reason, headers);
    if (stored.held !== undefined) store.noteUse(stored.held, stored.sizeBytes);
    const recording = this.#recordHit(exchange, stored);
    if (chunks !== undefined) return this.#send(reply, chunks, recording);
    exchange.res.end(bytes);
    recording?.write(bytes ?? NO_BYTES);
    void recording?.finish();
  }

  async #sendRanges(reply: Reply, body: StoredBody, ranges: readonly ByteRange[]): Promise<void> {
    const { exchange, stored, headers } = reply;
    const { sizeBytes } = stored;
    const [range, ...others] = ranges;
    if (range !== undefined && others.length === 0) {
      const chunks = await begun(body.read(range.fromByte, range.toByte));
      exchange.res.writeHead(206, headersOfRange(headers, range, sizeBytes));
      return this.#send(reply, chunks);
    }
    const parts = multipart(ranges, stored.described.mediaType, sizeBytes, randomUUID());
    const chunks = await begun(multipartBody(parts, body, ranges));
    exchange.res.writeHead(206, headersOfPart(headers, parts.sizeBytes, 'Content-Type', parts.contentType));
    this.#send(reply, chunks);
  }

  #send({ exchange, stored }: Reply, chunks: AsyncIterable<Uint8Array>, recording?: Recording): void {
    sendBody(exchange, chunks, recording).catch((error: unknown) => {
      this.#options.onBroken(exchange, stored, asWeirError(error));
    });
  }

  /** The subscriber got the body; it may be held for somebody else so far. */
  #recordHit({ req, request }: Exchange, stored: Stored): Recording | undefined {
    if (stored.status !== 200) return undefined;
    return this.#options.recorder.begin({
      clientAddress: req.socket.remoteAddress ?? '',
      url: request.url,
      sizeBytes: stored.sizeBytes,
      ...stored.described,
      isSharedCacheable: true,
      ...(stored.source !== undefined && { held: stored.source }),
    });
  }
}

const NO_BYTES = Buffer.alloc(0);

async function* multipartBody(
  parts: Multipart,
  body: StoredBody,
  ranges: readonly ByteRange[],
): AsyncGenerator<Uint8Array> {
  for (const [index, { fromByte, toByte }] of ranges.entries()) {
    yield parts.heads[index] ?? NO_BYTES;
    yield* body.read(fromByte, toByte);
  }
  yield parts.tail;
}

function headersOfRange(headers: RawHeaders, { fromByte, toByte }: ByteRange, sizeBytes: number): string[] {
  const range = `bytes ${fromByte}-${toByte - 1}/${sizeBytes}`;
  return headersOfPart(headers, toByte - fromByte, 'Content-Range', range);
}

/** Those of the whole, with a length and another field of its own. */
function headersOfPart(headers: RawHeaders, lengthBytes: number, name: string, value: string): string[] {
  const replaced = new Set(['content-length', name.toLowerCase()]);
  const kept = withoutFields(headers, (field) => replaced.has(field));
  return [...kept, name, value, 'Content-Length', String(lengthBytes)];
}

/** The same bytes, once the first of them have been read: what cannot be read is known before anything is sent. */
async function begun(body: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const rest = body[Symbol.asyncIterator]();
  return fromFirst(await rest.next(), rest);
}

async function* fromFirst(
  first: IteratorResult<Uint8Array>,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (first.done === true) return;
  yield first.value;
  yield* { [Symbol.asyncIterator]: () => rest };
}
