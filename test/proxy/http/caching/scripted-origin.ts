import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Asked } from './case.ts';
import { type Head, readChunked, readHead, withDates, writeChunked } from './message.ts';

/** What the origin does for the URLs of one case. */
export interface Script {
  /** Called for each request; the step it falls into and the answer to it. */
  answer(asked: Omit<Asked, 'step'>): { readonly answer: Answer; readonly fallbackBody: string };
}

export interface ScriptedOrigin extends AsyncDisposable {
  readonly port: number;
  /** Requests for `/<name>/…` are answered as `script` says. */
  play(name: string, script: Script): void;
}

const PIECES = 4;
const CUT_AFTER_MS = 120;
const STATUSES_WITHOUT_BODY = new Set([204, 304]);

/**
 * An origin written on bare sockets, so that it can send what no HTTP library would. It listens on
 * every loopback address: `127.0.0.2` is another host with the same answers.
 */
export async function openScriptedOrigin(): Promise<ScriptedOrigin> {
  const scripts = new Map<string, Script>();
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    serve(socket, scripts).catch((error: unknown) => {
      socket.destroy();
      if (!(error instanceof ConnectionLost)) throw error;
    });
  });
  await new Promise<void>((resolve) => server.listen({ host: '0.0.0.0', port: 0, backlog: 1_024 }, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    play: (name, script) => void scripts.set(name, script),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

class ConnectionLost extends Error {}

async function serve(socket: Socket, scripts: ReadonlyMap<string, Script>): Promise<void> {
  const input = readable(socket);
  while (true) {
    const head = await input.until((bytes) => readHead(bytes));
    if (head === undefined) break;
    const [method = '', target = ''] = head.start.split(' ');
    const script = scripts.get(target.replace(/^http:\/\/[^/]*/, '').split(/[/?]/)[1] ?? '');
    if (script === undefined) {
      socket.end('HTTP/1.1 421 No Script\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    const expects = head.headers.some(({ name }) => name.toLowerCase() === 'expect');
    if (expects) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    const body = await readBody(input, head);
    const asked = { method, target, headers: head.headers, body };
    const { answer, fallbackBody } = script.answer(asked);
    try {
      if (!(await send(socket, asked, answer, fallbackBody))) return;
    } finally {
      answer.onSent?.();
    }
  }
  socket.end();
}

/** Whether the connection can go on. */
async function send(
  socket: Socket,
  { method, headers }: Omit<Asked, 'step'>,
  answer: Answer,
  fallbackBody: string,
): Promise<boolean> {
  for (const interim of answer.interim ?? []) socket.write(`${interim}\r\n\r\n`, 'latin1');
  if (answer.delayMs !== undefined) await sleep(answer.delayMs);
  if (socket.destroyed) throw new ConnectionLost();
  if (answer.raw !== undefined) {
    socket.end(withDates(answer.raw), 'latin1');
    return false;
  }
  const status = answer.status ?? 200;
  const body = Buffer.from(answer.body ?? fallbackBody);
  const framing = answer.framing ?? 'length';
  const hasBody = method !== 'HEAD' && !STATUSES_WITHOUT_BODY.has(status);
  const payload = framing === 'chunked' ? writeChunked(body, answer.trailers) : body;
  socket.write(headOf(answer, status, framing, body.length), 'latin1');
  if (answer.cut !== undefined) {
    const cutBytes = framing === 'chunked' ? payload.lastIndexOf('0\r\n') : Math.ceil(payload.length / 2);
    await written(socket, payload.subarray(0, cutBytes));
    // A reset that arrives together with data looks like an end to Node.js.
    if (answer.cut !== 'reset at once') await sleep(CUT_AFTER_MS);
    if (answer.cut === 'end') socket.end();
    else socket.resetAndDestroy();
    return false;
  }
  if (hasBody) {
    const pieceBytes = answer.pauseMs === undefined ? payload.length : Math.ceil(payload.length / PIECES);
    for (let at = 0; at < payload.length; at += pieceBytes) {
      if (at > 0) await sleep(answer.pauseMs);
      await written(socket, payload.subarray(at, at + pieceBytes));
    }
  }
  const isLast = headers.some(({ name, value }) => /^connection$/i.test(name) && /close/i.test(value));
  if (framing !== 'close' && answer.version !== '1.0' && !isLast) return true;
  socket.end();
  return false;
}

function headOf(answer: Answer, status: number, framing: string, sizeBytes: number): string {
  const lines = answer.headers ?? [];
  const states = (name: string): boolean => lines.some((line) => line.toLowerCase().startsWith(`${name}:`));
  const head = [
    `HTTP/${answer.version ?? '1.1'} ${status} ${answer.reason ?? 'Reason'}`,
    ...(answer.isDateless || states('date') ? [] : ['Date: {now}']),
    ...(framing === 'chunked' ? ['Transfer-Encoding: chunked'] : []),
    ...(framing === 'length' && !states('content-length') && !STATUSES_WITHOUT_BODY.has(status)
      ? [`Content-Length: ${sizeBytes}`]
      : []),
    ...lines,
  ];
  return `${head.map((line) => withDates(line)).join('\r\n')}\r\n\r\n`;
}

function written(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const lost = (): void => reject(new ConnectionLost());
    socket.once('close', lost);
    socket.write(bytes, () => {
      socket.off('close', lost);
      resolve();
    });
  });
}

interface Input {
  /** What `read` makes of the bytes so far once it makes something; they are taken off up to its `end`. */
  until<Found extends { readonly end: number }>(
    read: (bytes: Buffer) => Found | undefined,
  ): Promise<Found | undefined>;
}

async function readBody(input: Input, { headers }: Head): Promise<string> {
  const value = (wanted: string): string | undefined =>
    headers.find(({ name }) => name.toLowerCase() === wanted)?.value;
  if (value('transfer-encoding') !== undefined) {
    const chunked = await input.until((bytes) => {
      const { body, end } = readChunked(bytes, 0);
      return end === undefined ? undefined : { body, end };
    });
    if (chunked === undefined) throw new ConnectionLost();
    return chunked.body.toString('latin1');
  }
  const sizeBytes = Number(value('content-length') ?? 0);
  const whole = await input.until((bytes) =>
    bytes.length < sizeBytes ? undefined : { end: sizeBytes, text: bytes.toString('latin1', 0, sizeBytes) },
  );
  if (whole === undefined) throw new ConnectionLost();
  return whole.text;
}

function readable(socket: Socket): Input {
  let bytes = Buffer.alloc(0);
  let isOver = false;
  let changed: () => void = () => {};
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    changed();
  });
  for (const event of ['end', 'close']) {
    socket.on(event, () => {
      isOver = true;
      changed();
    });
  }
  return {
    async until(read) {
      for (;;) {
        const found = read(bytes);
        if (found !== undefined) {
          bytes = bytes.subarray(found.end);
          return found;
        }
        if (isOver) return undefined;
        await new Promise<void>((resolve) => {
          changed = resolve;
        });
      }
    },
  };
}
