/**
 * The processes of the HTTP benches: `origin`; `memory`, a server that has its answer at hand; a
 * forwarding proxy that is `plain`, `watching` or `recording`; `appliance`, all that `weir serve` runs.
 * Tells its port once it listens, then answers each message with what it has used and done so far.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { openHttpProxy } from '../../proxy/http/server.ts';
import { catalogKeeper } from '../../proxy/record/keeper.ts';
import { recordingPolicy } from '../../proxy/record/policy.ts';
import { createRecorder } from '../../proxy/record/recorder.ts';
import type { Recorder } from '../../proxy/record/recording.ts';
import { openAppliance } from '../../src/app/appliance.ts';
import { parseConfig } from '../../src/app/config.ts';
import { readOperatorToken } from '../../src/app/operator-token.ts';
import { systemClock } from '../../src/base/clock.ts';
import { createDial } from '../../src/base/dial.ts';
import { systemFiles } from '../../src/base/files.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openCatalog } from '../../src/catalog/catalog.ts';
import { portionListBuilder } from '../../src/content/portion-list.ts';
import { openEmbeddedByteStore } from '../../src/store/embedded/byte-store.ts';
import { openEmbeddedRecords } from '../../src/store/embedded/records.ts';
import { cpuMs } from './cpu-time.ts';
import { machineCode } from './record-cost.ts';

const MAX_BODY_BYTES = 16 * 1024 * 1024;
const STAMP_EVERY_BYTES = 4096;
const HOST = '127.0.0.1';
/** Thousands may connect at once. */
const BACKLOG = 4096;

interface Running {
  readonly port: number;
  /** Resolves when nothing is left to do for what has passed. */
  settle(): Promise<void>;
  stats(): Promise<object> | object;
}

async function main([role = '', directory = '', ...addresses]: readonly string[]): Promise<void> {
  const running = await open(role, directory, addresses);
  process.on('disconnect', () => process.exit());
  process.on('message', () => void report(running));
  process.send?.({ port: running.port });
}

async function report({ settle, stats }: Running): Promise<void> {
  await settle();
  const used = cpuMs();
  process.send?.({ cpuMs: used, stats: await stats() });
}

function open(role: string, directory: string, addresses: readonly string[]): Promise<Running> {
  if (role === 'origin') return openOrigin();
  if (role === 'memory') return openMemory();
  return role === 'appliance' ? openWholeAppliance(directory, addresses) : openProxy(role, directory);
}

/**
 * Paths are /KIND/VALIDATORS/SIZE/NUMBER: `noise` or `code`; `plain`, `tagged`, or `fresh` for an
 * hour as well. No two portions of two numbers are the same.
 */
async function openOrigin(): Promise<Running> {
  const bodies = { noise: randomBytes(MAX_BODY_BYTES), code: await machineCode(MAX_BODY_BYTES) };
  const server = createServer((req, res) => {
    const [, kind, validators, size, number] = (req.url ?? '').split('/');
    const plain = (kind === 'code' ? bodies.code : bodies.noise).subarray(0, Number(size));
    const body = number === '0' ? plain : stamped(plain, Number(number));
    const tag = validators === 'plain' ? {} : { ETag: `"${kind} ${size} ${number}"` };
    const age = validators === 'fresh' ? { 'Cache-Control': 'max-age=3600' } : {};
    res.writeHead(200, { 'Content-Length': body.length, ...tag, ...age }).end(body);
    requests += 1;
  });
  let requests = 0;
  return { port: await listen(server), settle: async () => undefined, stats: () => ({ requests }) };
}

function stamped(bytes: Buffer, number: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = 0; at + 4 <= copy.length; at += STAMP_EVERY_BYTES) copy.writeUInt32LE(number, at);
  return copy;
}

/** The floor: a program of Node.js can hardly answer with less. Only the size in the path counts. */
async function openMemory(): Promise<Running> {
  const noise = randomBytes(MAX_BODY_BYTES);
  const server = createServer((req, res) => {
    const body = noise.subarray(0, Number(req.url?.split('/').at(-2)));
    res.writeHead(200, { 'Content-Length': body.length, 'Cache-Control': 'max-age=3600' }).end(body);
  });
  return { port: await listen(server), settle: async () => undefined, stats: () => ({}) };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen({ port: 0, host: HOST, backlog: BACKLOG }, resolve));
  return (server.address() as AddressInfo).port;
}

/** The appliance with a subscriber at 127.0.0.1 and one at each address. Its counters are those its console tells. */
async function openWholeAppliance(directory: string, addresses: readonly string[]): Promise<Running> {
  const config = parseConfig(applianceConfig(directory), 'the bench');
  const appliance = await openAppliance(config, silentLog);
  for (const address of [HOST, ...addresses]) await appliance.operator.addSubscriber(address, [address]);
  const { proxy, console: api } = appliance.addresses;
  const headers = { authorization: `Bearer ${await readOperatorToken(directory)}` };
  return {
    port: proxy?.port ?? 0,
    settle: () => appliance.settle(),
    async stats() {
      const answer = await fetch(`http://${HOST}:${api?.port}/api/stats`, { headers });
      const { proxy: ofProxy, recorder } = applianceStats.parse(await answer.json());
      return figures({ ...recorder, ...ofProxy });
    },
  };
}

const counters = z.record(z.string(), z.unknown());
const applianceStats = z.object({ recorder: counters, proxy: counters });

function figures(stats: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(stats).filter(([, value]) => typeof value === 'number'));
}

function applianceConfig(directory: string): string {
  return [
    `dataDirectory: ${directory}`,
    'proxy: { host: 127.0.0.1, port: 0 }',
    'backup: { host: 127.0.0.1, port: 0 }',
    'console: { port: 0 }',
    'dial: { allow: [127.0.0.0/8] }',
    'store: { reserveBytes: 0 }',
  ].join('\n');
}

async function openProxy(role: string, directory: string): Promise<Running> {
  const { recorder, settle, stats } = await openRecorder(role, directory);
  const proxy = await openHttpProxy({
    listen: { host: HOST, port: 0 },
    clients: [HOST],
    dial: createDial({ allow: [HOST] }),
    recorder,
    log: silentLog,
    // What is measured is an answer on its way, not one that is kept.
    cache: { isEnabled: false },
    page: { site: { version: 'bench' }, subscriberAt: () => undefined },
  });
  return { port: proxy.address.port, settle, stats: () => figures({ ...stats }) };
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
    finish: () => Promise.resolve(undefined),
    abandon: () => undefined,
    durable: { scope: 0, sizeBytes: 0, isLost: true, portions: () => portionListBuilder().list() },
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
  const parts = { keeper: catalogKeeper(catalog), clock: systemClock, random: systemRandom, log: silentLog };
  const { record } = parseConfig('', 'the bench').proxy;
  return createRecorder({ ...parts, policy: recordingPolicy(record) });
}

await main(process.argv.slice(2));
