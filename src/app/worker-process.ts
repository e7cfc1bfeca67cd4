import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { KeeperServer } from '../../proxy/worker/keeper-server.ts';
import { createLink, type Link } from '../../proxy/worker/link.ts';
import { receiveParcels } from '../../proxy/worker/parcels.ts';
import type { WeirError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Config } from './config.ts';
import type { ProxyRole } from './proxy-role.ts';
import { logged, nothing, ready, started, stats, type WorkerStats } from './worker-messages.ts';

/** A proxy worker as its owner sees it. */
export interface WorkerProcess extends Pick<ProxyRole, 'address' | 'settle' | 'close'> {
  readonly pid: number;
  stats(): Promise<WorkerStats>;
  /** Resolves when the process is gone, with its exit code or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

const PROGRAM = fileURLToPath(new URL('./proxy-worker.js', import.meta.url));
const START_MS = 30_000;
const CLOSE_MS = 15_000;

/**
 * Starts a worker and resolves when it listens. Rejects with the error it met, WEIR_PORT_UNAVAILABLE
 * and others, or with WEIR_WORKER_LOST when it ended; `signal` ends it.
 */
export async function startWorker(
  config: Config,
  server: KeeperServer,
  log: Log,
  signal: AbortSignal,
): Promise<WorkerProcess> {
  const worker = fork();
  const pid = worker.process.pid ?? 0;
  const kill = (): void => void worker.process.kill('SIGKILL');
  const onFault = (error: WeirError): void => {
    log.error('proxy.worker.fault', { pid, code: error.code, message: error.message });
    kill();
  };
  const link = linkTo(worker, onFault);
  const ended = endOf(worker, link, server);
  hearLog(link, log, pid);
  // What is sent before the program listens is lost.
  const listens = new Promise<void>((resolve) => {
    link.hear('ready', ready, ({ parcelPath }) => {
      const parcels = receiveParcels(parcelPath, onFault);
      server.serve(link, parcels);
      void ended.then(() => parcels.close());
      resolve();
    });
  });
  const late = setTimeout(kill, START_MS);
  signal.addEventListener('abort', kill);
  try {
    await Promise.race([listens, ended]);
    const { address } = await link.call('start', { config }, started);
    return {
      pid,
      address,
      ended,
      stats: () => link.call('stats', undefined, stats),
      settle: () => link.call('settle', undefined, nothing),
      close: () => closeWorker(link, ended, kill),
    };
  } catch (error) {
    kill();
    await ended;
    throw error;
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', kill);
  }
}

/**
 * All workers have the listening socket and accept by themselves (SCHED_NONE). To pass each
 * connection on from here (SCHED_RR) would have the owner do something for every one.
 */
function fork(): Worker {
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({ exec: PROGRAM, args: [], serialization: 'advanced' });
  return cluster.fork();
}

function linkTo(worker: Worker, onFault: (error: WeirError) => void): Link {
  const link = createLink({ send: (message, sent) => void worker.send(message, sent), onFault });
  worker.on('message', (message: unknown) => link.receive(message));
  return link;
}

async function endOf(worker: Worker, link: Link, server: KeeperServer): Promise<number | string> {
  const how = await new Promise<number | string>((resolve) => {
    worker.once('exit', (code, signal) => resolve(signal || code));
  });
  link.end();
  server.leave(link);
  return how;
}

function hearLog(link: Link, log: Log, pid: number): void {
  link.hear('log', logged, ({ level, event, facts }) => log[level](event, { ...facts, worker: pid }));
}

async function closeWorker(link: Link, ended: Promise<unknown>, kill: () => void): Promise<void> {
  const late = setTimeout(kill, CLOSE_MS);
  link.tell('close', undefined);
  await ended;
  clearTimeout(late);
}
