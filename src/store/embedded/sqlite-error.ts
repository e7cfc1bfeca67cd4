import { asWeirError, WeirError } from '../../base/errors.ts';

/** Primary result codes of sqlite.org/rescode.html; the low byte of an extended code. */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** What an error of SQLite means to an operator; any other error through `asWeirError`. */
export function sqliteError(error: unknown, path: string): WeirError {
  const primary = resultCode(error) & 0xff;
  const options = {
    cause: error,
    facts: { path, sqlite: error instanceof Error ? error.message : String(error) },
  };
  switch (primary) {
    case BUSY:
    case LOCKED:
      return new WeirError('WEIR_LOCKED', `another process has ${path} open`, options);
    case FULL:
      return new WeirError('WEIR_STORE_FULL', `no room to write ${path}`, options);
    case CORRUPT:
    case NOTADB:
      return new WeirError('WEIR_STORE_CORRUPT', `${path} is damaged or is no database`, options);
    case READONLY:
    case IOERR:
    case CANTOPEN:
      return new WeirError('WEIR_STORE_FAILED', `${path} cannot be read or written`, options);
    default:
      return asWeirError(error);
  }
}

/** Zero for what is not an error of SQLite. */
function resultCode(error: unknown): number {
  if (!(error instanceof Error) || !('errcode' in error)) return 0;
  return typeof error.errcode === 'number' ? error.errcode : 0;
}
