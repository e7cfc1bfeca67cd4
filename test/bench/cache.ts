import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchProcess, startProcess } from './bench-process.ts';
import { loadThrough } from './http-load.ts';
import { comparisonTable } from './table.ts';
import { type CacheKind, isInstalled, WEB_CACHES, type WebCache } from './web-caches.ts';

const KIB = 1024;
const ROUNDS = 5;

/** `urls` is how many are asked for in one round: enough for ticks of 10 ms to be fine. */
const CASES = [
  { name: '1 KiB hit, µs', sizeBytes: KIB, answers: 20_000, isHit: true, perMs: 1000, warmUps: 1 },
  { name: '64 KiB hit, µs', sizeBytes: 64 * KIB, answers: 6_000, isHit: true, perMs: 1000, warmUps: 1 },
  { name: '10 MiB hit, ms', sizeBytes: 10 * KIB * KIB, answers: 60, isHit: true, perMs: 1, warmUps: 1 },
  { name: '64 KiB miss, µs', sizeBytes: 64 * KIB, answers: 1_000, isHit: false, perMs: 1000, warmUps: 6 },
] as const;

/**
 * CPU time of an answer from cache, and of one that is fetched and kept, beside Squid and nginx: the
 * caching process's own, rounds alternating between the contenders. Everything is in memory:
 * Squid by its configuration, nginx and Weir by a directory on tmpfs. An answer counts as a hit
 * when the origin was not asked, and Weir's misses count until all of them are recorded.
 */
export async function runCache(): Promise<void> {
  const base = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'weir-cache-'));
  // Squid, started by root, works as another user.
  await chmod(base, 0o755);
  const stops: (() => Promise<void>)[] = [];
  try {
    const origin = await startProcess('proxy-process', 'origin');
    stops.push(() => origin.stop());
    const contenders: Contender[] = [];
    for (const kind of WEB_CACHES) {
      const directory = join(base, String(contenders.length));
      await mkdir(directory);
      const cache = isInstalled(kind) ? await kind.start(directory, origin.port) : undefined;
      if (cache !== undefined) stops.push(() => cache.stop());
      contenders.push({
        kind,
        cache,
        samples: {},
        notes: new Set(cache === undefined ? ['not installed'] : []),
      });
    }
    for (const one of CASES) await measureCase(origin, contenders, one);
    const rows = contenders.map(({ kind, samples, notes }) => ({
      name: kind.name,
      samples,
      note: [...notes].join('; '),
    }));
    console.log(
      comparisonTable(
        CASES.map(({ name }) => name),
        rows,
      ),
    );
  } finally {
    await Promise.all(stops.map((stop) => stop()));
    await rm(base, { recursive: true, force: true });
  }
}

interface Contender {
  readonly kind: CacheKind;
  readonly cache: WebCache | undefined;
  readonly samples: Record<string, number[]>;
  /** Why a figure is missing. */
  readonly notes: Set<string>;
}

type Case = (typeof CASES)[number];

async function measureCase(origin: BenchProcess, contenders: readonly Contender[], one: Case): Promise<void> {
  // The first rounds warm up: V8 has compiled what a miss takes after some 6,000 of them.
  for (let round = 1 - one.warmUps; round <= ROUNDS; round++) {
    for (const { kind, cache, samples, notes } of contenders) {
      if (cache === undefined || (kind.isFloor && !one.isHit)) continue;
      const answer = await cpuPerAnswer(origin, cache, one);
      if (typeof answer === 'string') notes.add(`${one.name}: ${answer}`);
      else if (round > 0) (samples[one.name] ??= []).push(answer * one.perMs);
    }
  }
}

/** Numbers the answers that are new. */
let answersSoFar = 0;

/** In ms, or what is wrong with the answers. */
async function cpuPerAnswer(
  origin: BenchProcess,
  cache: WebCache,
  { sizeBytes, answers, isHit }: Case,
): Promise<number | string> {
  const start = `http://127.0.0.1:${origin.port}/noise/fresh/${sizeBytes}`;
  const urls = Array.from({ length: answers }, () => `${start}/${isHit ? 0 : ++answersSoFar}`);
  if (isHit) await loadThrough(cache.port, [`${start}/0`, `${start}/0`], sizeBytes, 1);
  const askedBefore = await requestsAt(origin);
  const before = await cache.used();
  await loadThrough(cache.port, urls, sizeBytes);
  const after = await cache.used();
  const asked = (await requestsAt(origin)) - askedBefore;
  if (asked !== (isHit ? 0 : answers)) return `the origin was asked ${asked} times for ${answers}`;
  if (!isHit && after.recorded !== undefined) {
    const recorded = after.recorded - (before.recorded ?? 0);
    if (recorded !== answers) return `${recorded} of ${answers} were recorded`;
  }
  return (after.cpuMs - before.cpuMs) / answers;
}

async function requestsAt(origin: BenchProcess): Promise<number> {
  return (await origin.used()).stats['requests'] ?? 0;
}
