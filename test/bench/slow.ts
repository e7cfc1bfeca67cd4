import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchProcess, startProcess } from './bench-process.ts';
import { openClient } from './http-load.ts';
import type { Crowd } from './slow-clients.ts';
import { comparisonTable } from './table.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SLOW_CLIENTS = 5_000;
const STALLED_CLIENTS = 1_000;
/** Connections of clients, and of the proxy to the origin for answers that are not kept. */
const NEEDED_FILES = 2 * (SLOW_CLIENTS + STALLED_CLIENTS);
/** Below what the proxy allows one client. */
const CLIENTS_PER_ADDRESS = 50;
const REQUESTS = 200;
const REQUEST_EVERY_MS = 20;
/** By then all have sent their headers once. */
const SETTLE_MS = 10_000;
const SAMPLE_MS = 250;

const ADDRESSES = Array.from(
  { length: (SLOW_CLIENTS + STALLED_CLIENTS) / CLIENTS_PER_ADDRESS },
  (_, index) => `127.0.1.${1 + index}`,
);

/**
 * Packets and buffers as on a line. Loopback as it comes takes up to 4 MB for each connection that
 * nobody reads, which is the kernel's memory and hides the client from the proxy.
 */
const LINE = [
  'ip link set lo up mtu 1500',
  'echo 4096 16384 65536 > /proc/sys/net/ipv4/tcp_wmem',
  'echo 4096 32768 65536 > /proc/sys/net/ipv4/tcp_rmem',
  'exec "$0" "$@"',
].join(' && ');
const INSIDE = 'WEIR_BENCH_INSIDE';

/**
 * What clients that hardly move cost everybody else: the memory of a Weir that has 6,000 of them, and
 * how long a normal client waits for an answer that is kept and for one that is not. The slow send
 * a header in six seconds and read 256 KiB in ninety; the stalled have asked for 10 MiB and read
 * nothing: a third of an answer that is kept, a third of one that is not, a third all at once of
 * one that becomes so. Fifty at a time are one subscriber, below the
 * limit of 64; no limit is raised. Runs in a network namespace of its own.
 */
export async function runSlow(): Promise<void> {
  if (process.env[INSIDE] === undefined) return runInside();
  const directory = await mkdtemp(join(tmpdir(), 'weir-slow-'));
  const processes: BenchProcess[] = [];
  const start = async (file: string, ...args: string[]): Promise<BenchProcess> => {
    const started = await startProcess(file, ...args);
    processes.push(started);
    return started;
  };
  try {
    const origin = await start('proxy-process', 'origin');
    const weir = await start('proxy-process', 'appliance', directory, ...ADDRESSES);
    await checkFileLimit(weir.pid);
    await measure(weir, `http://127.0.0.1:${origin.port}/noise`, (crowd) =>
      start('slow-clients', JSON.stringify(crowd)),
    );
  } finally {
    await Promise.all(processes.reverse().map((one) => one.stop()));
    await rm(directory, { recursive: true });
  }
}

async function runInside(): Promise<void> {
  const command = [
    '--net',
    '--map-root-user',
    'sh',
    '-c',
    LINE,
    process.execPath,
    process.argv[1] ?? '',
    'slow',
  ];
  const child = spawn('unshare', command, { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } });
  const [code]: unknown[] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the bench inside the namespace ended with ${String(code)}`);
}

async function measure(
  weir: BenchProcess,
  origin: string,
  gather: (crowd: Crowd) => Promise<BenchProcess>,
): Promise<void> {
  const kept = `${origin}/fresh/${10 * MIB}/0`;
  await fetchOnce(weir.port, kept, 10 * MIB);
  await latencies(weir.port, origin);

  const rssBefore = await rssBytes(weir.pid);
  const before = await latencies(weir.port, origin);
  const watch = watchRss(weir.pid);
  const { port } = weir;
  const crowds: Crowd[] = [
    {
      kind: 'stalled',
      clients: STALLED_CLIENTS,
      urls: [kept, `${origin}/plain/${10 * MIB}/0`, `${origin}/fresh/${10 * MIB - 1}/0`],
      port,
      addresses: ADDRESSES.slice(SLOW_CLIENTS / CLIENTS_PER_ADDRESS),
    },
    {
      kind: 'slow',
      clients: SLOW_CLIENTS,
      urls: [`${origin}/fresh/${256 * KIB}/0`, `${origin}/plain/${256 * KIB}/0`],
      port,
      addresses: ADDRESSES.slice(0, SLOW_CLIENTS / CLIENTS_PER_ADDRESS),
    },
  ];
  const gathered = await Promise.all(crowds.map(gather));
  await sleep(SETTLE_MS);
  const during = await latencies(port, origin);
  const rssMost = await watch();
  const { stats } = await weir.used();
  const seen = await Promise.all(gathered.map((crowd) => crowd.used()));

  console.log(
    comparisonTable(
      ['kept, ms', 'not kept, ms'],
      [
        { name: 'before', samples: before },
        { name: 'during', samples: during },
      ],
    ),
  );
  const mib = (bytes: number): string => `${(bytes / MIB).toFixed(0)} MiB`;
  console.log(
    `RSS of weir: ${mib(rssBefore)} before, ${mib(rssMost)} at most, ${mib(rssMost - rssBefore)} more`,
  );
  const { connections, refused, failed } = stats;
  console.log(`weir: ${connections} connections, ${refused} refused, ${failed} failed`);
  for (const [index, { kind }] of crowds.entries())
    console.log(`${kind}: ${JSON.stringify(seen[index]?.stats)}`);
}

async function fetchOnce(port: number, url: string, sizeBytes: number): Promise<void> {
  const client = await openClient(port, sizeBytes);
  await client.get(url);
  client.close();
}

/** Numbers the answers that are new. */
let answersSoFar = 0;

/** How long a client waits that asks now and then over one connection, in ms. */
async function latencies(port: number, origin: string): Promise<Record<string, number[]>> {
  const client = await openClient(port, KIB);
  const samples: Record<'kept, ms' | 'not kept, ms', number[]> = { 'kept, ms': [], 'not kept, ms': [] };
  const timed = async (url: string): Promise<number> => {
    const startMs = performance.now();
    await client.get(url);
    return performance.now() - startMs;
  };
  for (let request = 0; request < REQUESTS; request++) {
    samples['kept, ms'].push(await timed(`${origin}/fresh/${KIB}/0`));
    samples['not kept, ms'].push(await timed(`${origin}/tagged/${KIB}/${++answersSoFar}`));
    await sleep(REQUEST_EVERY_MS);
  }
  client.close();
  return samples;
}

/** Starts looking at the memory of a process; call what it gives to stop and get the most there was. */
function watchRss(pid: number): () => Promise<number> {
  let isOver = false;
  const watching = (async () => {
    let most = 0;
    while (!isOver) {
      most = Math.max(most, await rssBytes(pid));
      await sleep(SAMPLE_MS);
    }
    return most;
  })();
  return () => {
    isOver = true;
    return watching;
  };
}

async function rssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * KIB;
}

/** Node.js raises the soft limit to the hard one when it starts. */
async function checkFileLimit(pid: number): Promise<void> {
  const limits = await readFile(`/proc/${pid}/limits`, 'latin1');
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1] ?? '';
  if (Number(soft) < NEEDED_FILES)
    throw new Error(`${NEEDED_FILES} open files are needed and ${soft} allowed: raise ulimit -n`);
}
