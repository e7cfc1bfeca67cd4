/**
 * The processes of the proxy bench: `origin`, or a proxy that is `plain`, `watching` or `recording`.
 * Tells its port once it listens, then answers each message with what it has used and done so far.
 */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { openHttpProxy } from '../../proxy/http/server.ts';
import { createRecorder } from '../../proxy/record/recorder.ts';
import type { Recorder } from '../../proxy/record/recording.ts';
import { systemClock } from '../../src/base/clock.ts';
import { createDial } from '../../src/base/dial.ts';
import { systemFiles } from '../../src/base/files.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openCatalog } from '../../src/catalog/catalog.ts';
import { openEmbeddedByteStore } from '../../src/store/embedded/byte-store.ts';
import { openEmbeddedRecords } from '../../src/store/embedded/records.ts';
import { cpuMs } from './cpu-time.ts';
import { machineCode } from './record-cost.ts';

const MAX_BODY_BYTES = 16 * 1024 * 1024;
const STAMP_EVERY_BYTES = 4096;
const HOST = '127.0.0.1';

interface Running {
  readonly port: number;
  /** Resolves when nothing is left to do for what has passed. */
  settle(): Promise<void>;
  readonly stats: object;
}

async function main([role = '', directory = '']: readonly string[]): Promise<void> {
  const running = role === 'origin' ? await openOrigin() : await openProxy(role, directory);
  process.on('disconnect', () => process.exit());
  process.on('message', () => {
    void running.settle().then(() => process.send?.({ cpuMs: cpuMs(), stats: running.stats }));
  });
  process.send?.({ port: running.port });
}

/**
 * Paths are /KIND/VALIDATORS/SIZE/NUMBER: `noise` or `code`, `tagged` or `plain`. No two portions
 * of two numbers are the same.
 */
async function openOrigin(): Promise<Running> {
  const bodies = { noise: randomBytes(MAX_BODY_BYTES), code: await machineCode(MAX_BODY_BYTES) };
  const server = createServer((req, res) => {
    const [, kind, validators, size, number] = (req.url ?? '').split('/');
    const body = Buffer.from((kind === 'code' ? bodies.code : bodies.noise).subarray(0, Number(size)));
    for (let at = 0; at + 4 <= body.length; at += STAMP_EVERY_BYTES) body.writeUInt32LE(Number(number), at);
    const tag = validators === 'tagged' ? { ETag: `"${kind} ${size} ${number}"` } : {};
    res.writeHead(200, { 'Content-Length': body.length, ...tag }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const { port } = server.address() as AddressInfo;
  return { port, settle: async () => undefined, stats: {} };
}

async function openProxy(role: string, directory: string): Promise<Running> {
  const { recorder, settle, stats } = await openRecorder(role, directory);
  const proxy = await openHttpProxy({
    listen: { host: HOST, port: 0 },
    clients: [HOST],
    dial: createDial({ allow: [HOST] }),
    recorder,
    log: silentLog,
    version: 'bench',
  });
  return { port: proxy.address.port, settle, stats };
}

interface OpenRecorder {
  readonly recorder: Recorder;
  settle(): Promise<void>;
  readonly stats: object;
}

async function openRecorder(role: string, directory: string): Promise<OpenRecorder> {
  if (role === 'recording') {
    const recorder = await openStoringRecorder(directory);
    return { recorder, settle: () => recorder.settle(), stats: recorder.stats };
  }
  let passedBytes = 0;
  const watching = {
    write: (chunk: Uint8Array) => void (passedBytes += chunk.length),
    finish: () => undefined,
    abandon: () => undefined,
  };
  const recorder = { begin: () => (role === 'watching' ? watching : undefined) };
  return { recorder, settle: async () => undefined, stats: {} };
}

async function openStoringRecorder(directory: string) {
  const bytes = await openEmbeddedByteStore({
    directory: join(directory, 'bytes'),
    files: systemFiles,
    reserveBytes: 0,
  });
  const records = await openEmbeddedRecords({ path: join(directory, 'records.sqlite'), log: silentLog });
  const catalog = await openCatalog(records, bytes, systemClock, systemRandom);
  await catalog.subscribers.add('bench', [HOST]);
  const parts = { catalog, clock: systemClock, random: systemRandom, log: silentLog };
  return createRecorder({ ...parts, maxBodyBytes: MAX_BODY_BYTES });
}

await main(process.argv.slice(2));
