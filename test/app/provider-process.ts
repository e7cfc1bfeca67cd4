import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { readOperatorToken } from '../../src/app/operator-token.ts';
import { WEIR } from '../backup/program.ts';

const HOST = '127.0.0.1';

/** `weir serve` in a process of its own, with a data directory and ports of its own. */
export interface ProviderProcess extends AsyncDisposable {
  readonly port: number;
  readonly backupPort: number;
  /** What its log has said so far, a record for each line. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  readonly process: ChildProcess;
  stats(): Promise<ProviderStats>;
  addSubscriber(name: string, addresses: readonly string[]): Promise<string>;
  /** Resolves with the exit code, or with what killed it. */
  end(signal: NodeJS.Signals): Promise<number | string>;
}

const counters = z.record(z.string(), z.unknown());
const workers = z.object({
  running: z.array(z.object({ pid: z.number(), requests: z.number(), connections: z.number() })),
  ended: z.number(),
});
const providerStats = z.object({
  recorder: counters,
  proxy: counters,
  workers: workers.default({ running: [], ended: 0 }),
});
export type ProviderStats = z.infer<typeof providerStats>;

/** `proxy` are keys of that part of the configuration, as YAML in one line. */
export async function startProvider(directory: string, proxy: string): Promise<ProviderProcess> {
  const config = join(directory, 'weir.yaml');
  writeFileSync(config, configuration(directory, proxy));
  // A group of its own, as a terminal makes one.
  const child = spawn(process.execPath, [WEIR, 'serve', '--config', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const log = readLog(child);
  const exit = endOf(child);
  const ports = await readPorts(child, log);
  const token = await readOperatorToken(join(directory, 'data'));
  const api = `http://${HOST}:${ports.get('console')}/api`;
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };

  async function end(signal: NodeJS.Signals): Promise<number | string> {
    child.kill(signal);
    return exit;
  }

  return {
    port: ports.get('proxy') ?? 0,
    backupPort: ports.get('backup') ?? 0,
    log,
    process: child,
    async stats() {
      return providerStats.parse(await (await fetch(`${api}/stats`, { headers })).json());
    },
    async addSubscriber(name, addresses) {
      const body = JSON.stringify({ name, addresses });
      const answer = await fetch(`${api}/subscribers`, { method: 'POST', headers, body });
      return z.object({ invitation: z.string() }).parse(await answer.json()).invitation;
    },
    end,
    [Symbol.asyncDispose]: async () => void (await end('SIGKILL')),
  };
}

function configuration(directory: string, proxy: string): string {
  return [
    `dataDirectory: ${directory}/data`,
    `proxy: { host: ${HOST}, port: 0, ${proxy} }`,
    `backup: { host: ${HOST}, port: 0, publicHost: ${HOST} }`,
    'console: { port: 0 }',
    'dial: { allow: [127.0.0.0/8] }',
    'store: { reserveBytes: 0 }',
  ].join('\n');
}

function readLog(child: ChildProcess): Record<string, unknown>[] {
  const log: Record<string, unknown>[] = [];
  let rest = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    const lines = (rest + bytes.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines)
      log.push(line.startsWith('{') ? z.record(z.string(), z.unknown()).parse(JSON.parse(line)) : { line });
  });
  return log;
}

async function readPorts(child: ChildProcess, log: readonly unknown[]): Promise<Map<string, number>> {
  let text = '';
  for await (const bytes of child.stdout ?? []) {
    text += String(bytes);
    if (text.includes('ready\n')) break;
  }
  if (!text.includes('ready\n')) throw new Error(`weir serve did not start: ${JSON.stringify(log)}`);
  return new Map(
    [...text.matchAll(/^(\w+)\s+\S+:(\d+)$/gm)].map(([, role = '', port]) => [role, Number(port)]),
  );
}

async function endOf(child: ChildProcess): Promise<number | string> {
  await once(child, 'exit');
  return child.signalCode ?? child.exitCode ?? -1;
}

/** Resolves when `find` gives something; rejects with `what` after a while. */
export async function until<T>(what: string, find: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (const endMs = performance.now() + 15_000; performance.now() < endMs; await delay(20)) {
    const found = await find();
    if (found !== undefined && found !== false) return found;
  }
  throw new Error(`not in time: ${what}`);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
