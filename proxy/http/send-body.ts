import type { ServerResponse } from 'node:http';
import type { Recording } from '../record/recording.ts';
import type { Exchange } from './exchange.ts';
import { trailerPairs } from './headers.ts';

/**
 * Sends a body at the client's pace, and shows it to the recorder. Resolves when all is handed on or
 * the client is gone. Rejects with what broke the body; the caller cuts the answer (`cutAnswer`).
 */
export async function sendBody(
  exchange: Exchange,
  body: AsyncIterable<Uint8Array>,
  recording: Recording | undefined,
  trailers: () => readonly string[] = () => [],
): Promise<void> {
  const { res } = exchange;
  let isFlushed = false;
  // An origin may send its headers long before the first byte of the body.
  setImmediate(() => {
    if (!isFlushed && !res.destroyed) res.flushHeaders();
  });
  try {
    for await (const chunk of body) {
      isFlushed = true;
      recording?.write(chunk);
      if (!res.write(chunk)) await drained(res);
      if (res.destroyed) break;
    }
  } catch (error) {
    recording?.abandon();
    throw error;
  }
  isFlushed = true;
  if (res.destroyed) recording?.abandon();
  else {
    endAnswer(exchange, trailers());
    void recording?.finish();
  }
}

/**
 * Ends an answer that cannot be completed so that the client can tell: short of its length or of
 * its last chunk or, for HTTP/1.0, where the end of the connection may be the only mark, by a reset.
 */
export function cutAnswer({ req, res }: Exchange): void {
  if (req.httpVersion === '1.0') res.socket?.resetAndDestroy();
  res.destroy();
}

function endAnswer({ req, res }: Exchange, trailers: readonly string[]): void {
  if (trailers.length > 0 && req.httpVersion === '1.1') res.addTrailers(trailerPairs(trailers));
  res.end();
}

function drained(res: ServerResponse): Promise<void> {
  if (res.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const settle = (): void => {
      res.off('drain', settle);
      res.off('close', settle);
      resolve();
    };
    res.on('drain', settle);
    res.on('close', settle);
  });
}
