import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ProviderProcess, startProvider, until } from '../app/provider-process.ts';
import { type BenchProcess, startProcess } from './bench-process.ts';
import { loadThrough } from './http-load.ts';
import { comparisonTable } from './table.ts';
import { cpuMsOfProcess } from './web-caches.ts';

const KIB = 1024;
const ROUNDS = 7;
const WORKERS = [1, 2];

const CASES = [
  {
    name: '1 KiB hit',
    sizeBytes: KIB,
    answers: 20_000,
    connections: 16,
    isHit: true,
    unit: 'µs',
    perMs: 1000,
  },
  {
    name: '10 MiB new',
    sizeBytes: 10 * KIB * KIB,
    answers: 12,
    connections: 4,
    isHit: false,
    unit: 'ms',
    perMs: 1,
  },
] as const;

type Case = (typeof CASES)[number];

/**
 * The whole provider with the proxy in its own process and in several: answers a second, and CPU time
 * of an answer in all processes together until what passed is recorded. The load and the origin
 * have processes of their own on the same machine, so that answers a second say as much about it.
 */
export async function runWorkers(): Promise<void> {
  const base = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'weir-workers-'));
  const providers: ProviderProcess[] = [];
  const origin = await startProcess('proxy-process', 'origin');
  try {
    for (const workers of WORKERS) {
      const directory = join(base, String(workers));
      await mkdir(directory);
      const provider = await startProvider(directory, `workers: ${workers}`);
      providers.push(provider);
      await provider.addSubscriber('bench', ['127.0.0.1']);
    }
    console.log(await measure(origin, providers));
  } finally {
    await Promise.all(providers.map((provider) => provider[Symbol.asyncDispose]()));
    await origin.stop();
    await rm(base, { recursive: true, force: true });
  }
}

async function measure(origin: BenchProcess, providers: readonly ProviderProcess[]): Promise<string> {
  const rows = WORKERS.map((workers) => ({
    name: workers === 1 ? 'in one process' : `${workers} workers and their owner`,
    samples: {} as Record<string, number[]>,
  }));
  for (const one of CASES) {
    // The first round warms up.
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [index, provider] of providers.entries()) {
        const { perSecond, cpuMs } = await run(origin, provider, one);
        const samples = rows[index]?.samples;
        if (round === 0 || samples === undefined) continue;
        (samples[`${one.name}, a second`] ??= []).push(perSecond);
        (samples[`${one.name}, ${one.unit} CPU`] ??= []).push(cpuMs * one.perMs);
      }
    }
  }
  return comparisonTable(Object.keys(rows[0]?.samples ?? {}), rows);
}

/** Numbers the answers that are new. */
let answersSoFar = 0;

async function run(
  origin: BenchProcess,
  provider: ProviderProcess,
  { sizeBytes, answers, connections, isHit }: Case,
): Promise<{ perSecond: number; cpuMs: number }> {
  const start = `http://127.0.0.1:${origin.port}/noise/fresh/${sizeBytes}`;
  const urls = Array.from({ length: answers }, () => `${start}/${isHit ? 0 : ++answersSoFar}`);
  // Into the memory of every worker.
  if (isHit) await loadThrough(provider.port, urls.slice(0, 4 * connections), sizeBytes, connections);
  const before = await recordedBy(provider);
  const pid = provider.process.pid ?? 0;
  const cpuBeforeMs = await cpuMsOfProcess(pid);
  const startMs = performance.now();
  await loadThrough(provider.port, urls, sizeBytes, connections);
  const recorded = before + (isHit ? 0 : answers);
  await until('all recorded', async () => (await recordedBy(provider)) >= recorded || undefined);
  const seconds = (performance.now() - startMs) / 1000;
  return { perSecond: answers / seconds, cpuMs: ((await cpuMsOfProcess(pid)) - cpuBeforeMs) / answers };
}

async function recordedBy(provider: ProviderProcess): Promise<number> {
  return Number((await provider.stats()).recorder['recorded']);
}
