import { type Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { systemCode, WeirError } from '../../src/base/errors.ts';
import type { RawHeaders } from './headers.ts';
import { MAX_INTERIM_ANSWERS } from './interim.ts';
import type { OriginConnections } from './origin-connections.ts';
import type { Origin } from './request.ts';

/** A request without a body that may be sent twice. */
export interface OriginAsk {
  readonly method: 'GET' | 'HEAD';
  readonly origin: Origin;
  readonly path: string;
  /** All headers for the origin but Connection, Host among them. */
  readonly headers: RawHeaders;
}

/** Called at most once each but `onInterim`, in this order; after `onFailure` nothing. */
export interface OriginEvents {
  /** An answer 1xx (RFC 9110 section 15.2). */
  onInterim(status: number, reason: string, headers: RawHeaders): void;
  /** The answer's body flows when the receiver reads it. It may still break off. */
  onAnswer(answer: IncomingMessage): void;
  /** There is no answer. */
  onFailure(error: WeirError): void;
}

export interface OriginFetch {
  /** Gives up: closes the connection, and nothing is called any more. */
  abort(): void;
}

/**
 * Asks an origin. A connection kept open from before may turn out to be closed; then the request is
 * sent once more over a new one.
 */
export function fetchFromOrigin(
  connections: OriginConnections,
  idleMs: number,
  ask: OriginAsk,
  events: OriginEvents,
): OriginFetch {
  let isOver = false;
  let interim = 0;
  let sent = send(connections.shared, []);

  function send(agent: Agent, connection: readonly string[]): ClientRequest {
    const { method, origin, path, headers } = ask;
    const request = httpRequest({
      method,
      host: origin.host,
      port: origin.port,
      path,
      agent,
      headers: [...headers, ...connection],
      setHost: false,
    });
    // None is dropped: what bounds them is Node.js' limit on the size of headers.
    request.maxHeadersCount = 0;
    request.setTimeout(idleMs, () => {
      request.destroy(new WeirError('WEIR_PROXY_UPSTREAM', `nothing has moved for ${idleMs} ms`));
    });
    request.on('information', ({ statusCode, statusMessage, rawHeaders }) => {
      if (++interim > MAX_INTERIM_ANSWERS) request.destroy(neverAnswers());
      if (!isOver) events.onInterim(statusCode, statusMessage, rawHeaders);
    });
    request.on('response', (answer) => {
      if (isOver) return;
      isOver = true;
      events.onAnswer(answer);
    });
    request.on('upgrade', (_answer, socket) => {
      socket.destroy();
      fail(new WeirError('WEIR_PROXY_UPSTREAM', 'the origin switched protocols unasked'));
    });
    request.on('error', (error) => {
      if (!isOver && request.reusedSocket && isClosed(error))
        sent = send(connections.single, ['Connection', 'close']);
      else fail(upstreamError(error));
    });
    request.end();
    return request;
  }

  function fail(error: WeirError): void {
    if (isOver) return;
    isOver = true;
    events.onFailure(error);
  }

  return {
    abort() {
      isOver = true;
      sent.destroy();
    },
  };
}

export function neverAnswers(): WeirError {
  return new WeirError(
    'WEIR_PROXY_UPSTREAM',
    `the origin sent ${MAX_INTERIM_ANSWERS} interim answers and no other`,
  );
}

/** What a failed request to an origin is to the client. */
export function upstreamError(cause: unknown): WeirError {
  if (cause instanceof WeirError) return cause;
  const code = systemCode(cause);
  const detail = code === undefined ? '' : ` (${code})`;
  return new WeirError('WEIR_PROXY_UPSTREAM', `the origin failed${detail}`, { cause });
}

/** How an idle connection that the origin has closed shows itself. */
export function isClosed(error: Error): boolean {
  return systemCode(error) === 'ECONNRESET' || systemCode(error) === 'EPIPE';
}
