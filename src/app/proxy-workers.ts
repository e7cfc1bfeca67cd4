import { setTimeout as delay } from 'node:timers/promises';
import type { Keeper } from '../../proxy/record/keeper.ts';
import { createKeeperServer, type KeeperServer } from '../../proxy/worker/keeper-server.ts';
import { assert } from '../base/assert.ts';
import { systemClock } from '../base/clock.ts';
import { asWeirError, WeirError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Subscribers } from '../catalog/subscribers.ts';
import type { Config } from './config.ts';
import type { ProxyRole } from './proxy-role.ts';
import { sumOf } from './worker-messages.ts';
import { startWorker, type WorkerProcess } from './worker-process.ts';

/** The proxy in processes of its own, which share its ports; this process owns the stores. */
export interface ProxyWorkers extends ProxyRole, Pick<KeeperServer, 'left'> {
  /** Resolves with the reason when no worker is left and none could be started. */
  readonly failure: Promise<WeirError>;
}

/** Before a worker that ended is replaced; twice as long each time, until one has been steady. */
const RESTART_MS = 100;
const MAX_RESTART_MS = 10_000;
const STEADY_MS = 60_000;
/** Failed starts in a row, while there is no worker at all, after which there will be none. */
const MAX_FAILED_STARTS = 5;
/** A worker that takes longer is left out. */
const STATS_MS = 2_000;

export async function openProxyWorkers(
  config: Config,
  log: Log,
  openKeeper: () => Keeper,
  subscribers: Subscribers,
): Promise<ProxyWorkers> {
  const pool = new WorkerPool(config, log, createKeeperServer(openKeeper, subscribers));
  await pool.open();
  return pool;
}

class WorkerPool implements ProxyWorkers {
  readonly failure: Promise<WeirError>;
  readonly left: ProxyWorkers['left'];
  readonly #start: () => Promise<WorkerProcess>;
  readonly #log: Log;
  readonly #workers: number;
  readonly #running = new Set<WorkerProcess>();
  readonly #closing = new AbortController();
  #places: Promise<void>[] = [];
  #fail: (error: WeirError) => void = () => {};
  #ended = 0;
  #failedStarts = 0;

  constructor(config: Config, log: Log, server: KeeperServer) {
    this.#log = log;
    this.#workers = config.proxy.workers;
    this.#start = () => startWorker(config, server, log, this.#closing.signal);
    this.left = server.left;
    this.failure = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  async open(): Promise<void> {
    const starts = await Promise.allSettled(Array.from({ length: this.#workers }, () => this.#add()));
    this.#places = starts.flatMap((start) => (start.status === 'fulfilled' ? this.#keep(start.value) : []));
    const failed = starts.find((start) => start.status === 'rejected');
    if (failed === undefined) return;
    await this.close();
    throw asWeirError(failed.reason);
  }

  get address(): ProxyRole['address'] {
    const [first] = this.#running;
    assert(first !== undefined, 'there is no worker');
    return first.address;
  }

  async stats(): Promise<Readonly<Record<string, unknown>>> {
    const all = await Promise.all([...this.#running].map(statsOf));
    const told = all.filter((one) => one !== undefined);
    const running = told.map(({ pid, stats: { proxy } }) => {
      return { pid, requests: proxy['requests'], connections: proxy['connections'] };
    });
    return { ...sumOf(told.map(({ stats }) => stats)), workers: { running, ended: this.#ended } };
  }

  async settle(): Promise<void> {
    // One that ends meanwhile has nothing left to do.
    await Promise.allSettled([...this.#running].map((worker) => worker.settle()));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#running].map((worker) => worker.close()));
    await Promise.all(this.#places);
  }

  async #add(): Promise<WorkerProcess> {
    const worker = await this.#start();
    this.#running.add(worker);
    this.#log.info('proxy.worker.started', { pid: worker.pid });
    return worker;
  }

  /** Sees to it that there is a worker in this one's place as long as the pool is open. */
  async #keep(first: WorkerProcess): Promise<void> {
    let restartMs = RESTART_MS;
    let worker: WorkerProcess | undefined = first;
    while (worker !== undefined) {
      const sinceMs = systemClock.monotonicMs();
      const how = await worker.ended;
      this.#running.delete(worker);
      if (this.#closing.signal.aborted) return;
      this.#ended++;
      const isSteady = systemClock.monotonicMs() - sinceMs > STEADY_MS;
      restartMs = isSteady ? RESTART_MS : Math.min(2 * restartMs, MAX_RESTART_MS);
      this.#log.error('proxy.worker.ended', { pid: worker.pid, how, restartMs });
      worker = await this.#replace(restartMs);
    }
  }

  /** Undefined when the pool is closed meanwhile. */
  async #replace(firstMs: number): Promise<WorkerProcess | undefined> {
    for (let restartMs = firstMs; ; restartMs = Math.min(2 * restartMs, MAX_RESTART_MS)) {
      await delay(restartMs, undefined, { signal: this.#closing.signal }).catch(() => {});
      if (this.#closing.signal.aborted) return undefined;
      try {
        const worker = await this.#add();
        this.#failedStarts = 0;
        return worker;
      } catch (error) {
        if (!this.#closing.signal.aborted) this.#noteFailedStart(asWeirError(error));
      }
    }
  }

  #noteFailedStart(error: WeirError): void {
    this.#log.error('proxy.worker.not_started', { code: error.code, message: error.message });
    this.#failedStarts = this.#running.size > 0 ? 0 : this.#failedStarts + 1;
    if (this.#failedStarts < MAX_FAILED_STARTS) return;
    this.#fail(new WeirError('WEIR_WORKER_LOST', 'no process of the proxy can be started', { cause: error }));
  }
}

async function statsOf(worker: WorkerProcess) {
  const { pid } = worker;
  const late = delay(STATS_MS, undefined, { ref: false });
  // One that ends meanwhile counts no more.
  const stats = await Promise.race([worker.stats().catch(() => undefined), late]);
  return stats && { pid, stats };
}
