import type { IncomingMessage } from 'node:http';
import type { Recorder } from '../record/recording.ts';
import { type RawHeaders, valuesOf } from './headers.ts';
import type { ForwardRequest } from './request.ts';

/**
 * Shows the body of a complete answer to the recorder as it passes. The bytes are those of the
 * message content (RFC 9110 section 6.4): transfer coding removed, content coding kept.
 *
 * Call before the answer starts to flow. Only watches: a paused answer stays paused.
 */
export function captureAnswer(
  recorder: Recorder,
  clientAddress: string,
  request: ForwardRequest,
  answer: IncomingMessage,
): void {
  if (request.method !== 'GET' || answer.statusCode !== 200) return;
  const [length] = valuesOf(answer.rawHeaders, 'content-length');
  const recording = recorder.begin({
    clientAddress,
    url: request.url,
    sizeBytes: length === undefined ? undefined : Number(length),
    etag: valuesOf(answer.rawHeaders, 'etag')[0],
    lastModified: valuesOf(answer.rawHeaders, 'last-modified')[0],
    isSharedCacheable: isSharedCacheable(request.rawHeaders, answer.rawHeaders),
  });
  if (recording === undefined) return;
  answer.on('data', (chunk: Buffer) => recording.write(chunk));
  whenClosed(answer, (isWhole) => (isWhole ? recording.finish() : recording.abandon()));
}

/**
 * Calls back when the answer has closed, with whether it had arrived to its end. Where the end of
 * the connection marks that, Node.js takes a reset for it just as well; RFC 9112 section 8 does not.
 */
export function whenClosed(answer: IncomingMessage, settle: (isWhole: boolean) => void): void {
  const { socket } = answer;
  answer.once('close', () => settle(answer.readableEnded && answer.complete && socket.errored === null));
}

/**
 * RFC 9111 section 3, on the careful side: an answer to a request with credentials or cookies, or
 * one that sets a cookie, counts as somebody's own whatever else it says.
 */
export function isSharedCacheable(request: RawHeaders, answer: RawHeaders): boolean {
  if (valuesOf(request, 'authorization').length > 0 || valuesOf(request, 'cookie').length > 0) return false;
  if (valuesOf(answer, 'set-cookie').length > 0) return false;
  if (valuesOf(answer, 'vary').some((value) => value.includes('*'))) return false;
  if (valuesOf(request, 'cache-control').some((value) => /\bno-store\b/i.test(value))) return false;
  return !valuesOf(answer, 'cache-control').some((value) => /\b(?:private|no-store)\b/i.test(value));
}
