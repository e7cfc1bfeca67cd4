import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** A process of the HTTP benches: an origin, a proxy, or clients. */
export interface BenchProcess {
  readonly port: number;
  readonly pid: number;
  /** CPU time in ms and counters, once nothing is left to do for what has passed. */
  used(): Promise<Used>;
  stop(): Promise<void>;
}

const ready = z.object({ port: z.number() });
const used = z.object({ cpuMs: z.number(), stats: z.record(z.string(), z.number()) });

export type Used = z.infer<typeof used>;

/** Forks a program that stands beside this one; it tells its port when it is ready. */
export async function startProcess(file: string, ...args: readonly string[]): Promise<BenchProcess> {
  const child = fork(fileURLToPath(new URL(`${file}.js`, import.meta.url)), args);
  const { port } = ready.parse(await nextMessage(child));
  return {
    port,
    pid: child.pid ?? 0,
    async used() {
      child.send('used');
      return used.parse(await nextMessage(child));
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}

function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`a bench process ended with ${code}`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message);
    });
  });
}
