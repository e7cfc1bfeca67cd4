import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startProcess } from './bench-process.ts';

/** A web cache in front of an origin, as a process of its own on 127.0.0.1. */
export interface WebCache {
  readonly port: number;
  /** CPU time so far in ms, once what has passed is dealt with, and what was recorded by then. */
  used(): Promise<{ cpuMs: number; recorded?: number }>;
  stop(): Promise<void>;
}

/** How one is started. `directory` is its own; `originPort` is for those that know their origin. */
export interface CacheKind {
  readonly name: string;
  /** How it tells its version. A program that cannot run this is missing. */
  readonly version?: readonly [program: string, ...args: string[]];
  /** A floor for hits: it has the answers itself and asks no origin. */
  readonly isFloor?: boolean;
  start(directory: string, originPort: number): Promise<WebCache>;
}

export const WEB_CACHES: readonly CacheKind[] = [
  { name: 'squid', version: ['squid', '-v'], start: startSquid },
  { name: 'nginx', version: ['nginx', '-v'], start: startNginx },
  { name: 'node:http from memory', isFloor: true, start: startMemory },
  { name: 'weir', start: startWeir },
];

export function isInstalled({
  version: [program, ...args] = [process.execPath, '--version'],
}: CacheKind): boolean {
  return spawnSync(program, args).status === 0;
}

/** Squid as a forward proxy with a memory cache alone. */
async function startSquid(directory: string): Promise<WebCache> {
  const port = await freePort();
  // Started by root, it becomes the user `proxy`.
  await chmod(directory, 0o777);
  const config = [
    `http_port 127.0.0.1:${port}`,
    'http_access allow localhost',
    'workers 1',
    'cache_mem 256 MB',
    'maximum_object_size 16 MB',
    'maximum_object_size_in_memory 16 MB',
    'memory_cache_shared off',
    'access_log none',
    'cache_store_log none',
    `cache_log ${join(directory, 'cache.log')}`,
    `pid_filename ${join(directory, 'pid')}`,
    `coredump_dir ${directory}`,
    'pinger_enable off',
    'netdb_filename none',
    'shutdown_lifetime 0 seconds',
    '',
  ];
  const path = join(directory, 'squid.conf');
  await writeFile(path, config.join('\n'));
  return startProgram(['squid', '-N', '-f', path], port);
}

/** nginx in front of the one origin, its cache in `directory` and kept connections on both sides. */
async function startNginx(directory: string, originPort: number): Promise<WebCache> {
  const port = await freePort();
  await mkdir(join(directory, 'cache'));
  const config = `
    daemon off;
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    worker_processes 1;
    pid ${join(directory, 'pid')};
    error_log ${join(directory, 'error.log')};
    events { worker_connections 1024; }
    http {
      access_log off;
      sendfile on;
      keepalive_requests 1000000;
      proxy_cache_path ${join(directory, 'cache')} keys_zone=bench:10m max_size=2g use_temp_path=off;
      proxy_temp_path ${join(directory, 'temp')};
      upstream origin { server 127.0.0.1:${originPort}; keepalive 16; keepalive_requests 1000000; }
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass http://origin;
          proxy_http_version 1.1;
          proxy_set_header Connection "";
          proxy_cache bench;
        }
      }
    }`;
  const path = join(directory, 'nginx.conf');
  await writeFile(path, config);
  return startProgram(['nginx', '-p', directory, '-e', join(directory, 'start.log'), '-c', path], port);
}

async function startMemory(): Promise<WebCache> {
  const { port, used, stop } = await startProcess('proxy-process', 'memory');
  return { port, used, stop };
}

/** All that `weir serve` runs, with the client as its subscriber. */
async function startWeir(directory: string): Promise<WebCache> {
  const { port, used, stop } = await startProcess('proxy-process', 'appliance', directory);
  return {
    port,
    async used() {
      const { cpuMs, stats } = await used();
      return { cpuMs, recorded: stats['recorded'] ?? 0 };
    },
    stop,
  };
}

const START_MS = 10_000;

async function startProgram([program, ...args]: [string, ...string[]], port: number): Promise<WebCache> {
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} does not start`);
  await listens(child, port);
  return {
    port,
    used: async () => ({ cpuMs: await cpuMsOfProcess(pid) }),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function listens(child: ChildProcess, port: number): Promise<void> {
  const untilMs = performance.now() + START_MS;
  while (performance.now() < untilMs && child.exitCode === null) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await sleep(50);
  }
  child.kill();
  throw new Error(`${child.spawnfile} does not listen on port ${port}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Linux counts in hundredths of a second here, whatever its own clock. */
const MS_PER_TICK = 10;

/** User and system time of a process and the children it has now, from /proc (proc(5)). */
export async function cpuMsOfProcess(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  // The second field is a name in parentheses, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ownMs = (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
  const children = await childrenOf(pid);
  const theirsMs = await Promise.all(children.map(cpuMsOfProcess));
  return theirsMs.reduce((sum, ms) => sum + ms, ownMs);
}

async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'latin1')),
  );
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}
