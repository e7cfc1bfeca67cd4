import type { IncomingMessage, ServerResponse } from 'node:http';
import { WeirError } from '../../src/base/errors.ts';
import type { Recorder } from '../record/recording.ts';
import { captureAnswer, whenClosed } from './capture.ts';
import { headersForClient, valuesOf } from './headers.ts';
import type { ForwardRequest } from './request.ts';

/** One request on its way through the proxy. */
export interface Exchange {
  readonly request: ForwardRequest;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/**
 * Passes the origin's answer to the client, and a look at it to the recorder. A client that does
 * not read pauses the origin. Throws WEIR_PROXY_UPSTREAM for an answer whose extent is unclear;
 * `onBroken` is told of one that ends early.
 */
export function passBack(
  { request, req, res }: Exchange,
  answer: IncomingMessage,
  recorder: Recorder,
  onBroken: (error: WeirError) => void,
): void {
  refuseUnclearFraming(answer);
  res.writeHead(answer.statusCode ?? 502, reasonOf(answer), headersForClient(answer.rawHeaders));
  captureAnswer(recorder, req.socket.remoteAddress ?? '', request, answer);
  whenClosed(answer, (isWhole) => {
    if (!isWhole) onBroken(new WeirError('WEIR_PROXY_UPSTREAM', 'the origin ended before its answer did'));
  });
  answer.pipe(res);
  // What is left of a body the origin answered without reading would block the connection.
  res.once('finish', () => req.unpipe().resume());
}

/**
 * Ends an answer that cannot be completed so that the client can tell: short of its length or of
 * its last chunk or, for HTTP/1.0, where the end of the connection may be the only mark, by a reset.
 */
export function cutAnswer({ req, res }: Exchange): void {
  if (req.httpVersion === '1.0') res.socket?.resetAndDestroy();
  res.destroy();
}

/** Node.js reads control characters in a reason phrase, and throws at writing them. */
function reasonOf({ statusMessage = '' }: IncomingMessage): string {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(statusMessage) ? statusMessage : '';
}

/** Node.js removes `chunked` and nothing else; any other coding would reach the client undeclared. */
function refuseUnclearFraming(answer: IncomingMessage): void {
  const codings = valuesOf(answer.rawHeaders, 'transfer-encoding');
  if (codings.length === 0) return;
  if (codings.length === 1 && codings[0]?.toLowerCase() === 'chunked' && answer.httpVersion === '1.1') return;
  throw new WeirError('WEIR_PROXY_UPSTREAM', 'the origin answered in an unclear Transfer-Encoding');
}
