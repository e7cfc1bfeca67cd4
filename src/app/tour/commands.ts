import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** The program itself, run the way a person runs it. */
const weir = fileURLToPath(new URL('../weir.js', import.meta.url));

/** Starts `weir serve` and waits until it says "ready". Gives the ports it printed. */
export async function startServe(
  config: string,
): Promise<{ ports: Map<string, number>; stop: () => Promise<void> }> {
  const child = spawn(process.execPath, [weir, 'serve', '--config', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (bytes: Buffer) => {
    log = (log + bytes.toString()).slice(-MAX_LOG_BYTES);
  });
  const ports = new Map<string, number>();
  let text = '';
  for await (const bytes of child.stdout) {
    text += String(bytes);
    if (text.includes('ready\n')) break;
  }
  if (!text.includes('ready\n')) throw new Error(`weir serve did not start:\n${log}`);
  for (const [, role = '', port = ''] of text.matchAll(/^(\w+)\s+\S+:(\d+)$/gm))
    ports.set(role, Number(port));
  return {
    ports,
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}

const MAX_LOG_BYTES = 16 * 1024;

/** Runs a command to its end and gives its JSON lines. */
export async function runWeir(...args: string[]): Promise<unknown[]> {
  const child = spawn(process.execPath, [weir, ...args, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => chunks.push(bytes));
  const [code] = z.tuple([z.number().nullable(), z.unknown()]).parse(await once(child, 'close'));
  const text = Buffer.concat(chunks).toString();
  if (code !== 0) throw new Error(`weir ${args[0]} ended with ${code}: ${text}`);
  return text
    .split('\n')
    .filter(Boolean)
    .map((line): unknown => JSON.parse(line));
}
