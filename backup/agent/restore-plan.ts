import { lstatSync, mkdirSync, type Stats } from 'node:fs';
import { WeirError } from '../../src/base/errors.ts';
import type { FileEntry, SymlinkEntry } from '../../src/content/tree.ts';
import { joinPath, pathBytes, showPath } from './byte-path.ts';
import type { ListedDirectory } from './listing.ts';
import { treeTime } from './metadata.ts';
import type { Overwrite, RestoreOptions, RestoreProgress } from './restore.ts';

/** A file to be brought back. */
export interface Planned {
  /** Its number in the listing; undefined for an empty file. */
  readonly file: number | undefined;
  readonly entry: FileEntry;
  readonly path: string;
  /** The directory it is in, below the target. */
  readonly directory: string;
}

/** The directories a restore writes into. It follows no link below the target. */
export class RestoreTarget {
  readonly #root: string;
  readonly #isDryRun: boolean;
  readonly #onProblem: (error: WeirError) => void;
  /** Whether a directory was made by this restore; undefined: not looked at yet. */
  readonly #isFresh = new Map<string, boolean>();
  readonly #blocked = new Set<string>();

  constructor(root: string, isDryRun: boolean, onProblem: (error: WeirError) => void) {
    this.#root = root;
    this.#isDryRun = isDryRun;
    this.#onProblem = onProblem;
    const stat = lstatSync(pathBytes(root), { throwIfNoEntry: false });
    if (stat !== undefined && !stat.isDirectory()) throw inTheWay(root, 'is not a directory');
    if (stat === undefined && !isDryRun) mkdirSync(pathBytes(root), { recursive: true, mode: 0o700 });
    this.#isFresh.set('', stat === undefined);
  }

  path(below: string): string {
    return joinPath(this.#root, below);
  }

  /** Whether this restore made the directory, so that nothing can stand in it. */
  isFresh(below: string): boolean {
    return this.#isFresh.get(below) === true;
  }

  /** Whether the directory is there to be written into. */
  isMade(below: string): boolean {
    return this.#isFresh.has(below);
  }

  /** Makes a directory and those above it, closed to others. False when something is in the way, which is told once. */
  ensure(below: string): boolean {
    if (this.#isFresh.has(below)) return true;
    if (this.#blocked.has(below)) return false;
    const slash = below.lastIndexOf('/');
    const parent = below.slice(0, Math.max(slash, 0));
    if (!this.ensure(parent)) {
      this.#blocked.add(below);
      return false;
    }
    try {
      this.#isFresh.set(below, this.#make(below, this.isFresh(parent)));
      return true;
    } catch (error) {
      this.#blocked.add(below);
      this.#onProblem(
        error instanceof WeirError ? error : inTheWay(this.path(below), 'cannot be made', error),
      );
      return false;
    }
  }

  #make(below: string, isParentFresh: boolean): boolean {
    const path = pathBytes(this.path(below));
    const stat = isParentFresh ? undefined : lstatSync(path, { throwIfNoEntry: false });
    if (stat !== undefined && !stat.isDirectory())
      throw inTheWay(this.path(below), 'is in the way of a directory');
    if (stat === undefined && !this.#isDryRun) mkdirSync(path, { mode: 0o700 });
    return stat === undefined;
  }
}

/** Makes the directories wanted of a listed one, and plans its files. */
export function planDirectory(
  directory: ListedDirectory,
  options: RestoreOptions,
  target: RestoreTarget,
  planned: Planned[],
  progress: RestoreProgress,
): void {
  for (const entry of directory.entries) {
    const below = joinPath(directory.path, entry.name);
    if (!options.isWanted(below, entry.kind === 'directory')) continue;
    if (entry.kind === 'directory') target.ensure(below);
    if (entry.kind !== 'file' || !target.ensure(directory.path)) continue;
    progress.totalFiles++;
    progress.totalBytes += entry.sizeBytes;
    const path = target.path(below);
    const isFresh = target.isFresh(directory.path);
    const existing = isFresh ? undefined : lstatSync(pathBytes(path), { throwIfNoEntry: false });
    if (existing !== undefined && !replaces(options.overwrite, entry, existing)) progress.keptFiles++;
    else if (existing?.isDirectory())
      options.onProblem(inTheWay(path, 'is a directory in the way of a file'));
    else planned.push({ file: entry.file, entry, path, directory: directory.path });
  }
}

/** Whether an entry takes the place of what stands there. A link counts as changed by its time alone. */
export function replaces(overwrite: Overwrite, entry: FileEntry | SymlinkEntry, existing: Stats): boolean {
  const time = treeTime(existing.mtimeMs);
  const apart = time.mtimeSeconds - entry.mtimeSeconds || time.mtimeMicros - entry.mtimeMicros;
  const isSameKind = entry.kind === 'file' ? existing.isFile() : existing.isSymbolicLink();
  const isSame = isSameKind && apart === 0 && (entry.kind === 'symlink' || existing.size === entry.sizeBytes);
  if (overwrite === 'always') return true;
  if (overwrite === 'if-changed') return !isSame;
  return overwrite === 'if-older' && !isSame && apart < 0;
}

/** Something in the target that keeps an entry from being restored. */
export function inTheWay(path: string, what: string, cause?: unknown): WeirError {
  const shown = showPath(path);
  return new WeirError('WEIR_RESTORE_TARGET', `${shown} ${what}`, { facts: { path: shown }, cause });
}
