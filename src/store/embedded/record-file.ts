import { existsSync, statSync } from 'node:fs';
import { link } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite';
import { WeirError } from '../../base/errors.ts';
import { systemFiles } from '../../base/files.ts';
import type { Log } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { sqliteError } from './sqlite-error.ts';
import { readInteger } from './sqlite-value.ts';

/** `Weir` in ASCII, in the header of the file. */
const APPLICATION_ID = 0x57656972;
const FORMAT_VERSION = 1;
const PAGE_BYTES = 4_096;
const CACHE_KIB = 64 * 1024;
/** The write-ahead log is cut back to this size after a large group. */
const MAX_LOG_BYTES = 64 * 1024 * 1024;

/**
 * `name` numbers collections and indexes (record-names.ts). A row of `record` is that of
 * record-row.ts. All collections share one tree, and all indexes another: the schema is fixed, so
 * that no group changes it and every statement is prepared once.
 */
const SCHEMA = `
  PRAGMA page_size = ${PAGE_BYTES};
  PRAGMA synchronous = FULL;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT_VERSION};
  BEGIN;
  CREATE TABLE name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  CREATE TABLE record (
    collection INTEGER NOT NULL, key BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (collection, key)
  ) WITHOUT ROWID;
  CREATE TABLE entry (
    number INTEGER NOT NULL, index_key BLOB NOT NULL, record_key BLOB NOT NULL,
    PRIMARY KEY (number, index_key, record_key)
  ) WITHOUT ROWID;
  COMMIT;
`;

/**
 * Opens the database at `path`, owned by this process until it is closed or the process ends, or
 * creates it when nothing is there. Rejects with WEIR_LOCKED, WEIR_STORE_FORMAT, WEIR_STORE_CORRUPT,
 * WEIR_STORE_FULL or WEIR_STORE_FAILED; what is there is left as it is then.
 */
export async function openRecordFile(path: string): Promise<DatabaseSyncInstance> {
  try {
    if (!existsSync(path)) await create(path);
    refuseTruncated(path);
    return own(path);
  } catch (error) {
    throw sqliteError(error, path);
  }
}

/** The file appears whole: one that is empty or in part is damage, never a new store. */
async function create(path: string): Promise<void> {
  if (existsSync(`${path}-wal`)) {
    throw new WeirError('WEIR_STORE_CORRUPT', `${path} is gone, but its log ${path}-wal is there`, {
      facts: { path },
    });
  }
  const temporary = `${path}.${systemRandom(8).toString('hex')}.new`;
  await (await systemFiles.open(temporary, 'create')).close();
  try {
    using database = new DatabaseSync(temporary);
    database.exec(SCHEMA);
    // Unlike a rename, a link never replaces the file that another process made at the same time.
    await link(temporary, path);
  } finally {
    await systemFiles.unlink(temporary);
  }
  await systemFiles.syncDirectory(dirname(path));
}

/**
 * SQLite takes a file of less than a page for a new database, and a missing part of the last page
 * for zeros. Only with a log beside it may the file end within a page: a checkpoint was cut short.
 */
function refuseTruncated(path: string): void {
  const sizeBytes = statSync(path).size;
  const isWhole = sizeBytes >= PAGE_BYTES && (sizeBytes % PAGE_BYTES === 0 || existsSync(`${path}-wal`));
  if (!isWhole) {
    throw new WeirError('WEIR_STORE_CORRUPT', `${path} ends after ${sizeBytes} bytes`, {
      facts: { path, sizeBytes },
    });
  }
}

/**
 * Exclusive locking takes a POSIX lock with the first read, which the kernel drops with the
 * process, and keeps the index of the log in memory. No memory map: a failing disk would be a
 * SIGBUS instead of an error, and a map made no scan faster.
 */
function own(path: string): DatabaseSyncInstance {
  const database = new DatabaseSync(path, {
    defensive: true,
    timeout: 0,
    enableForeignKeyConstraints: false,
  });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    const isOurs =
      readInteger(database.prepare('PRAGMA application_id').get(), 'application_id') === APPLICATION_ID;
    const version = readInteger(database.prepare('PRAGMA user_version').get(), 'user_version');
    if (!isOurs || version !== FORMAT_VERSION) {
      throw new WeirError('WEIR_STORE_FORMAT', `${path} has layout ${version}, not ${FORMAT_VERSION}`, {
        facts: { path, isOurs, version },
      });
    }
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA fullfsync = ON;
      PRAGMA checkpoint_fullfsync = ON;
      PRAGMA wal_autocheckpoint = 0;
      PRAGMA journal_size_limit = ${MAX_LOG_BYTES};
      PRAGMA cache_size = -${CACHE_KIB};
      PRAGMA temp_store = MEMORY;
      PRAGMA cell_size_check = ON;
      PRAGMA trusted_schema = OFF;
    `);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Copies the log into the database, removes it, and gives the file up at once. Closing alone would
 * not: the binding finalizes a prepared statement only when it is collected as garbage, and until
 * then the connection lives on with its lock.
 */
export function closeRecordFile(database: DatabaseSyncInstance, path: string, log: Log): void {
  try {
    database.exec('PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL; SELECT 1 FROM name LIMIT 1');
  } catch (error) {
    // The log stays and is read at the next opening.
    log.warn('store.records.close.unfinished', { path, message: sqliteError(error, path).message });
  }
  database.close();
}
