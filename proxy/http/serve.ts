import { randomUUID } from 'node:crypto';
import { asWeirError, WeirError } from '../../src/base/errors.ts';
import type { CacheStore } from '../record/cache-store.ts';
import type { Recorder, Recording } from '../record/recording.ts';
import { isNotModified, notModifiedHeaders } from './cache/conditional.ts';
import { multipart } from './cache/multipart.ts';
import { type ByteRange, planRange } from './cache/ranges.ts';
import { servedHeaders } from './cache/served.ts';
import type { Exchange } from './exchange.ts';
import type { RawHeaders } from './headers.ts';
import { createPinnedBodies } from './pinned-bodies.ts';
import { sendBody } from './send-body.ts';
import type { ResponseMemory, Stored } from './stored.ts';

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
  readonly memory: ResponseMemory;
  readonly recorder: Recorder;
  /** A body up to this is read into memory when it is served from the store. */
  readonly memoryBodyBytes: number;
  /** The body broke off in mid-answer. */
  onBroken(exchange: Exchange, stored: Stored, error: WeirError): void;
}

export function createStoredServer(options: StoredServerOptions): StoredServer {
  const { store, memory, recorder, memoryBodyBytes } = options;
  const loading = new Map<Stored, Promise<Buffer>>();
  const pinned = createPinnedBodies();
  let loadingBytes = 0;

  /** Where the body of a stored answer is sent from: memory where that has room, else the store. */
  async function sourceOf(exchange: Exchange, stored: Stored): Promise<Stored> {
    const bytes = await load(stored);
    if (bytes !== undefined && pinned.pin(bytes, exchange.res)) return { ...stored, bytes };
    return { ...stored, bytes: undefined };
  }

  async function load(stored: Stored): Promise<Buffer | undefined> {
    const { bytes, sizeBytes } = stored;
    if (bytes !== undefined || sizeBytes > memoryBodyBytes) return bytes;
    const begun = loading.get(stored);
    if (begun !== undefined) return begun;
    if (!pinned.hasRoom(loadingBytes + sizeBytes)) return undefined;
    loadingBytes += sizeBytes;
    const read = gather(bytesOf(stored, 0, sizeBytes), sizeBytes);
    loading.set(stored, read);
    try {
      const whole = await read;
      memory.replace(stored, { ...stored, bytes: whole });
      return whole;
    } finally {
      loading.delete(stored);
      loadingBytes -= sizeBytes;
    }
  }

  async function* bytesOf(stored: Stored, fromByte: number, toByte: number): AsyncIterable<Uint8Array> {
    if (stored.bytes !== undefined) yield stored.bytes.subarray(fromByte, toByte);
    else if (stored.held !== undefined) yield* store.read(stored.held, fromByte, toByte);
    else throw new WeirError('WEIR_SERVER_BUSY', 'clients keep too much in memory already');
  }

  function send(
    exchange: Exchange,
    stored: Stored,
    body: AsyncIterable<Uint8Array>,
    recording?: Recording,
  ): void {
    sendBody(exchange, body, recording).catch((error: unknown) => {
      options.onBroken(exchange, stored, asWeirError(error));
    });
  }

  async function sendWhole(exchange: Exchange, stored: Stored, headers: string[]): Promise<void> {
    const isSmall = stored.bytes !== undefined && stored.bytes.length <= SMALL_BYTES;
    const source = isSmall ? stored : await sourceOf(exchange, stored);
    const { bytes } = source;
    if (stored.held !== undefined) store.noteUse(stored.held, stored.sizeBytes);
    if (bytes !== undefined) {
      exchange.res.writeHead(stored.status, stored.reason, headers);
      exchange.res.end(bytes);
      const recording = recordHit(exchange, stored);
      recording?.write(bytes);
      void recording?.finish();
      return;
    }
    const body = await started(bytesOf(source, 0, stored.sizeBytes));
    exchange.res.writeHead(stored.status, stored.reason, headers);
    send(exchange, stored, body, recordHit(exchange, stored));
  }

  /** The subscriber got the body; it may be held for somebody else so far. */
  function recordHit({ req, request }: Exchange, stored: Stored): Recording | undefined {
    if (stored.status !== 200) return undefined;
    return recorder.begin({
      clientAddress: req.socket.remoteAddress ?? '',
      url: request.url,
      sizeBytes: stored.sizeBytes,
      ...stored.described,
      isSharedCacheable: true,
      ...(stored.source !== undefined && { held: stored.source }),
    });
  }

  async function sendRange(
    exchange: Exchange,
    stored: Stored,
    headers: RawHeaders,
    { fromByte, toByte }: ByteRange,
  ): Promise<void> {
    const body = await started(bytesOf(await sourceOf(exchange, stored), fromByte, toByte));
    exchange.res.writeHead(206, partHeaders(stored, headers, { fromByte, toByte }));
    send(exchange, stored, body);
  }

  async function sendRanges(
    exchange: Exchange,
    stored: Stored,
    headers: RawHeaders,
    ranges: readonly ByteRange[],
  ): Promise<void> {
    const source = await sourceOf(exchange, stored);
    const parts = multipart(ranges, stored.described.mediaType, stored.sizeBytes, randomUUID());
    async function* body(): AsyncIterable<Uint8Array> {
      for (const [index, { fromByte, toByte }] of ranges.entries()) {
        yield parts.heads[index] ?? NO_BYTES;
        yield* bytesOf(source, fromByte, toByte);
      }
      yield parts.tail;
    }
    const begun = await started(body());
    const type = ['Content-Type', parts.contentType];
    exchange.res.writeHead(206, replaced(headers, parts.sizeBytes, type));
    send(exchange, stored, begun);
  }

  async function serve(
    exchange: Exchange,
    stored: Stored,
    nowMs: number,
    ownHeaders?: RawHeaders,
  ): Promise<void> {
    const { req, res, request } = exchange;
    const headers = ownHeaders === undefined ? servedHeaders(stored.judgement, nowMs) : [...ownHeaders];
    if (isNotModified(request.rawHeaders, stored)) {
      res.writeHead(304, notModifiedHeaders(headers)).end();
      return;
    }
    if (req.method === 'HEAD') {
      res.writeHead(stored.status, stored.reason, headers).end();
      return;
    }
    const plan = planRange(request.rawHeaders, stored, stored.sizeBytes);
    const [first, second] = plan.kind === 'ranges' ? plan.ranges : [];
    if (plan.kind === 'unsatisfiable') {
      res.writeHead(416, ['Content-Range', `bytes */${stored.sizeBytes}`, 'Content-Length', '0']).end();
    } else if (plan.kind === 'whole' || first === undefined) await sendWhole(exchange, stored, headers);
    else if (second === undefined) await sendRange(exchange, stored, headers, first);
    else await sendRanges(exchange, stored, headers, plan.ranges);
  }

  return {
    servePart({ res }, stored, range, bytes, nowMs) {
      res.writeHead(206, partHeaders(stored, servedHeaders(stored.judgement, nowMs), range)).end(bytes);
    },
    async serve(exchange, stored, nowMs, ownHeaders) {
      try {
        await serve(exchange, stored, nowMs, ownHeaders);
        return 'served';
      } catch (error) {
        if (exchange.res.headersSent) throw error;
        return asWeirError(error).code === 'WEIR_SERVER_BUSY' ? 'busy' : 'unreadable';
      }
    },
  };
}

const NO_BYTES = Buffer.alloc(0);
/** Sent without counting what clients keep in memory. */
const SMALL_BYTES = 64 * 1024;

function partHeaders({ sizeBytes }: Stored, headers: RawHeaders, { fromByte, toByte }: ByteRange): string[] {
  return replaced(headers, toByte - fromByte, [
    'Content-Range',
    `bytes ${fromByte}-${toByte - 1}/${sizeBytes}`,
  ]);
}

/** Headers of a part: its own length, and what else differs from those of the whole. */
function replaced(headers: RawHeaders, sizeBytes: number, own: readonly string[]): string[] {
  const replacedName = (own[0] ?? '').toLowerCase();
  const kept: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = (headers[at] ?? '').toLowerCase();
    if (name !== 'content-length' && name !== replacedName)
      kept.push(headers[at] ?? '', headers[at + 1] ?? '');
  }
  return [...kept, ...own, 'Content-Length', String(sizeBytes)];
}

/** The same bytes, once the first of them have been read: what cannot be read is known before anything is sent. */
async function started(body: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const rest = body[Symbol.asyncIterator]();
  const first = await rest.next();
  return (async function* () {
    if (first.done === true) return;
    yield first.value;
    yield* { [Symbol.asyncIterator]: () => rest };
  })();
}

async function gather(body: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  let filled = 0;
  for await (const piece of body) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return bytes;
}
