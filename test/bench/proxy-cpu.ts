import { strict as assert } from 'node:assert';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchProcess, startProcess } from './bench-process.ts';
import { printRecordCosts } from './record-cost.ts';
import { comparisonTable } from './table.ts';

const MIB = 1024 * 1024;
const ROUNDS = 5;
const LOADS = [
  { sizeBytes: 1024, answers: 100 },
  { sizeBytes: 64 * 1024, answers: 60 },
  { sizeBytes: 10 * MIB, answers: 6 },
] as const;

/** What passes, and what the recorder must have done with all of it for the case to be measured. */
const CASES = [
  { name: 'same, validators', path: 'noise/tagged', isNew: false, counter: 'recognised' },
  { name: 'same, none', path: 'noise/plain', isNew: false, counter: 'recorded' },
  { name: 'new, random', path: 'noise/tagged', isNew: true, counter: 'recorded' },
  { name: 'new, code', path: 'code/tagged', isNew: true, counter: 'recorded' },
] as const;

/** `watching` takes every chunk and drops it: what looking at the stream costs by itself. */
const KINDS = ['plain', 'watching', 'recording'] as const;

/**
 * CPU time of the HTTP proxy for an answer, with recording and without. Origin and proxies run as
 * processes of their own on loopback, and what is counted is the proxy process's time until all it
 * recorded is durable: neither origin nor client is part of it. Rounds alternate between the
 * proxies, so that a busy machine burdens all.
 */
export async function runProxyCpu(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-bench-'));
  const roles: BenchProcess[] = [];
  try {
    const origin = await startProcess('proxy-process', 'origin');
    roles.push(origin);
    for (const kind of KINDS) roles.push(await startProcess('proxy-process', kind, join(directory, kind)));
    for (const load of LOADS) console.log(await measureLoad(origin, roles.slice(1), load));
  } finally {
    await Promise.all(roles.map((role) => role.stop()));
    await rm(directory, { recursive: true });
  }
  await printRecordCosts();
}

interface Load {
  readonly sizeBytes: number;
  readonly answers: number;
}

async function measureLoad(
  origin: BenchProcess,
  proxies: readonly BenchProcess[],
  load: Load,
): Promise<string> {
  const columns = CASES.map(({ name }) => name);
  const rows = KINDS.map((name) => ({
    name,
    samples: Object.fromEntries(columns.map((column): [string, number[]] => [column, []])),
  }));
  const perMs = load.sizeBytes < MIB ? 1000 : 1;
  // The first round warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const one of CASES) {
      for (const [index, proxy] of proxies.entries()) {
        const ms = await cpuPerAnswer(origin, proxy, load, one);
        if (round > 0) rows[index]?.samples[one.name]?.push(ms * perMs);
      }
    }
  }
  const unit = perMs === 1 ? 'ms' : 'µs';
  return `${unit} of CPU for an answer of ${load.sizeBytes / 1024} KiB\n${comparisonTable(columns, rows)}\n`;
}

/** Numbers the answers whose bytes are new. */
let answersSoFar = 0;

async function cpuPerAnswer(
  origin: BenchProcess,
  proxy: BenchProcess,
  { sizeBytes, answers }: Load,
  { path, isNew, counter }: (typeof CASES)[number],
): Promise<number> {
  const agent = new Agent({ keepAlive: true });
  const url = `http://127.0.0.1:${origin.port}/${path}/${sizeBytes}`;
  await fetchThrough(proxy.port, `${url}/0`, agent);
  const before = await proxy.used();
  for (let i = 0; i < answers; i++)
    await fetchThrough(proxy.port, `${url}/${isNew ? ++answersSoFar : 0}`, agent);
  const after = await proxy.used();
  agent.destroy();
  const done = after.stats[counter];
  if (done !== undefined)
    assert.equal(done - (before.stats[counter] ?? 0), answers, `${counter} by the recorder`);
  return (after.cpuMs - before.cpuMs) / answers;
}

function fetchThrough(port: number, path: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path, agent }, (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`${path} was answered ${answer.statusCode}`));
      answer.resume().once('end', resolve).once('error', reject);
    });
    req.once('error', reject).end();
  });
}
