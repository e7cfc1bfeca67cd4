import type { IncomingMessage } from 'node:http';
import { WeirError } from '../../src/base/errors.ts';
import { withoutFields } from './cache/fields.ts';
import { headersForClient, type RawHeaders, valuesOf } from './headers.ts';

/** The status line and headers of an origin's answer, less what was meant for one connection. */
export interface AnswerHead {
  readonly status: number;
  readonly reason: string;
  /** In the origin's order and spelling; with a Date. */
  readonly headers: RawHeaders;
  /** When the request was sent and when the answer came, wall clock. */
  readonly requestMs: number;
  readonly responseMs: number;
}

/** Throws WEIR_PROXY_UPSTREAM for an answer whose extent is unclear. */
export function readAnswerHead(answer: IncomingMessage, requestMs: number, responseMs: number): AnswerHead {
  const { statusCode: status = 0 } = answer;
  if (status < 200 || status > 999)
    throw new WeirError('WEIR_PROXY_UPSTREAM', `the origin answered with the status ${status}`);
  refuseUnclearFraming(answer);
  const passed = headersForClient(answer.rawHeaders);
  // RFC 9110 section 8.6: a 204 has none, and who reads one would wait for a body.
  const headers = status === 204 ? withoutFields(passed, (name) => name === 'content-length') : passed;
  // RFC 9110 section 6.6.1: who keeps or passes on an answer without a date gives it one.
  if (answer.headers.date === undefined) headers.push('Date', new Date(responseMs).toUTCString());
  return { status, reason: reasonOf(answer), headers, requestMs, responseMs };
}

/**
 * Calls back when the answer has closed, with whether it had arrived to its end. Where the end of
 * the connection marks that, Node.js takes a reset for it just as well; RFC 9112 section 8 does not.
 */
export function whenClosed(answer: IncomingMessage, settle: (isWhole: boolean) => void): void {
  const { socket } = answer;
  answer.once('close', () => settle(answer.readableEnded && answer.complete && socket.errored === null));
}

/** Node.js reads control characters in a reason phrase, and throws at writing them. */
function reasonOf({ statusMessage = '' }: IncomingMessage): string {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(statusMessage) ? statusMessage : '';
}

/** Node.js removes `chunked` and nothing else; any other coding would reach the client undeclared. */
function refuseUnclearFraming(answer: IncomingMessage): void {
  const coding = answer.headers['transfer-encoding'];
  if (coding === undefined) return;
  const codings = valuesOf(answer.rawHeaders, 'transfer-encoding');
  if (codings.length === 1 && coding.toLowerCase() === 'chunked' && answer.httpVersion === '1.1') return;
  throw new WeirError('WEIR_PROXY_UPSTREAM', 'the origin answered in an unclear Transfer-Encoding');
}
