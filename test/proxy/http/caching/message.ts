import type { Field } from './case.ts';

/** The beginning of a request or an answer. */
export interface Head {
  readonly start: string;
  readonly headers: readonly Field[];
  /** Where the body begins. */
  readonly end: number;
}

/** Undefined while the head is not complete. */
export function readHead(bytes: Buffer, from = 0): Head | undefined {
  const at = bytes.indexOf('\r\n\r\n', from, 'latin1');
  if (at < 0) return undefined;
  const [start = '', ...lines] = bytes.toString('latin1', from, at).split('\r\n');
  return { start, headers: lines.map(readField), end: at + 4 };
}

function readField(line: string): Field {
  const colon = line.indexOf(':');
  return { name: line.slice(0, colon), value: line.slice(colon + 1).trim() };
}

export interface Chunked {
  readonly body: Buffer;
  readonly trailers: readonly Field[];
  /** Where the message ends; undefined when its last chunk has not arrived. */
  readonly end: number | undefined;
}

/** Takes a chunked body apart (RFC 9112 section 7.1), as far as it has arrived. */
export function readChunked(bytes: Buffer, from: number): Chunked {
  const parts: Buffer[] = [];
  let at = from;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at, 'latin1');
    const size = lineEnd < 0 ? Number.NaN : Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (Number.isNaN(size)) return { body: Buffer.concat(parts), trailers: [], end: undefined };
    if (size === 0) return { body: Buffer.concat(parts), ...readTrailers(bytes, lineEnd) };
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}

function readTrailers(bytes: Buffer, lineEnd: number): Pick<Chunked, 'trailers' | 'end'> {
  const at = bytes.indexOf('\r\n\r\n', lineEnd, 'latin1');
  if (at < 0) return { trailers: [], end: undefined };
  const lines = bytes.toString('latin1', lineEnd, at).split('\r\n');
  return { trailers: lines.filter((line) => line !== '').map(readField), end: at + 4 };
}

/** Writes a body in chunks of a few bytes, so that every reader has to put it together. */
export function writeChunked(body: Buffer, trailers: readonly string[] = []): Buffer {
  const size = Math.max(7, Math.ceil(body.length / 50));
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const chunk = body.subarray(at, at + size);
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from(['0', ...trailers, '', ''].join('\r\n'), 'latin1')]);
}

/** Replaces `{now}`, `{now-60}` and `{now+60}` by dates (IMF-fixdate). */
export function withDates(line: string, nowMs = Date.now()): string {
  return line.replace(/\{now(?:([+-])(\d+))?\}/g, (_, sign?: string, seconds = '0') =>
    new Date(nowMs + (sign === '-' ? -1 : 1) * Number(seconds) * 1_000).toUTCString(),
  );
}
