import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type HttpProxy, type HttpProxyOptions, openHttpProxy } from '../../../proxy/http/server.ts';
import type { DurablePart, Passing, Recorder } from '../../../proxy/record/recording.ts';
import { createDial } from '../../../src/base/dial.ts';
import { silentLog } from '../../../src/base/log.ts';
import { portionListBuilder } from '../../../src/content/portion-list.ts';

/** What a recorder was given for one body. */
export interface Recorded extends Passing {
  readonly chunks: Buffer[];
  outcome: 'open' | 'finished' | 'abandoned';
}

export const NOTHING_DURABLE: DurablePart = {
  scope: 1,
  sizeBytes: 0,
  isLost: true,
  portions: () => portionListBuilder().list(),
};

/** A Recorder that keeps everything in memory. */
export function memoryRecorder(): Recorder & { readonly recorded: Recorded[] } {
  const recorded: Recorded[] = [];
  return {
    recorded,
    begin(passing) {
      const entry: Recorded = { ...passing, chunks: [], outcome: 'open' };
      recorded.push(entry);
      return {
        write: (chunk) => entry.chunks.push(Buffer.from(chunk)),
        finish() {
          settle(entry, 'finished');
          return Promise.resolve(undefined);
        },
        durable: NOTHING_DURABLE,
        abandon: () => settle(entry, 'abandoned'),
      };
    },
  };
}

function settle(entry: Recorded, outcome: 'finished' | 'abandoned'): void {
  if (entry.outcome !== 'open') throw new Error(`a recording was ${entry.outcome} and then ${outcome}`);
  entry.outcome = outcome;
}

export interface Origin extends AsyncDisposable {
  readonly port: number;
  /** Connections accepted so far. */
  readonly connections: Socket[];
}

export function httpOrigin(answer: (...exchange: Parameters<RequestListener>) => unknown): Promise<Origin> {
  return listenOn(createHttpServer({ keepAliveTimeout: 60_000 }, (req, res) => void answer(req, res)));
}

/** A server that speaks whatever `onConnection` writes. */
export function rawOrigin(onConnection: (socket: Socket) => void): Promise<Origin> {
  return listenOn(
    createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      onConnection(socket);
    }),
  );
}

async function listenOn(server: Server): Promise<Origin> {
  const connections: Socket[] = [];
  server.on('connection', (socket: Socket) => connections.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of connections) socket.destroy();
      await closed;
    },
  };
}

export interface TestProxy extends HttpProxy, AsyncDisposable {
  readonly port: number;
}

export async function testProxy(options: Partial<HttpProxyOptions> = {}): Promise<TestProxy> {
  const proxy = await openHttpProxy({
    listen: { host: '127.0.0.1', port: 0 },
    clients: ['127.0.0.0/8'],
    dial: createDial({ allow: ['127.0.0.0/8'], timeoutMs: 2_000 }),
    recorder: { begin: () => undefined },
    log: silentLog,
    page: { site: { version: '1.2.3' }, subscriberAt: () => undefined },
    ...options,
  });
  return { ...proxy, port: proxy.address.port, [Symbol.asyncDispose]: () => proxy.close() };
}

export interface RawClient {
  readonly socket: Socket;
  /** Everything received so far, as Latin-1. */
  received(): string;
  /** Resolves when `found(received)`; rejects with what did arrive when the connection closes before. */
  until(found: (received: string) => boolean): Promise<string>;
  /** Everything, once the connection is closed. */
  whole(): Promise<string>;
}

/** A connection to `port` that sends `text` and keeps what comes back. */
export function rawClient(port: number, text = '', localAddress = '127.0.0.1'): RawClient {
  const socket = connect({ host: '127.0.0.1', port, localAddress, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  const received = (): string => Buffer.concat(chunks).toString('latin1');
  let changed: () => void = () => {};
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    changed();
  });
  for (const event of ['end', 'close']) socket.on(event, () => changed());
  socket.on('error', () => {});
  if (text !== '') socket.write(text, 'latin1');
  async function until(found: (text: string) => boolean): Promise<string> {
    while (!found(received())) {
      if (socket.destroyed || socket.readableEnded)
        throw new Error(`closed after ${JSON.stringify(received())}`);
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
    return received();
  }
  return {
    socket,
    received,
    until,
    async whole() {
      while (!socket.destroyed && !socket.readableEnded) {
        await new Promise<void>((resolve) => {
          changed = resolve;
        });
      }
      socket.destroy();
      return received();
    },
  };
}

/** Sends one request and gives the whole answer, the connection being closed by the proxy. */
export function ask(proxy: TestProxy, text: string): Promise<string> {
  return rawClient(proxy.port, text).whole();
}

/** `GET` of `path` at an origin, to be answered and closed. */
export function get(origin: Origin, path = '/', headers = ''): string {
  return `GET http://127.0.0.1:${origin.port}${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`;
}

export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
}

export function bodyOf(answer: string): string {
  return answer.slice(answer.indexOf('\r\n\r\n') + 4);
}

/** Waits until `condition` holds, for at most two seconds. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`still not: ${what}`);
}
