import { WeirError } from '../base/errors.ts';
import { type Collection, type Operation, putRecord, type Records } from '../store/records.ts';
import { MAX_LISTED_SNAPSHOTS } from '../wire/limits.ts';
import { committed, type Snapshot } from '../wire/snapshots.ts';
import type { Scope } from './scope.ts';

/** Keyed by scope, time and id, so that a scope's snapshots stand together in order of time. */
const snapshotRecords: Collection<Snapshot> = {
  name: 'snapshots',
  indexes: [],
  encode: committed.encode,
  decode: (bytes) => committed.decode(Buffer.from(bytes)),
};

/** What to write so that the snapshot exists. Everything it refers to must be durable by then. */
export function recordSnapshot(scope: Scope, snapshot: Snapshot): Operation {
  return putRecord(snapshotRecords, snapshotKey(scope, snapshot), snapshot);
}

/** The scope's snapshots, newest first; the newest MAX_LISTED_SNAPSHOTS of them. */
export async function listSnapshots(records: Records, scope: Scope): Promise<Snapshot[]> {
  const found: Snapshot[] = [];
  for await (const { value } of records.range(snapshotRecords, {
    from: prefix(scope.number),
    to: prefix(scope.number + 1),
  })) {
    found.push(value);
    if (found.length > MAX_LISTED_SNAPSHOTS) found.shift();
  }
  return found.reverse();
}

/** The one snapshot a person means by "latest" or by the beginning of its id. */
export async function findSnapshot(records: Records, scope: Scope, name: string): Promise<Snapshot> {
  const all = await listSnapshots(records, scope);
  const matching =
    name === 'latest'
      ? all.slice(0, 1)
      : all.filter(({ id }) => Buffer.from(id).toString('hex').startsWith(name));
  const [snapshot, second] = matching;
  if (snapshot === undefined || second !== undefined) {
    const problem = snapshot === undefined ? 'no snapshot' : 'more than one snapshot';
    throw new WeirError('WEIR_SNAPSHOT_UNKNOWN', `${problem} is called "${name}"`);
  }
  return snapshot;
}

function snapshotKey(scope: Scope, snapshot: Snapshot): Buffer {
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(snapshot.timeMs), 0);
  return Buffer.concat([prefix(scope.number), time, snapshot.id]);
}

function prefix(scope: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(scope, 0);
  return bytes;
}
