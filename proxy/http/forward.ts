import type { ClientRequest, IncomingMessage } from 'node:http';
import { createProxyServer } from 'http-proxy';
import { assert } from '../../src/base/assert.ts';
import type { Clock } from '../../src/base/clock.ts';
import { asWeirError, type WeirError } from '../../src/base/errors.ts';
import { NO_CACHE_STORE } from '../record/cache-store.ts';
import { readAnswerHead } from './answer-head.ts';
import type { Exchange } from './exchange.ts';
import { headersForOrigin, type RawHeaders } from './headers.ts';
import type { OriginConnections } from './origin-connections.ts';
import { isClosed, upstreamError } from './origin-fetch.ts';
import { bodySource, startRequest } from './origin-request.ts';
import type { ForwardRequest } from './request.ts';
import { sendBody } from './send-body.ts';
import { startTransfer } from './transfer.ts';

/** Passes a request on, body and all, and the answer back. */
export interface Forwarder {
  /** `res` is closed in the end, whatever happens. */
  forward(exchange: Exchange): void;
}

export interface ForwarderOptions {
  readonly connections: OriginConnections;
  readonly clock: Clock;
  readonly originIdleMs: number;
  /** Told of an answer before it is passed back. */
  answered(request: ForwardRequest, status: number, headers: RawHeaders): void;
  /** An exchange broke after it was accepted. Answers the client if that can still be done. */
  fail(exchange: Exchange, error: WeirError): void;
}

/** Methods that may be sent again when a reused connection turns out to be closed (RFC 9110 section 9.2.2). */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Forwarding is http-proxy's: it writes the request, couples the two connections and routes their
 * errors. Ours are the connections, the headers on either side, and the answer's way back.
 */
export function createForwarder(options: ForwarderOptions): Forwarder {
  const { connections, clock, originIdleMs, answered, fail } = options;
  const proxy = createProxyServer({ selfHandleResponse: true, ignorePath: true, toProxy: true });
  keepBodiesOfDelete(proxy);

  function send(exchange: Exchange, mayReuse: boolean): void {
    const { request, req, res } = exchange;
    const requestMs = clock.wallMs();
    let sent: ClientRequest | undefined;
    // http-proxy would send these too; what is meant for the origin is in `settings`.
    req.headers = {};
    const settings = {
      target: { protocol: 'http:', ...request.origin },
      agent: mayReuse ? connections.shared : connections.single,
      headers: headersForOrigin(request.rawHeaders, statedHeaders(request, mayReuse)),
      buffer: bodySource((originRequest) => {
        sent = originRequest;
        originRequest.on('response', (answer) => receive(exchange, originRequest, answer, requestMs));
        startRequest(exchange, originRequest, originIdleMs, (error) => fail(exchange, error));
      }),
    };
    proxy.web(req, res, settings, (error: Error) => {
      if (sent?.reusedSocket === true && !res.headersSent && isClosed(error)) send(exchange, false);
      else fail(exchange, upstreamError(error));
    });
  }

  function receive(
    exchange: Exchange,
    originRequest: ClientRequest,
    answer: IncomingMessage,
    requestMs: number,
  ): void {
    try {
      const head = readAnswerHead(answer, requestMs, clock.wallMs());
      answered(exchange.request, head.status, head.headers);
      exchange.res.writeHead(head.status, head.reason, [...head.headers]);
      passBody(exchange, answer);
    } catch (error) {
      originRequest.destroy();
      fail(exchange, asWeirError(error));
    }
  }

  function passBody(exchange: Exchange, answer: IncomingMessage): void {
    const { req, res } = exchange;
    const { body } = startTransfer(answer, UNRECORDED);
    const reader = body.read();
    res.once('close', () => {
      reader.leave();
      answer.destroy();
    });
    // What is left of a body the origin answered without reading would block the connection.
    res.once('finish', () => req.unpipe().resume());
    sendBody(exchange, reader, undefined, () => body.trailers).catch((error: unknown) => {
      fail(exchange, upstreamError(error));
    });
  }

  return {
    forward(exchange) {
      try {
        send(exchange, isRepeatable(exchange.request));
      } catch (error) {
        fail(exchange, upstreamError(error));
      }
    },
  };
}

const UNRECORDED = {
  store: NO_CACHE_STORE,
  memory: () => ({ wholeBytes: 0, joinBytes: 0 }),
  record: () => undefined,
  onIdle: () => {},
  onWhole: () => {},
  onBroken: () => {},
};

function isRepeatable({ method, framing }: ForwardRequest): boolean {
  return framing.kind === 'none' && SAFE_METHODS.has(method);
}

function statedHeaders(
  { authority, framing, maxForwards }: ForwardRequest,
  mayReuse: boolean,
): Record<string, string> {
  return {
    Host: authority,
    ...(framing.kind === 'length' && { 'Content-Length': String(framing.sizeBytes) }),
    ...(framing.kind === 'chunked' && { 'Transfer-Encoding': 'chunked' }),
    ...(maxForwards !== undefined && { 'Max-Forwards': String(maxForwards - 1) }),
    ...(!mayReuse && { Connection: 'close' }),
  };
}

/**
 * http-proxy replaces the framing of DELETE and OPTIONS requests by `content-length: 0` and sends
 * a chunked body after it all the same: a second request, as the origin sees it (CVE-2026-29057).
 */
function keepBodiesOfDelete(proxy: object): void {
  const passes: unknown = Reflect.get(proxy, 'webPasses');
  assert(Array.isArray(passes), 'http-proxy keeps its passes in webPasses');
  const at = passes.findIndex((pass: unknown) => typeof pass === 'function' && pass.name === 'deleteLength');
  assert(at >= 0, 'http-proxy has a pass named deleteLength');
  passes.splice(at, 1);
}
