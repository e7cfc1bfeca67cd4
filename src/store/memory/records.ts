import { assert } from '../../base/assert.ts';
import { WeirError } from '../../base/errors.ts';
import {
  bytesId,
  type Change,
  expectationFailed,
  type Group,
  indexKeyTaken,
  readGroup,
  recordId,
} from '../group.ts';
import type { Collection, IndexKey, Range, Records, Record as StoredRecord } from '../records.ts';

/** Records in memory: what the other drivers must do, in the fewest words. Keeps nothing. */
export function openMemoryRecords(): Records {
  const rows = new Map<string, Row>();
  /** Which record has each key of a unique index. */
  const owners = new Map<string, string>();
  let isClosed = false;

  return {
    async get(collection, keys) {
      refuseIfClosed(isClosed);
      return keys.map((key) => {
        const row = rows.get(recordId(collection, key));
        return row === undefined ? undefined : collection.decode(new Uint8Array(row.value));
      });
    },
    async write(operations) {
      refuseIfClosed(isClosed);
      const group = readGroup(operations);
      checkExpectations(group, rows);
      checkUniqueness(group, owners);
      for (const change of group.changes) remove(change, rows, owners);
      for (const change of group.changes) insert(change, rows, owners);
    },
    async *range(collection, range = {}) {
      refuseIfClosed(isClosed);
      yield* select(collection, range, rows);
    },
    async close() {
      isClosed = true;
    },
  };
}

interface Row {
  readonly collection: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly indexKeys: readonly IndexKey[];
}

function checkExpectations(group: Group, rows: ReadonlyMap<string, Row>): void {
  for (const { collection, key, value } of group.expectations) {
    const row = rows.get(recordId(collection, key));
    const holds =
      value === undefined || row === undefined ? value === row : bytesId(value) === bytesId(row.value);
    if (!holds) throw expectationFailed(collection);
  }
}

/** Judged on the state after the group, so that two records may exchange their index keys. */
function checkUniqueness(group: Group, owners: ReadonlyMap<string, string>): void {
  const changed = new Set(group.changes.map((change) => recordId(change.collection, change.key)));
  const claims = new Map<string, string>();
  for (const change of group.changes) {
    const record = recordId(change.collection, change.key);
    for (const { index, id } of uniqueKeys(change)) {
      const owner = owners.get(id);
      const remaining = owner === undefined || changed.has(owner) ? claims.get(id) : owner;
      if (remaining !== undefined && remaining !== record) throw indexKeyTaken(change.collection, index);
      claims.set(id, record);
    }
  }
}

function remove(change: Change, rows: Map<string, Row>, owners: Map<string, string>): void {
  const record = recordId(change.collection, change.key);
  for (const { index, key } of rows.get(record)?.indexKeys ?? []) {
    const id = indexKeyId(change.collection.name, index, key);
    if (owners.get(id) === record) owners.delete(id);
  }
  rows.delete(record);
}

function insert(change: Change, rows: Map<string, Row>, owners: Map<string, string>): void {
  if (change.kind === 'delete') return;
  const record = recordId(change.collection, change.key);
  rows.set(record, {
    collection: change.collection.name,
    key: new Uint8Array(change.key),
    value: new Uint8Array(change.value),
    indexKeys: change.indexKeys.map(({ index, key }) => ({ index, key: new Uint8Array(key) })),
  });
  for (const { id } of uniqueKeys(change)) owners.set(id, record);
}

function uniqueKeys(change: Change): { index: string; id: string }[] {
  if (change.kind === 'delete') return [];
  const unique = new Set(
    change.collection.indexes.filter((index) => index.unique).map((index) => index.name),
  );
  return change.indexKeys
    .filter(({ index }) => unique.has(index))
    .map(({ index, key }) => ({ index, id: indexKeyId(change.collection.name, index, key) }));
}

function indexKeyId(collection: string, index: string, key: Uint8Array): string {
  return recordId({ name: `${collection}/${index}` }, key);
}

/** Each record at the smallest of its keys in the range. */
function select<V>(
  collection: Collection<V>,
  range: Range,
  rows: ReadonlyMap<string, Row>,
): StoredRecord<V>[] {
  const { index } = range;
  assert(index === undefined || collection.indexes.some(({ name }) => name === index), `no index ${index}`);
  const from = range.from === undefined ? '' : bytesId(range.from);
  const to = range.to === undefined ? undefined : bytesId(range.to);
  const found: { row: Row; key: string; at: string }[] = [];
  for (const row of rows.values()) {
    if (row.collection !== collection.name) continue;
    const keys =
      index === undefined ? [row.key] : row.indexKeys.filter((k) => k.index === index).map((k) => k.key);
    const inRange = keys.map(bytesId).filter((key) => key >= from && (to === undefined || key < to));
    const at = inRange.sort()[0];
    if (at !== undefined) found.push({ row, key: bytesId(row.key), at });
  }
  found.sort((a, b) => compare(a.at, b.at) || compare(a.key, b.key));
  return found.slice(0, range.limit).map(({ row }) => ({
    key: new Uint8Array(row.key),
    value: collection.decode(new Uint8Array(row.value)),
  }));
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function refuseIfClosed(isClosed: boolean): void {
  if (isClosed) throw new WeirError('WEIR_STORE_CLOSED', 'the records are closed');
}
