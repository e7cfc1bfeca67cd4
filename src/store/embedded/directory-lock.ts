import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { WeirError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';

export interface DirectoryLock {
  release(): Promise<void>;
}

/**
 * Makes this process the only owner of `directory`, or rejects with WEIR_LOCKED naming the owner.
 *
 * Node has no flock, but SQLite is here anyway and takes a POSIX record lock on its file. The
 * kernel drops that lock when the process ends, however it ends, so none is ever stale; it holds
 * across containers (pid and network namespaces), where a pid file or an abstract socket does not,
 * and SQLite refuses a second holder in the same process too. Nothing else may open the file
 * `lock`: closing any descriptor of it would drop the lock. The pid is in `owner`, for people only.
 */
export async function lockDirectory(directory: string, log: Log): Promise<DirectoryLock> {
  const owner = join(directory, 'owner');
  const database = new DatabaseSync(join(directory, 'lock'));
  try {
    database.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw error;
    const pid = (await readFile(owner, 'utf8').catch(() => 'unknown')).trim();
    throw new WeirError('WEIR_LOCKED', `the process ${pid} has ${directory} open`, {
      facts: { directory, pid },
    });
  }
  // A full disk must not keep a store from being read.
  await writeFile(owner, `${process.pid}\n`, { mode: 0o600 }).catch((error: unknown) => {
    log.warn('store.bytes.owner.unwritten', { directory, error: String(error) });
  });
  return {
    async release() {
      database.close();
    },
  };
}

const SQLITE_BUSY = 5;

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}
