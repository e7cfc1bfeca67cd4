import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { assert } from '../../base/assert.ts';

/** Runs `body` in a transaction: committed and durable when this returns, undone when it throws. */
export function inTransaction<T>(database: DatabaseSyncInstance, body: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = body();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite has rolled back by itself after some errors (sqlite.org/lang_transaction.html, 3.1).
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

export function readInteger(row: unknown, column: string): number {
  const value = readColumn(row, column);
  assert(Number.isSafeInteger(value) && typeof value === 'number', `${column} is an integer`);
  return value;
}

export function readText(row: unknown, column: string): string {
  const value = readColumn(row, column);
  assert(typeof value === 'string', `${column} is text`);
  return value;
}

export function readBlob(row: unknown, column: string): Uint8Array {
  const value = readColumn(row, column);
  assert(value instanceof Uint8Array, `${column} is a blob`);
  return value;
}

export function isNull(row: unknown, column: string): boolean {
  return readColumn(row, column) === null;
}

function readColumn(row: unknown, column: string): unknown {
  assert(typeof row === 'object' && row !== null && column in row, `a row has the column ${column}`);
  return Reflect.get(row, column);
}
