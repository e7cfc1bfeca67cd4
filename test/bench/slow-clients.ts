/**
 * Clients that hold connections to a proxy, as a process of the bench `slow`. Its argument is a
 * `Crowd` as JSON. Says `{ port: 0 }` once all are connected, then answers each message with what
 * they have seen.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Crowd {
  readonly port: number;
  readonly clients: number;
  /** Asked for in turn. */
  readonly urls: readonly string[];
  /** `slow` sends and reads a few bytes at a time; `stalled` asks and reads nothing. */
  readonly kind: 'slow' | 'stalled';
  /** Source addresses, used in turn. */
  readonly addresses: readonly string[];
}

const CONNECTED_AT_ONCE = 50;
const STEP_MS = 700;
/** A request of 150 bytes takes six seconds; the proxy refuses it after ten. */
const SENT_BYTES = 20;
const READ_BYTES = 2 * 1024;

async function main([text = '']: readonly string[]): Promise<void> {
  const crowd = JSON.parse(text) as Crowd;
  const counts = { connected: 0, answered: 0, closed: 0 };
  for (let from = 0; from < crowd.clients; from += CONNECTED_AT_ONCE) {
    const wave = Array.from({ length: Math.min(CONNECTED_AT_ONCE, crowd.clients - from) }, (_, index) =>
      start(crowd, from + index, counts),
    );
    await Promise.all(wave);
  }
  process.on('disconnect', () => process.exit());
  process.on('message', () => process.send?.({ cpuMs: 0, stats: counts }));
  process.send?.({ port: 0 });
}

type Counts = Record<'connected' | 'answered' | 'closed', number>;

async function start(crowd: Crowd, index: number, counts: Counts): Promise<void> {
  const url = crowd.urls[index % crowd.urls.length] ?? '';
  const socket = connect({
    host: '127.0.0.1',
    port: crowd.port,
    localAddress: crowd.addresses[index % crowd.addresses.length],
  });
  socket.pause();
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  counts.connected += 1;
  socket.on('error', () => undefined).on('close', () => (counts.closed += 1));
  const request = `GET ${url} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nUser-Agent: a ${crowd.kind} client of the bench\r\n\r\n`;
  if (crowd.kind === 'stalled') socket.write(request);
  else void trickle(socket, request, counts);
}

/** Sends and reads a little at a time, again and again, until the connection is closed. */
async function trickle(socket: Socket, request: string, counts: Counts): Promise<void> {
  while (!socket.destroyed) {
    for (let at = 0; at < request.length && !socket.destroyed; at += SENT_BYTES) {
      socket.write(request.slice(at, at + SENT_BYTES));
      await sleep(STEP_MS);
    }
    await readSlowly(socket, counts);
  }
}

/** Reads one answer, whose head comes with its first bytes. */
async function readSlowly(socket: Socket, counts: Counts): Promise<void> {
  let missingBytes: number | undefined;
  while (!socket.destroyed && (missingBytes === undefined || missingBytes > 0)) {
    const bytes = socket.read(Math.min(READ_BYTES, socket.readableLength)) as Buffer | null;
    if (bytes !== null && missingBytes === undefined) {
      const [head = ''] = bytes.toString('latin1').split('\r\n\r\n');
      missingBytes = Number(/content-length: *(\d+)/i.exec(head)?.[1]) + head.length + 4;
      if (head.startsWith('HTTP/1.1 200')) counts.answered += 1;
    }
    missingBytes = missingBytes === undefined ? undefined : missingBytes - (bytes?.length ?? 0);
    await sleep(STEP_MS);
  }
}

await main(process.argv.slice(2));
