import { withoutFields } from './cache/fields.ts';
import type { Exchange } from './exchange.ts';
import { headersForClient, type RawHeaders } from './headers.ts';

/** More of them before one answer are no answer. */
export const MAX_INTERIM_ANSWERS = 32;

/**
 * Passes an interim answer on (RFC 9110 section 15.2: a proxy must). Node.js can write two kinds of
 * them only; while nothing else is being written on the connection the bytes can go there directly.
 */
export function passInterim(
  { req, res }: Exchange,
  status: number,
  reason: string,
  headers: RawHeaders,
): void {
  // A 100 is passed on to a client that expects one, and nobody else waits for it.
  if (status === 100 || status === 101 || req.httpVersion !== '1.1' || res.headersSent || res.socket === null)
    return;
  // Nobody needs it so much that it should pile up before a client that does not read.
  if (res.socket.writableLength > 0) return;
  const fields = withoutFields(headersForClient(headers), (name) => name === 'content-length');
  let head = `HTTP/1.1 ${status} ${reason.replace(/[^\t\x20-\x7e]/g, '')}\r\n`;
  for (let at = 0; at + 1 < fields.length; at += 2) head += `${fields[at]}: ${fields[at + 1]}\r\n`;
  res.socket.write(`${head}\r\n`, 'latin1');
}
