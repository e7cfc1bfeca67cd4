import { type ErrorCode, systemCode, WeirError } from '../../src/base/errors.ts';
import { MAX_NAME_BYTES, MAX_TREE_DEPTH } from '../../src/content/tree.ts';
import { showPath } from './byte-path.ts';

const REASONS = {
  WEIR_FILE_UNREADABLE: 'cannot be read',
  WEIR_FILE_VANISHED: 'went away',
  WEIR_FILE_CHANGED: 'kept changing while it was read',
  WEIR_FILE_KIND: 'is a socket, pipe or device',
  WEIR_FILE_TOO_LARGE: 'is larger than the provider takes',
  WEIR_DIRECTORY_TOO_LARGE: 'has more entries than the provider takes',
  WEIR_TREE_TOO_DEEP: `is deeper than ${MAX_TREE_DEPTH} directories`,
  WEIR_NAME_TOO_LONG: `has a name above ${MAX_NAME_BYTES} bytes`,
} satisfies Partial<Record<ErrorCode, string>>;

/** Why something was left out of a backup. */
export function fileProblem(code: keyof typeof REASONS, path: string, cause?: unknown): WeirError {
  const shown = showPath(path);
  return new WeirError(code, `${shown} ${REASONS[code]}`, { facts: { path: shown }, cause });
}

/** What a system error while reading means. */
export function readProblem(path: string, cause: unknown): WeirError {
  return fileProblem(
    systemCode(cause) === 'ENOENT' ? 'WEIR_FILE_VANISHED' : 'WEIR_FILE_UNREADABLE',
    path,
    cause,
  );
}

/** Whether the operating system, and not the program, refused. */
export function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
