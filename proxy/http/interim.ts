import type { Exchange } from './exchange.ts';
import { headersForClient, type RawHeaders } from './headers.ts';

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
  if (status === 100 || req.httpVersion !== '1.1' || res.headersSent || res.socket === null) return;
  const fields = headersForClient(headers);
  let head = `HTTP/1.1 ${status} ${reason.replace(/[^\t\x20-\x7e]/g, '')}\r\n`;
  for (let at = 0; at + 1 < fields.length; at += 2) head += `${fields[at]}: ${fields[at + 1]}\r\n`;
  res.socket.write(`${head}\r\n`, 'latin1');
}
