import type { Clock } from '../../src/base/clock.ts';
import { asWeirError } from '../../src/base/errors.ts';
import type { Log } from '../../src/base/log.ts';
import type { Random } from '../../src/base/random.ts';
import type { Portion } from '../../src/catalog/contents.ts';
import type { HeldBody } from '../../src/catalog/responses.ts';
import { fingerprintHasher } from '../../src/content/fingerprint.ts';
import { identifierOfFile } from '../../src/content/identifier.ts';
import { portionListBuilder } from '../../src/content/portion-list.ts';
import { type Keeper, NOBODYS_SCOPE } from './keeper.ts';
import { countRefusals, type RecordingPolicy, type Refusal } from './policy.ts';
import { createPortionCutter, type PortionCutter, SLAB_BYTES } from './portion-cutter.ts';
import { createRecentBodies, type RecentBodies } from './recent-bodies.ts';
import type { Passing, Recorder, Recording } from './recording.ts';
import { createSlabs, type Slabs } from './slabs.ts';
import { createWitnessKey, type WitnessKey } from './witness.ts';

export interface RecorderOptions {
  readonly keeper: Keeper;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly policy: RecordingPolicy;
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
  /** Bodies not to be recorded for the subscriber, by reason. */
  readonly refused: Record<Refusal, number>;
}

/** Bytes on their way to the store for one body, and for all with what is being cut. Beyond, it is not recorded. */
export const MAX_BODY_QUEUE_BYTES = 32 * 1024 * 1024;
export const MAX_QUEUE_BYTES = 64 * 1024 * 1024;

const NO_PORTIONS = portionListBuilder().list();
const NOT_HELD: Promise<undefined> = Promise.resolve(undefined);

interface Shared extends RecorderOptions {
  readonly recent: RecentBodies;
  readonly witnessKey: WitnessKey;
  readonly slabs: Slabs;
  readonly stats: RecorderStats;
  readonly underWay: Set<Promise<void>>;
  queuedBytes: number;
  /** Begun so far: the number of the last. */
  recordings: number;
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
    refused: countRefusals(),
  };
  const witnessKey = createWitnessKey(options.random);
  const shared: Shared = {
    ...options,
    recent: createRecentBodies(),
    witnessKey,
    slabs: createSlabs(),
    stats,
    underWay: new Set(),
    queuedBytes: 0,
    recordings: 0,
  };
  return {
    begin(passing) {
      const scope = scopeFor(shared, passing);
      const { held } = passing;
      if (scope === undefined) return undefined;
      if (held !== undefined && isHeld(shared, scope, passing, held)) return undefined;
      if (shared.queuedBytes + SLAB_BYTES > MAX_QUEUE_BYTES) {
        stats.dropped++;
        return undefined;
      }
      return recognise(shared, scope, passing) ?? record(shared, scope, passing);
    },
    stats,
    async settle() {
      while (shared.underWay.size > 0) await Promise.all(shared.underWay);
    },
  };
}

/** Whose content the body becomes: the subscriber's it passes to, else the cache's if it keeps it. */
function scopeFor({ keeper, policy, stats }: Shared, passing: Passing): number | undefined {
  const { clientAddress, url, mediaType, sizeBytes, keep } = passing;
  const subscriber = keeper.subscriberAt(clientAddress.replace(/^::ffff:/, ''));
  const refusal = policy.refusal({ protocol: 'http', url, mediaType, sizeBytes }, subscriber);
  if (refusal === undefined) return subscriber?.number;
  stats.refused[refusal]++;
  if (keep === undefined || sizeBytes === 0 || refusal === 'tooLarge') return undefined;
  return NOBODYS_SCOPE;
}

/** Whether nothing is left to do for a body from the cache. */
function isHeld(
  { recent, keeper }: Shared,
  scope: number,
  passing: Passing,
  held: NonNullable<Passing['held']>,
): boolean {
  if (held.scope === scope) return true;
  const known = held.contentId && recent.find(scope, passing, held.contentId);
  return known !== undefined && keeper.isHeld(scope, known);
}

/** For a body that its validators say was recorded: only checks that they are right. */
function recognise(shared: Shared, scope: number, passing: Passing): Recording | undefined {
  const { stats, recent, keeper } = shared;
  const known = recent.findByValidator(scope, passing);
  if (known === undefined || !keeper.isHeld(scope, known)) return undefined;
  const body = { scope, contentId: known.contentId, sizeBytes: known.sizeBytes };
  const witness = shared.witnessKey.start(known.nonce);

  async function keep(): Promise<HeldBody | undefined> {
    const kept = passing.keep?.(body);
    try {
      if (kept !== undefined) await keeper.replace(kept);
      return body;
    } catch (error) {
      shared.log.warn('proxy.capture.dropped', { url: passing.url, reason: asWeirError(error).message });
      return undefined;
    }
  }

  return {
    durable: { scope, sizeBytes: 0, isLost: true, portions: () => NO_PORTIONS },
    write: (chunk) => witness.update(chunk),
    finish() {
      if (witness.digest().equals(known.witness)) {
        stats.recognised++;
        return track(shared, keep());
      }
      stats.misjudged++;
      recent.forget(scope, passing);
      return NOT_HELD;
    },
    abandon() {
      stats.abandoned++;
    },
  };
}

function record(shared: Shared, scope: number, passing: Passing): Recording {
  const { stats, policy } = shared;
  const nonce = shared.recent.isWitnessWanted(scope, passing) ? shared.witnessKey.newNonce() : undefined;
  const witness = nonce && shared.witnessKey.start(nonce);
  const print = fingerprintHasher();
  const recording = ++shared.recordings;
  const queue = createBodyQueue(shared, { recording, scope }, giveUp, progress);
  let cutter: PortionCutter | undefined = createPortionCutter(shared.slabs, passing.sizeBytes, queue.put);
  const { portions } = cutter;
  const durable = { scope, sizeBytes: 0, isLost: false, portions: () => portions.list() };
  let sizeBytes = 0;

  function progress(durableBytes: number): void {
    durable.sizeBytes += durableBytes;
    passing.onProgress?.();
  }

  function stop(): void {
    durable.isLost = true;
    cutter?.drop();
    cutter = undefined;
    queue.stop();
    shared.keeper.release(recording);
  }

  function giveUp(error?: unknown): undefined {
    if (durable.isLost) return;
    stop();
    stats.dropped++;
    const reason = error === undefined ? 'the store does not keep up' : asWeirError(error).message;
    shared.log.warn('proxy.capture.dropped', { url: passing.url, reason });
    passing.onProgress?.();
  }

  function refuse(refusal: Refusal): void {
    if (durable.isLost) return;
    stop();
    stats.refused[refusal]++;
    passing.onProgress?.();
  }

  async function hold(contentId: Uint8Array): Promise<HeldBody | undefined> {
    await queue.settle();
    if (durable.isLost) return undefined;
    const identifier = identifierOfFile(print.digest());
    const object = { level: 'file' as const, contentId, sizeBytes, identifier, isProved: false };
    const { url, etag, lastModified, keep } = passing;
    const capture = { url, contentId, sizeBytes, etag, lastModified, timeMs: shared.clock.wallMs() };
    const body = { scope, contentId, sizeBytes };
    const { wasWanted } = await shared.keeper.record(
      recording,
      scope,
      { ...object, portions: portions.list() },
      capture,
      keep?.(body),
    );
    stats.recorded++;
    stats.recordedBytes += sizeBytes;
    if (wasWanted) stats.caught++;
    shared.recent.remember(scope, passing, {
      ...object,
      ...(nonce && witness && { nonce, witness: witness.digest() }),
    });
    return body;
  }

  return {
    durable,
    write(chunk) {
      if (durable.isLost) return;
      sizeBytes += chunk.length;
      if (policy.refusalOfSize(sizeBytes) === 'tooLarge') return refuse('tooLarge');
      print.update(chunk);
      witness?.update(chunk);
      cutter?.write(chunk);
      queue.count(cutter?.heldBytes ?? 0);
    },
    finish() {
      const isTooSmall = passing.keep === undefined && policy.refusalOfSize(sizeBytes) === 'tooSmall';
      if (isTooSmall || sizeBytes === 0) refuse('tooSmall');
      if (durable.isLost || cutter === undefined) return NOT_HELD;
      const contentId = cutter.finish();
      cutter = undefined;
      queue.count(0);
      return track(shared, hold(contentId).catch(giveUp));
    },
    abandon() {
      stop();
      stats.abandoned++;
    },
  };
}

/** Lets `settle` wait for what a body still has to do. */
function track<T>({ underWay }: Shared, work: Promise<T>): Promise<T> {
  const done = work.then(() => {
    underWay.delete(done);
  });
  underWay.add(done);
  return work;
}

/** The portions of one body on their way to the store, counted against both bounds. */
interface BodyQueue {
  /** `slab` is the memory the portions are views of: used again once they are put or given up. */
  put(portions: readonly Portion[], slab: Buffer): void;
  /** States how much of the body waits to be put. */
  count(heldBytes: number): void;
  /** Resolves when everything put so far is durable or given up. */
  settle(): Promise<void>;
  /** Puts nothing more. */
  stop(): void;
}

/**
 * `giveUp` is called when a bound is passed or the store fails; it calls `stop`. `progress` is told
 * how many more of the bytes put first are durable.
 */
function createBodyQueue(
  shared: Shared,
  { recording, scope }: { recording: number; scope: number },
  giveUp: (error?: unknown) => void,
  progress: (durableBytes: number) => void,
): BodyQueue {
  let puts = Promise.resolve();
  let queuedBytes = 0;
  let heldBytes = 0;
  let isStopped = false;

  /** Async, so that a store that throws is a store that rejects. */
  async function store(portions: readonly Portion[]): Promise<void> {
    if (!isStopped) await shared.keeper.putPortions(recording, scope, portions);
  }

  function count(nowHeldBytes: number): void {
    const counted = isStopped ? 0 : nowHeldBytes;
    shared.queuedBytes += counted - heldBytes;
    heldBytes = counted;
    if (!isStopped && shared.queuedBytes > MAX_QUEUE_BYTES) giveUp();
  }

  return {
    put(portions, slab) {
      if (isStopped) return;
      const bytes = portions.reduce((sum, portion) => sum + portion.bytes.length, 0);
      queuedBytes += slab.length;
      shared.queuedBytes += slab.length;
      if (queuedBytes > MAX_BODY_QUEUE_BYTES) giveUp();
      const settled = store(portions)
        .catch(giveUp)
        .finally(() => {
          queuedBytes -= slab.length;
          shared.queuedBytes -= slab.length;
          shared.slabs.giveBack(slab);
        });
      puts = Promise.all([puts, settled]).then(() => {
        if (!isStopped) progress(bytes);
      });
    },
    count,
    settle: () => puts,
    stop() {
      isStopped = true;
      count(0);
    },
  };
}
