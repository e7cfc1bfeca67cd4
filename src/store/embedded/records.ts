import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { WeirError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { readGroup } from '../group.ts';
import type { Collection, Records } from '../records.ts';
import { openGroupCommit } from './group-commit.ts';
import { closeRecordFile, openRecordFile } from './record-file.ts';
import { type Names, openNames } from './record-names.ts';
import { type RecordSource, rangeByIndex, rangeByKey } from './record-range.ts';
import { prepareRows, type Rows } from './record-rows.ts';
import { openWriter } from './record-writer.ts';
import { sqliteError } from './sqlite-error.ts';

export interface EmbeddedRecordsOptions {
  /** The database file; its directory is there. SQLite keeps `-wal` beside it. */
  readonly path: string;
  readonly log: Log;
}

/** The event loop gets a turn after as many records. */
const SLICE_ROWS = 1_000;

/**
 * Records in SQLite: write-ahead log, a sync of the disk before a write resolves, one owner
 * process. Bytes given to `decode`, and the keys of `range`, are views of memory of their own;
 * keeping a view keeps up to a page of 1,000 records alive.
 */
export async function openEmbeddedRecords({ path, log }: EmbeddedRecordsOptions): Promise<Records> {
  const database = await openRecordFile(path);
  const { names, rows } = prepare(database, path);
  const commits = openGroupCommit(openWriter({ database, path, names, rows, log }));
  const source: RecordSource = { names, rows, read };
  let closing: Promise<void> | undefined;

  function read<T>(body: () => T): T {
    if (closing !== undefined) throw new WeirError('WEIR_STORE_CLOSED', 'the records are closed');
    try {
      return body();
    } catch (error) {
      throw sqliteError(error, path);
    }
  }

  return {
    get: (collection, keys) => getRecords(source, collection, keys),
    async write(operations) {
      await commits.submit(readGroup(operations));
    },
    range: (collection, range = {}) =>
      range.index === undefined
        ? rangeByKey(source, collection, range)
        : rangeByIndex(source, collection, range, range.index),
    close() {
      closing ??= commits.close().then(() => closeRecordFile(database, path, log));
      return closing;
    },
  };
}

async function getRecords<V>(
  { names, rows, read }: RecordSource,
  collection: Collection<V>,
  keys: readonly Uint8Array[],
): Promise<(V | undefined)[]> {
  const values: (V | undefined)[] = [];
  do {
    if (values.length > 0) await nextTurn();
    const slice = keys.slice(values.length, values.length + SLICE_ROWS);
    const found = read(() => {
      const numbers = names.find(collection);
      return slice.map((key) => (numbers === undefined ? undefined : rows.get(numbers.collection, key)));
    });
    for (const row of found) values.push(row === undefined ? undefined : collection.decode(row.value));
  } while (values.length < keys.length);
  return values;
}

function prepare(database: DatabaseSyncInstance, path: string): { names: Names; rows: Rows } {
  try {
    return { names: openNames(database), rows: prepareRows(database) };
  } catch (error) {
    database.close();
    throw sqliteError(error, path);
  }
}
