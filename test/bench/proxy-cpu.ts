/**
 * CPU time of the HTTP proxy per answer: `node dist/test/bench/proxy-cpu.js [recorder-module]`.
 *
 * Origin and proxies run as processes of their own on loopback, and what is counted is the proxy
 * process's user and system time, so that neither origin nor client is part of it.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { openHttpProxy } from '../../proxy/http/server.ts';
import type { Recorder } from '../../proxy/record/recording.ts';
import { createDial } from '../../src/base/dial.ts';
import { silentLog } from '../../src/base/log.ts';

/** What a recorder module exports: `export const openRecorder: OpenRecorder`. */
export type OpenRecorder = () => Promise<Recorder>;

export interface ProxyCpu {
  readonly sizeBytes: number;
  /** Median CPU microseconds per answer, without a recorder and with it. */
  readonly plainMicros: number;
  readonly recordedMicros: number;
}

const ROUNDS = 9;
const LOADS = [
  { sizeBytes: 1024, answers: 2_000 },
  { sizeBytes: 64 * 1024, answers: 1_000 },
  { sizeBytes: 10 * 1024 * 1024, answers: 20 },
] as const;

/**
 * Measures with and without the recorder that `recorderModule` (a file URL, imported by the proxy
 * process) opens; by default one that only counts bytes. Rounds alternate between the two, so that
 * a busy machine burdens both.
 */
export async function measureProxyCpu(recorderModule: string = import.meta.url): Promise<ProxyCpu[]> {
  const origin = await start('origin');
  const plain = await start('proxy');
  const recorded = await start('proxy', recorderModule);
  const results: ProxyCpu[] = [];
  for (const { sizeBytes, answers } of LOADS) {
    const samples: { plain: number[]; recorded: number[] } = { plain: [], recorded: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      const url = `http://127.0.0.1:${origin.port}/${sizeBytes}`;
      samples.plain.push(await cpuPerAnswer(plain, url, answers));
      samples.recorded.push(await cpuPerAnswer(recorded, url, answers));
    }
    results.push({ sizeBytes, plainMicros: median(samples.plain), recordedMicros: median(samples.recorded) });
  }
  for (const { child } of [origin, plain, recorded]) child.kill();
  return results;
}

interface Role {
  readonly child: ChildProcess;
  readonly port: number;
}

async function start(role: 'origin' | 'proxy', ...rest: string[]): Promise<Role> {
  const child = fork(fileURLToPath(import.meta.url), [role, ...rest]);
  return { child, port: await nextMessage(child) };
}

function nextMessage(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`a bench process ended with ${code}`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(Number(message));
    });
  });
}

async function cpuPerAnswer(proxy: Role, url: string, answers: number): Promise<number> {
  const agent = new Agent({ keepAlive: true });
  await fetchThrough(proxy.port, url, agent);
  const before = await cpuMicros(proxy);
  for (let i = 0; i < answers; i += 1) await fetchThrough(proxy.port, url, agent);
  const micros = ((await cpuMicros(proxy)) - before) / answers;
  agent.destroy();
  return micros;
}

function cpuMicros({ child }: Role): Promise<number> {
  child.send('cpu');
  return nextMessage(child);
}

function fetchThrough(port: number, path: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path, agent }, (answer) => {
      answer.resume().once('end', resolve).once('error', reject);
    });
    req.once('error', reject).end();
  });
}

function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? Number.NaN;
}

async function serveOrigin(): Promise<number> {
  const body = Buffer.alloc(10 * 1024 * 1024, 'weir');
  const server = createServer((req, res) => {
    const sizeBytes = Number(req.url?.slice(1));
    res.writeHead(200, { 'Content-Length': sizeBytes }).end(body.subarray(0, sizeBytes));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function serveProxy(recorderModule: string | undefined): Promise<number> {
  const none: Recorder = { begin: () => undefined };
  const module: { openRecorder: OpenRecorder } | undefined = recorderModule && (await import(recorderModule));
  const proxy = await openHttpProxy({
    listen: { host: '127.0.0.1', port: 0 },
    clients: ['127.0.0.1'],
    dial: createDial({ allow: ['127.0.0.1'] }),
    recorder: (await module?.openRecorder()) ?? none,
    log: silentLog,
    version: 'bench',
  });
  return proxy.address.port;
}

/** Counts bytes: what watching alone costs. */
export const openRecorder: OpenRecorder = async () => {
  let passedBytes = 0;
  return {
    begin: () => ({
      write: (chunk) => void (passedBytes += chunk.length),
      finish() {},
      abandon() {},
    }),
  };
};

async function main(role: string | undefined, recorderModule: string | undefined): Promise<void> {
  if (role === 'origin' || role === 'proxy') {
    process.on('message', () => {
      const { user, system } = process.cpuUsage();
      process.send?.(user + system);
    });
    process.on('disconnect', () => process.exit());
    process.send?.(role === 'origin' ? await serveOrigin() : await serveProxy(recorderModule));
    return;
  }
  for (const { sizeBytes, plainMicros, recordedMicros } of await measureProxyCpu(role)) {
    console.log(
      `${sizeBytes} bytes: ${plainMicros.toFixed(0)} µs plain, ${recordedMicros.toFixed(0)} µs recorded`,
    );
  }
}

// Not awaited: a proxy process imports this module again for its recorder.
if (process.argv[1] === fileURLToPath(import.meta.url)) void main(process.argv[2], process.argv[3]);
