import { WeirError } from '../base/errors.ts';
import { type Collection, type Operation, putRecord, type Records } from '../store/records.ts';
import { MAX_LISTED_SNAPSHOTS } from '../wire/limits.ts';
import { committed, type Snapshot } from '../wire/snapshots.ts';
import { type Scope, scopePrefix } from './scope.ts';
import { versioned } from './versioned.ts';

/** Keyed by scope, time and id, so that a scope's snapshots stand together in order of time. */
const snapshotRecords: Collection<Snapshot> = {
  ...versioned('snapshots', committed.encode, committed.decode),
  indexes: [],
};

/** What to write so that the snapshot exists. Everything it refers to must be durable by then. */
export function recordSnapshot(scope: Scope, snapshot: Snapshot): Operation {
  return putRecord(snapshotRecords, snapshotKey(scope, snapshot), snapshot);
}

/** The scope's snapshots, newest first; the newest MAX_LISTED_SNAPSHOTS of them. */
export async function listSnapshots(records: Records, scope: Scope): Promise<Snapshot[]> {
  const found: Snapshot[] = [];
  for await (const { value } of records.range(snapshotRecords, rangeOf(scope))) {
    found.push(value);
    if (found.length > MAX_LISTED_SNAPSHOTS) found.shift();
  }
  return found.reverse();
}

/** The one snapshot a person means by "latest" or by the beginning of its id, however many there are. */
export async function findSnapshot(records: Records, scope: Scope, name: string): Promise<Snapshot> {
  const isLatest = name === 'latest';
  let found: Snapshot | undefined;
  for await (const { value } of records.range(snapshotRecords, rangeOf(scope))) {
    if (!isLatest && !Buffer.from(value.id).toString('hex').startsWith(name)) continue;
    if (!isLatest && found !== undefined) unknown('more than one snapshot', name);
    found = value;
  }
  return found ?? unknown('no snapshot', name);
}

function unknown(problem: string, name: string): never {
  throw new WeirError('WEIR_SNAPSHOT_UNKNOWN', `${problem} is called "${name}"`);
}

function rangeOf(scope: Scope): { from: Buffer; to: Buffer } {
  return { from: scopePrefix(scope.number), to: scopePrefix(scope.number + 1) };
}

function snapshotKey(scope: Scope, snapshot: Snapshot): Buffer {
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(snapshot.timeMs), 0);
  return Buffer.concat([scopePrefix(scope.number), time, snapshot.id]);
}
