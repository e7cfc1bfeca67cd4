import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { assert } from '../../base/assert.ts';
import { WeirError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { bytesId, type Change, expectationFailed, type Group, indexKeyTaken } from '../group.ts';
import type { Committer } from './group-commit.ts';
import type { Names, Numbers } from './record-names.ts';
import { decodeEntries, encodeRow, type IndexEntry } from './record-row.ts';
import type { Rows } from './record-rows.ts';
import { sqliteError } from './sqlite-error.ts';
import { inTransaction, readInteger } from './sqlite-value.ts';

/** A log of this many pages is copied into the database: 4 MiB, about 10 ms. */
const CHECKPOINT_PAGES = 1_000;

export interface WriterOptions {
  readonly database: DatabaseSyncInstance;
  readonly path: string;
  readonly names: Names;
  readonly rows: Rows;
  readonly log: Log;
}

/**
 * Applies groups, several in one transaction, each that may conflict in a savepoint so that it fails
 * alone. No room undoes the transaction; any other error of the database ends writing for good.
 */
export function openWriter({ database, path, names, rows, log }: WriterOptions): Committer {
  const savepoint = database.prepare('SAVEPOINT one_group');
  const undo = database.prepare('ROLLBACK TO one_group');
  const release = database.prepare('RELEASE one_group');
  const logPages = database.prepare('PRAGMA wal_checkpoint(NOOP)');
  let failure: WeirError | undefined;
  /** The log grows while the database has no room for it; said once. */
  let isFull = false;

  function failed(error: unknown): WeirError {
    const meaning = sqliteError(error, path);
    if (meaning.code !== 'WEIR_STORE_FULL') {
      failure = new WeirError('WEIR_STORE_FAILED', `a write to ${path} failed before`, {
        cause: error,
        facts: { path },
      });
      log.error('store.records.failed', { path, code: meaning.code, message: meaning.message });
    }
    return meaning;
  }

  /** The refusal of the group; throws what undoes the whole transaction. */
  function attempt(group: Group): WeirError | undefined {
    if (!mayConflict(group)) {
      applyGroup(group, names, rows);
      return undefined;
    }
    savepoint.run();
    try {
      applyGroup(group, names, rows);
      release.run();
      return undefined;
    } catch (error) {
      if (!(error instanceof WeirError)) throw error;
      undo.run();
      release.run();
      return error;
    }
  }

  return {
    commit(groups) {
      if (failure !== undefined) return groups.map(() => failure);
      try {
        const refusals = groups.map((group) => enterNames(group, names));
        return inTransaction(database, () => groups.map((group, index) => refusals[index] ?? attempt(group)));
      } catch (error) {
        const meaning = failed(error);
        return groups.map(() => meaning);
      }
    },
    maintain() {
      if (failure !== undefined) return;
      try {
        if (readInteger(logPages.get(), 'log') < CHECKPOINT_PAGES) return;
        database.exec('PRAGMA wal_checkpoint(PASSIVE)');
        isFull = false;
      } catch (error) {
        const { code } = failed(error);
        if (code === 'WEIR_STORE_FULL' && !isFull) log.warn('store.records.checkpoint.full', { path });
        isFull = true;
      }
    },
  };
}

/** Numbers what the group is the first to write to. The refusal of the group, or undefined. */
function enterNames(group: Group, names: Names): WeirError | undefined {
  try {
    for (const { collection } of [...group.expectations, ...group.changes]) names.enter(collection);
    return undefined;
  } catch (error) {
    if (error instanceof WeirError) return error;
    throw error;
  }
}

/**
 * A savepoint copies every page that an earlier group of the transaction has touched: 11 of 63 µs for
 * the four records of a capture, 12 captures to a transaction (`npm run bench -- cache`).
 */
function mayConflict({ expectations, changes }: Group): boolean {
  return expectations.length > 0 || changes.some(({ collection }) => collection.indexes.length > 0);
}

interface Step {
  readonly change: Change;
  readonly numbers: Numbers;
  readonly before: Map<string, IndexEntry>;
  readonly after: Map<string, IndexEntry>;
}

/** Throws WEIR_RECORD_CONFLICT, perhaps half-way. Index keys go before any come: two may swap. */
function applyGroup(group: Group, names: Names, rows: Rows): void {
  for (const { collection, key, value } of group.expectations) {
    const row = rows.get(names.enter(collection).collection, key);
    const holds =
      value === undefined || row === undefined ? value === row : Buffer.compare(row.value, value) === 0;
    if (!holds) throw expectationFailed(collection);
  }
  const steps = group.changes.flatMap((change) => {
    const numbers = names.enter(change.collection);
    if (numbers.indexes.size > 0) return planStep(change, numbers, rows);
    applyChange(change, numbers, [], rows);
    return [];
  });
  for (const { change, before, after } of steps) {
    for (const [id, entry] of before)
      if (!after.has(id)) rows.removeEntry(entry.index, entry.key, change.key);
  }
  for (const step of steps) applyStep(step, rows);
}

function planStep(change: Change, numbers: Numbers, rows: Rows): Step {
  const old = rows.get(numbers.collection, change.key);
  const before = old === undefined ? [] : decodeEntries(old.entries);
  const after =
    change.kind === 'delete'
      ? []
      : change.indexKeys.map(({ index, key }) => ({ index: numberOf(numbers, index), key }));
  return { change, numbers, before: byId(before), after: byId(after) };
}

function applyStep({ change, numbers, before, after }: Step, rows: Rows): void {
  applyChange(change, numbers, [...after.values()], rows);
  for (const [id, { index, key }] of after) {
    if (before.has(id)) continue;
    const name = numbers.unique.get(index);
    if (name !== undefined && rows.hasEntry(index, key)) throw indexKeyTaken(change.collection, name);
    rows.addEntry(index, key, change.key);
  }
}

function applyChange(
  change: Change,
  { collection }: Numbers,
  entries: readonly IndexEntry[],
  rows: Rows,
): void {
  if (change.kind === 'delete') rows.delete(collection, change.key);
  else rows.put(collection, change.key, encodeRow(collection, change.key, change.value, entries));
}

function numberOf(numbers: Numbers, index: string): number {
  const found = numbers.indexes.get(index);
  assert(found !== undefined, `an index key for ${index}, which the collection does not declare`);
  return found;
}

/** One entry for each key, however often the record names it. */
function byId(entries: readonly IndexEntry[]): Map<string, IndexEntry> {
  return new Map(entries.map((entry) => [`${entry.index}/${bytesId(entry.key)}`, entry]));
}
