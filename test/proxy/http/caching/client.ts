import { connect } from 'node:net';
import type { Field, Request } from './case.ts';
import { fieldOf } from './case.ts';
import { readChunked, readHead, withDates } from './message.ts';

/** What a client got for one request, the connection being closed after it. */
export interface Got {
  readonly status: number;
  readonly reason: string;
  readonly version: string;
  readonly headers: readonly Field[];
  readonly body: Buffer;
  readonly trailers: readonly Field[];
  /** Status codes of the answers ahead of the last. */
  readonly interim: readonly number[];
  /** Whether the answer ended as it said it would. */
  readonly isWhole: boolean;
  /** Bytes after the end of the answer. */
  readonly excess: string;
  /** From the request to the first byte of an answer, and to the end of the last. */
  readonly firstByteMs: number;
  readonly tookMs: number;
}

/** Where a request goes and where from. */
export interface Way {
  readonly proxy: { readonly host: string; readonly port: number };
  readonly localAddress: string;
  /** The absolute URL. */
  readonly target: string;
}

const PATIENCE_MS = 10_000;

/** Sends one request through the proxy and reads until it closes the connection. */
export async function ask(way: Way, request: Request): Promise<Got> {
  const startMs = Date.now();
  const { bytes, isReset, firstByteAtMs } = await exchange(way, requestText(way.target, request));
  const answer = readAnswer(bytes, request.method ?? 'GET', isReset);
  return { ...answer, firstByteMs: firstByteAtMs - startMs, tookMs: Date.now() - startMs };
}

/** The bytes of a request; the last of its connection unless `isLast` is false. */
export function requestText(target: string, request: Request, isLast = true): string {
  const { method = 'GET', headers = [], sends, version = '1.1' } = request;
  const states = (name: string): boolean => headers.some((line) => line.toLowerCase().startsWith(`${name}:`));
  const lines = [
    `${method} ${target} HTTP/${version}`,
    ...(states('host') ? [] : [`Host: ${new URL(target).host}`]),
    ...(isLast && version === '1.1' ? ['Connection: close'] : []),
    ...(sends === undefined ? [] : [`Content-Length: ${Buffer.byteLength(sends)}`]),
    ...headers.map((line) => withDates(line)),
  ];
  return `${lines.join('\r\n')}\r\n\r\n${sends ?? ''}`;
}

interface Exchanged {
  readonly bytes: Buffer;
  readonly isReset: boolean;
  readonly firstByteAtMs: number;
}

function exchange({ proxy, localAddress }: Way, text: string): Promise<Exchanged> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let isReset = false;
    let firstByteAtMs = 0;
    // A client that expects 100 holds its body back until it comes.
    let rest = /^expect: 100-continue\r$/im.test(text) ? text.slice(text.indexOf('\r\n\r\n') + 4) : '';
    const socket = connect({ ...proxy, localAddress, allowHalfOpen: true, noDelay: true });
    const patience = setTimeout(() => {
      socket.destroy();
      const received = JSON.stringify(Buffer.concat(chunks).toString('latin1', 0, 300));
      reject(
        new Error(`the proxy neither answered nor closed within ${PATIENCE_MS} ms; it sent ${received}`),
      );
    }, PATIENCE_MS);
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      firstByteAtMs ||= Date.now();
      if (rest !== '' && Buffer.concat(chunks).toString('latin1').startsWith('HTTP/1.1 100 ')) {
        socket.write(rest, 'latin1');
        rest = '';
      }
    });
    socket.on('error', () => {
      isReset = true;
    });
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      clearTimeout(patience);
      resolve({ bytes: Buffer.concat(chunks), isReset, firstByteAtMs });
    });
    socket.write(text.slice(0, text.length - rest.length), 'latin1');
  });
}

/** Takes the first final answer apart. Throws when there is none. */
export function readAnswer(
  bytes: Buffer,
  method: string,
  isReset: boolean,
): Omit<Got, 'firstByteMs' | 'tookMs'> {
  const interim: number[] = [];
  let from = 0;
  for (;;) {
    const head = readHead(bytes, from);
    if (head === undefined) {
      throw new Error(`no answer but ${JSON.stringify(bytes.toString('latin1', from, from + 300))}`);
    }
    const [, version = '', code = '', reason = ''] = /^HTTP\/(\S+) (\d{3}) ?(.*)$/s.exec(head.start) ?? [];
    const status = Number(code);
    if (status < 100 || status > 199) {
      const start = { status, reason, version, headers: head.headers, interim };
      return { ...start, ...readBody(bytes, head.end, status, method, head.headers, isReset) };
    }
    interim.push(status);
    from = head.end;
  }
}

function readBody(
  bytes: Buffer,
  from: number,
  status: number,
  method: string,
  headers: readonly Field[],
  isReset: boolean,
): Pick<Got, 'body' | 'trailers' | 'isWhole' | 'excess'> {
  const length = fieldOf(headers, 'content-length');
  const ended = (body: Buffer, end: number | undefined, trailers: readonly Field[] = []) => {
    return {
      body,
      trailers,
      isWhole: end !== undefined,
      excess: bytes.toString('latin1', end ?? bytes.length),
    };
  };
  if (method === 'HEAD' || status === 204 || status === 304) return ended(Buffer.alloc(0), from);
  if (fieldOf(headers, 'transfer-encoding') !== undefined) {
    const { body, end, trailers } = readChunked(bytes, from);
    return ended(body, end, trailers);
  }
  if (length === undefined) return ended(bytes.subarray(from), isReset ? undefined : bytes.length);
  const end = from + Number(length);
  return ended(bytes.subarray(from, end), bytes.length < end ? undefined : end);
}
