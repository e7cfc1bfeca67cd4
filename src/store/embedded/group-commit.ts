import { setImmediate as nextTurn } from 'node:timers/promises';
import { WeirError } from '../../base/errors.ts';
import type { Group } from '../group.ts';

/** Beyond this writers wait before their group is queued. */
const MAX_QUEUED_GROUPS = 1_024;
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
/**
 * Groups are taken into one transaction up to this, so that the event loop gets its turn: about
 * 10 ms. A larger group is a transaction by itself and takes as long as it takes.
 */
const MAX_TRANSACTION_OPERATIONS = 256;
const MAX_TRANSACTION_BYTES = 1024 * 1024;

export interface GroupCommit {
  /** Resolves when the group is durable; rejects with what kept it from being applied. */
  submit(group: Group): Promise<void>;
  /** Commits what is queued. Idempotent. */
  close(): Promise<void>;
}

export interface Committer {
  /** Applies the groups in one transaction; never throws. Undefined for each that is durable. */
  commit(groups: readonly Group[]): (WeirError | undefined)[];
  /** Housekeeping after a commit, in a turn of its own; never throws. */
  maintain(): void;
}

interface Queued {
  readonly group: Group;
  readonly resolve: () => void;
  readonly reject: (error: WeirError) => void;
}

/**
 * Commits groups in the order in which they arrive, those that arrive in one turn of the event
 * loop or during a commit together: one sync of the disk serves them all.
 */
export function openGroupCommit(committer: Committer): GroupCommit {
  const queue: Queued[] = [];
  let queuedBytes = 0;
  const waiting: (() => void)[] = [];
  let running: Promise<void> | undefined;
  let isClosed = false;

  async function run(): Promise<void> {
    while (queue.length > 0) {
      await nextTurn();
      const batch = queue.splice(0, batchLength(queue));
      queuedBytes -= batch.reduce((sum, { group }) => sum + group.sizeBytes, 0);
      settle(batch, committer.commit(batch.map(({ group }) => group)));
      for (const resume of waiting.splice(0)) resume();
      await nextTurn();
      committer.maintain();
    }
    running = undefined;
  }

  return {
    async submit(group) {
      while (!isClosed && (queue.length >= MAX_QUEUED_GROUPS || queuedBytes >= MAX_QUEUED_BYTES)) {
        await new Promise<void>((resume) => waiting.push(resume));
      }
      if (isClosed) throw new WeirError('WEIR_STORE_CLOSED', 'the records are closed');
      queuedBytes += group.sizeBytes;
      await new Promise<void>((resolve, reject) => {
        queue.push({ group, resolve, reject });
        running ??= run();
      });
    },
    async close() {
      isClosed = true;
      await running;
    },
  };
}

/** At least one. */
function batchLength(queue: readonly Queued[]): number {
  let operations = 0;
  let bytes = 0;
  const beyond = queue.findIndex(({ group }, index) => {
    operations += group.operations;
    bytes += group.sizeBytes;
    return index > 0 && (operations > MAX_TRANSACTION_OPERATIONS || bytes > MAX_TRANSACTION_BYTES);
  });
  return beyond === -1 ? queue.length : beyond;
}

function settle(batch: readonly Queued[], outcomes: readonly (WeirError | undefined)[]): void {
  batch.forEach(({ resolve, reject }, index) => {
    const error = outcomes[index];
    if (error === undefined) resolve();
    else reject(error);
  });
}
