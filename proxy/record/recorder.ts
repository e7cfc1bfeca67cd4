import type { Clock } from '../../src/base/clock.ts';
import { asWeirError } from '../../src/base/errors.ts';
import type { Log } from '../../src/base/log.ts';
import type { Random } from '../../src/base/random.ts';
import type { Catalog } from '../../src/catalog/catalog.ts';
import type { Portion } from '../../src/catalog/contents.ts';
import type { Scope } from '../../src/catalog/scope.ts';
import { contentIdHasher } from '../../src/content/content-id.ts';
import { fingerprintHasher } from '../../src/content/fingerprint.ts';
import { identifierOfFile } from '../../src/content/identifier.ts';
import { createPortionCutter, type PortionCutter } from './portion-cutter.ts';
import { createRecentBodies, type RecentBodies } from './recent-bodies.ts';
import type { Passing, Recorder, Recording } from './recording.ts';
import { createWitnessKey, type WitnessKey } from './witness.ts';

export interface RecorderOptions {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Bodies above this are not recorded. */
  readonly maxBodyBytes: number;
}

/** A recorder that keeps its books. */
export interface StoringRecorder extends Recorder {
  readonly stats: Readonly<RecorderStats>;
  /** Resolves when everything finished so far is durable or given up. */
  settle(): Promise<void>;
}

export interface RecorderStats {
  recorded: number;
  recordedBytes: number;
  /** Bodies recognised as recorded before. */
  recognised: number;
  /** Bodies that were not what their validators said; recorded when they pass again. */
  misjudged: number;
  abandoned: number;
  /** Given up because the store did not keep up or refused. */
  dropped: number;
  /** Files a watch entry waited for. */
  caught: number;
}

/** Bytes on their way to the store for one body, and for all with what is being cut. Beyond, it is not recorded. */
export const MAX_BODY_QUEUE_BYTES = 64 * 1024 * 1024;
export const MAX_QUEUE_BYTES = 256 * 1024 * 1024;

interface Shared extends RecorderOptions {
  readonly recent: RecentBodies;
  readonly witnessKey: WitnessKey;
  readonly stats: RecorderStats;
  readonly underWay: Set<Promise<void>>;
  queuedBytes: number;
}

export function createRecorder(options: RecorderOptions): StoringRecorder {
  const stats = {
    recorded: 0,
    recordedBytes: 0,
    recognised: 0,
    misjudged: 0,
    abandoned: 0,
    dropped: 0,
    caught: 0,
  };
  const witnessKey = createWitnessKey(options.random);
  const shared: Shared = {
    ...options,
    recent: createRecentBodies(),
    witnessKey,
    stats,
    underWay: new Set(),
    queuedBytes: 0,
  };
  return {
    begin(passing) {
      const subscriber = options.catalog.subscribers.byAddress(passing.clientAddress.replace(/^::ffff:/, ''));
      const { sizeBytes } = passing;
      if (subscriber === undefined || subscriber.isSuspended || sizeBytes === 0) return undefined;
      if (sizeBytes !== undefined && sizeBytes > options.maxBodyBytes) return undefined;
      if (shared.queuedBytes > MAX_QUEUE_BYTES) {
        stats.dropped++;
        return undefined;
      }
      return recognise(shared, subscriber.scope, passing) ?? record(shared, subscriber.scope, passing);
    },
    stats,
    async settle() {
      while (shared.underWay.size > 0) await Promise.all(shared.underWay);
    },
  };
}

/** For a body that its validators say was recorded: only checks that they are right. */
function recognise(shared: Shared, scope: Scope, passing: Passing): Recording | undefined {
  const known = shared.recent.find(scope, passing);
  if (known === undefined) return undefined;
  const witness = shared.witnessKey.start(known.nonce);
  return {
    write: (chunk) => witness.update(chunk),
    finish() {
      if (witness.digest().equals(known.witness)) shared.stats.recognised++;
      else {
        shared.stats.misjudged++;
        shared.recent.forget(scope, passing);
      }
    },
    abandon() {
      shared.stats.abandoned++;
    },
  };
}

function record(shared: Shared, scope: Scope, passing: Passing): Recording {
  const { stats, maxBodyBytes } = shared;
  const nonce = shared.witnessKey.newNonce();
  const witness = shared.witnessKey.start(nonce);
  const id = contentIdHasher();
  const print = fingerprintHasher();
  const queue = createBodyQueue(shared, scope, giveUp);
  let cutter: PortionCutter | undefined = createPortionCutter(queue.put);
  const { portions } = cutter;
  let sizeBytes = 0;
  let isGivenUp = false;

  function stop(): void {
    isGivenUp = true;
    cutter = undefined;
    queue.stop();
  }

  function giveUp(error?: unknown): void {
    if (isGivenUp) return;
    stop();
    stats.dropped++;
    const reason = error === undefined ? 'the store does not keep up' : asWeirError(error).message;
    shared.log.warn('proxy.capture.dropped', { url: passing.url, reason });
  }

  async function hold(): Promise<void> {
    await queue.settle();
    if (isGivenUp) return;
    const contentId = id.digest();
    const identifier = identifierOfFile(print.digest());
    const file = { level: 'file' as const, contentId, sizeBytes, identifier, isProved: false };
    const { url, etag, lastModified } = passing;
    const capture = { url, contentId, sizeBytes, etag, lastModified, timeMs: shared.clock.wallMs() };
    const object = { ...file, portions: portions.list() };
    const { wasWanted } = await shared.catalog.captures.record(scope, object, capture);
    stats.recorded++;
    stats.recordedBytes += sizeBytes;
    if (wasWanted) stats.caught++;
    shared.recent.remember(scope, passing, { sizeBytes, nonce, witness: witness.digest() });
  }

  return {
    write(chunk) {
      if (isGivenUp) return;
      sizeBytes += chunk.length;
      if (sizeBytes > maxBodyBytes) return giveUp();
      id.update(chunk);
      print.update(chunk);
      witness.update(chunk);
      cutter?.write(chunk);
      queue.count(cutter?.heldBytes ?? 0);
    },
    finish() {
      if (isGivenUp || sizeBytes === 0) return;
      cutter?.finish();
      cutter = undefined;
      queue.count(0);
      const held = hold()
        .catch(giveUp)
        .finally(() => shared.underWay.delete(held));
      shared.underWay.add(held);
    },
    abandon() {
      stop();
      stats.abandoned++;
    },
  };
}

/** The portions of one body on their way to the store, counted against both bounds. */
interface BodyQueue {
  put(portions: Portion[]): void;
  /** States how much of the body waits to be put. */
  count(heldBytes: number): void;
  /** Resolves when everything put so far is durable or given up. */
  settle(): Promise<void>;
  /** Puts nothing more. */
  stop(): void;
}

/** `giveUp` is called when a bound is passed or the store fails; it calls `stop`. */
function createBodyQueue(shared: Shared, scope: Scope, giveUp: (error?: unknown) => void): BodyQueue {
  let puts = Promise.resolve();
  let queuedBytes = 0;
  let heldBytes = 0;
  let isStopped = false;

  /** Async, so that a store that throws is a store that rejects. */
  async function store(portions: Portion[]): Promise<void> {
    if (!isStopped) await shared.catalog.contents.putPortions(scope, portions, 'passing');
  }

  function count(nowHeldBytes: number): void {
    const counted = isStopped ? 0 : nowHeldBytes;
    shared.queuedBytes += counted - heldBytes;
    heldBytes = counted;
    if (!isStopped && shared.queuedBytes > MAX_QUEUE_BYTES) giveUp();
  }

  return {
    put(portions) {
      if (isStopped) return;
      const bytes = portions.reduce((sum, portion) => sum + portion.bytes.length, 0);
      queuedBytes += bytes;
      shared.queuedBytes += bytes;
      if (queuedBytes > MAX_BODY_QUEUE_BYTES) giveUp();
      const settled = store(portions)
        .catch(giveUp)
        .finally(() => {
          queuedBytes -= bytes;
          shared.queuedBytes -= bytes;
        });
      puts = Promise.all([puts, settled]).then(() => undefined);
    },
    count,
    settle: () => puts,
    stop() {
      isStopped = true;
      count(0);
    },
  };
}
