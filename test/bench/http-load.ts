import { connect, type Socket } from 'node:net';
import { assert } from '../../src/base/assert.ts';

/**
 * Asks a proxy for every URL over a few keep-alive connections, one request at a time on each, and
 * reads the answers to their ends. Rejects unless every one is 200 with `sizeBytes` of body. Raw
 * sockets, because `node:http` as a client costs more than the proxies that are to be kept busy.
 */
export async function loadThrough(
  port: number,
  urls: Iterable<string>,
  sizeBytes: number,
  connections = 8,
): Promise<void> {
  const rest = urls[Symbol.iterator]();
  const run = async (): Promise<void> => {
    const client = await openClient(port, sizeBytes);
    for (let next = rest.next(); !next.done; next = rest.next()) await client.get(next.value);
    client.close();
  };
  await Promise.all(Array.from({ length: connections }, run));
}

/** One connection to a proxy. */
export interface Client {
  /** Resolves at the end of the answer; rejects unless it is 200 with as many bytes as expected. */
  get(url: string): Promise<void>;
  close(): void;
}

const HEAD_END = Buffer.from('\r\n\r\n');

export async function openClient(port: number, sizeBytes: number): Promise<Client> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  let head: Buffer = Buffer.alloc(0);
  let missingBytes: number | undefined;
  let settle: ((error?: Error) => void) | undefined;
  const done = (error?: Error): void => {
    const told = settle;
    settle = undefined;
    missingBytes = undefined;
    head = Buffer.alloc(0);
    told?.(error);
  };
  socket.on('data', (chunk: Buffer) => {
    if (missingBytes === undefined) {
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      const end = head.indexOf(HEAD_END);
      if (end === -1) return;
      const text = head.toString('latin1', 0, end);
      const problem = problemOf(text, sizeBytes);
      if (problem !== undefined) return done(new Error(problem));
      missingBytes = sizeBytes - (head.length - end - HEAD_END.length);
    } else missingBytes -= chunk.length;
    if (missingBytes <= 0) done(missingBytes === 0 ? undefined : new Error('more than was announced'));
  });
  socket.on('error', done).on('close', () => done(new Error('closed before the answer ended')));
  return {
    get(url) {
      assert(settle === undefined, 'one request at a time');
      const sent = new Promise<void>((resolve, reject) => {
        settle = (error) => (error === undefined ? resolve() : reject(error));
      });
      ask(socket, url);
      return sent;
    },
    close: () => socket.destroy(),
  };
}

function ask(socket: Socket, url: string): void {
  socket.write(`GET ${url} HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`, 'latin1');
}

function problemOf(head: string, sizeBytes: number): string | undefined {
  if (!head.startsWith('HTTP/1.1 200 ')) return `answered ${head}`;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  return Number(length) === sizeBytes ? undefined : `Content-Length is ${length}, not ${sizeBytes}`;
}
