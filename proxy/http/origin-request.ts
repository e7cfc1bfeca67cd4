import { ClientRequest, type ServerResponse } from 'node:http';
import { Stream } from 'node:stream';
import { assert } from '../../src/base/assert.ts';
import { WeirError } from '../../src/base/errors.ts';
import type { Exchange } from './exchange.ts';
import { trailerPairs } from './headers.ts';
import { MAX_INTERIM_ANSWERS, passInterim } from './interim.ts';
import { neverAnswers } from './origin-fetch.ts';

/** Completes the request http-proxy has made and sends it, body and all. */
export function startRequest(
  { request, req, res }: Exchange,
  originRequest: ClientRequest,
  idleMs: number,
  onFailure: (error: WeirError) => void,
): void {
  // http-proxy would lose an empty query and the `*` of OPTIONS.
  originRequest.path = request.path;
  // None is dropped: what bounds them is Node.js' limit on the size of headers.
  originRequest.maxHeadersCount = 0;
  originRequest.setTimeout(idleMs, () => {
    originRequest.destroy(new WeirError('WEIR_PROXY_UPSTREAM', `nothing has moved for ${idleMs} ms`));
  });
  originRequest.on('upgrade', (_answer, socket) => {
    socket.destroy();
    onFailure(new WeirError('WEIR_PROXY_UPSTREAM', 'the origin switched protocols unasked'));
  });
  let interim = 0;
  originRequest.on('information', ({ statusCode, statusMessage, rawHeaders }) => {
    if (++interim > MAX_INTERIM_ANSWERS) originRequest.destroy(neverAnswers());
    passInterim({ request, req, res }, statusCode, statusMessage, rawHeaders);
  });
  if (request.expectsContinue) passContinue(originRequest, res);
  if (request.framing.kind === 'none') originRequest.end();
  else {
    if (request.framing.kind === 'chunked')
      req.once('end', () => originRequest.addTrailers(trailerPairs(req.rawTrailers)));
    req.pipe(originRequest);
  }
}

/**
 * http-proxy pipes its `buffer` option into the request it has just made: the one place where
 * that request can be had before anything of it is sent.
 */
export function bodySource(start: (originRequest: ClientRequest) => void): Stream {
  const source = new Stream();
  source.pipe = (destination) => {
    assert(destination instanceof ClientRequest, 'http-proxy pipes the body into its request');
    start(destination);
    return destination;
  };
  return source;
}

/**
 * RFC 9110 section 10.1.1: the expectation goes on to the origin, its 100 comes back. A client
 * that does not wait has started the request already, and there is nothing left to ask.
 */
function passContinue(originRequest: ClientRequest, res: ServerResponse): void {
  originRequest.once('socket', () => {
    if (originRequest.headersSent) return;
    originRequest.setHeader('Expect', '100-continue');
    originRequest.flushHeaders();
  });
  originRequest.once('continue', () => {
    if (!res.headersSent) res.writeContinue();
  });
}
