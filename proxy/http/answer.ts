import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { ERRORS, type WeirError } from '../../src/base/errors.ts';

/** How long a refused client may take to read the refusal before its connection is cut. */
const LINGER_MS = 1_000;

/** Answers with an error of our own: its code, its message and what to do about it. */
export function answerError(
  res: ServerResponse,
  error: WeirError,
  status: number = ERRORS[error.code].http,
): void {
  answerText(res, status, errorText(error));
}

export function answerText(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, STATUS_CODES[status] ?? 'Error', {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  res.end(text);
}

/** The same for a connection that has no response object (CONNECT, unparsable, not admitted). */
export function refuseConnection(
  socket: Socket,
  error: WeirError,
  status: number = ERRORS[error.code].http,
): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const text = errorText(error);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`);
  const linger = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(linger));
}

function errorText(error: WeirError): string {
  return `${error.code}: ${error.message}\n${error.remedy}\n`;
}
