import type { ClientRequest, IncomingMessage } from 'node:http';
import { createProxyServer } from 'http-proxy';
import { assert } from '../../src/base/assert.ts';
import type { Dial } from '../../src/base/dial.ts';
import { systemCode, WeirError } from '../../src/base/errors.ts';
import type { Recorder } from '../record/recording.ts';
import { answerError } from './answer.ts';
import { headersForOrigin } from './headers.ts';
import type { HttpLimits } from './limits.ts';
import { cutAnswer, type Exchange, passBack } from './origin-answer.ts';
import { openOriginConnections } from './origin-connections.ts';
import { bodySource, startRequest } from './origin-request.ts';
import { authorityOf, type ForwardRequest } from './request.ts';

export interface Forwarder {
  /** Passes the request on and the answer back. `res` is closed in the end, whatever happens. */
  forward(exchange: Exchange): void;
  close(): void;
}

export interface ForwarderSettings {
  readonly dial: Dial;
  readonly recorder: Recorder;
  readonly limits: HttpLimits;
  /** Told of an exchange that broke after it was accepted. */
  onFailure(exchange: Exchange, error: WeirError): void;
}

/** Methods that may be sent again when a reused connection turns out to be closed (RFC 9110 section 9.2.2). */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Forwarding is http-proxy's: it writes the request, couples the two connections and routes their
 * errors. Ours are the connections, the headers on either side, and the answer's way back.
 */
export function createForwarder({ dial, recorder, limits, onFailure }: ForwarderSettings): Forwarder {
  const connections = openOriginConnections(dial, limits);
  const proxy = createProxyServer({ selfHandleResponse: true, ignorePath: true, toProxy: true });
  keepBodiesOfDelete(proxy);

  function send(exchange: Exchange, mayReuse: boolean): void {
    const { request, req, res } = exchange;
    let sent: ClientRequest | undefined;
    // http-proxy would send these too; what is meant for the origin is in `options`.
    req.headers = {};
    const options = {
      target: { protocol: 'http:', ...request.origin },
      agent: mayReuse ? connections.shared : connections.single,
      headers: headersForOrigin(request.rawHeaders, statedHeaders(request, mayReuse)),
      buffer: bodySource((originRequest) => {
        sent = originRequest;
        originRequest.on('response', (answer) => receive(exchange, originRequest, answer));
        startRequest(exchange, originRequest, limits.originIdleMs, (error) => fail(exchange, error));
      }),
    };
    proxy.web(req, res, options, (error: Error) => {
      if (sent?.reusedSocket === true && !res.headersSent && isClosed(error)) send(exchange, false);
      else fail(exchange, error);
    });
  }

  function receive(exchange: Exchange, originRequest: ClientRequest, answer: IncomingMessage): void {
    try {
      passBack(exchange, answer, recorder, (error) => fail(exchange, error));
    } catch (error) {
      originRequest.destroy();
      fail(exchange, error);
    }
  }

  function fail(exchange: Exchange, cause: unknown): void {
    const { req, res } = exchange;
    if (res.destroyed || res.writableEnded) return;
    const error = cause instanceof WeirError ? cause : upstreamError(cause);
    onFailure(exchange, error);
    if (res.headersSent) return cutAnswer(exchange);
    if (!req.complete) res.shouldKeepAlive = false;
    answerError(res, error);
  }

  return {
    forward(exchange) {
      try {
        send(exchange, isRepeatable(exchange.request));
      } catch (error) {
        fail(exchange, error);
      }
    },
    close: () => connections.close(),
  };
}

function isRepeatable({ method, framing }: ForwardRequest): boolean {
  return framing.kind === 'none' && SAFE_METHODS.has(method);
}

function isClosed(error: Error): boolean {
  return systemCode(error) === 'ECONNRESET' || systemCode(error) === 'EPIPE';
}

function statedHeaders(
  { origin, framing, maxForwards }: ForwardRequest,
  mayReuse: boolean,
): Record<string, string> {
  return {
    Host: authorityOf(origin),
    ...(framing.kind === 'length' && { 'Content-Length': String(framing.sizeBytes) }),
    ...(framing.kind === 'chunked' && { 'Transfer-Encoding': 'chunked' }),
    ...(maxForwards !== undefined && { 'Max-Forwards': String(maxForwards - 1) }),
    ...(!mayReuse && { Connection: 'close' }),
  };
}

function upstreamError(cause: unknown): WeirError {
  const code = systemCode(cause);
  return new WeirError('WEIR_PROXY_UPSTREAM', `the origin failed${code === undefined ? '' : ` (${code})`}`, {
    cause,
  });
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
