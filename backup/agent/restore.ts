import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  rmSync,
  type Stats,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { zstdDecompress } from '../../src/base/compress.ts';
import { WeirError } from '../../src/base/errors.ts';
import type { FileEntry, SymlinkEntry } from '../../src/content/tree.ts';
import { MAX_FETCH_FILES } from '../../src/wire/limits.ts';
import { done } from '../../src/wire/messages.ts';
import { type ContentPiece, content, fetch } from '../../src/wire/snapshots.ts';
import { joinPath, pathBytes, showPath } from './byte-path.ts';
import { type ListedDirectory, type ListedEntry, type Listing, listSnapshot } from './listing.ts';
import { settableTime, treeTime } from './metadata.ts';
import type { AgentSession } from './session.ts';
import { type FileWriter, type MetadataPolicy, openFileWriter } from './write-file.ts';

/**
 * When something stands where a file is to go: `never` keeps it; `if-older` replaces it when its
 * time is before the snapshot's; `if-changed` when size or time differ; `always` replaces it.
 */
export type Overwrite = 'never' | 'if-older' | 'if-changed' | 'always';

export interface RestoreOptions {
  readonly session: AgentSession;
  readonly snapshot: string;
  /** Path in the snapshot as a byte string, "" for all of it. */
  readonly path: string;
  /** Absolute byte string. */
  readonly target: string;
  readonly overwrite: Overwrite;
  readonly metadata: MetadataPolicy;
  readonly isDryRun: boolean;
  readonly isWanted: (path: string) => boolean;
  readonly onProblem: (error: WeirError) => void;
  readonly onStart: (progress: RestoreProgress) => void;
}

export interface RestoreProgress {
  totalFiles: number;
  totalBytes: number;
  files: number;
  bytes: number;
  /** Files that were there already, or were not to be overwritten. */
  keptFiles: number;
}

/** A file to be fetched. */
interface Planned {
  readonly file: number;
  readonly entry: FileEntry;
  readonly path: string;
  readonly mayExist: boolean;
}

const FILES_PER_FETCH = Math.min(4096, MAX_FETCH_FILES);
const FETCHES_AHEAD = 2;

/**
 * Restores a path of a snapshot below `target`. Directories this restore makes stay closed to
 * others until they are complete; links come last, so that nothing is ever written through one.
 * A rerun keeps what is complete: a file gets its time only when all its bytes are verified.
 */
export async function restore(
  options: RestoreOptions,
): Promise<{ progress: RestoreProgress; listing: Listing }> {
  const { session, onProblem, onStart } = options;
  const listing = await listSnapshot(session, options.snapshot, options.path);
  const progress: RestoreProgress = { totalFiles: 0, totalBytes: 0, files: 0, bytes: 0, keptFiles: 0 };
  onStart(progress);
  const fresh = new Set<string>();
  const planned: Planned[] = [];
  if (!options.isDryRun) makeTarget(options.target, fresh);
  for (const directory of listing.directories) planDirectory(directory, options, fresh, planned, progress);
  if (options.isDryRun) return { progress, listing };
  await fetchAll(session, planned, options, progress);
  for (const directory of listing.directories) makeLinks(directory, options, onProblem);
  for (const directory of listing.directories.toReversed()) finishDirectories(directory, options);
  return { progress, listing };
}

function makeTarget(target: string, fresh: Set<string>): void {
  const stat = lstatSync(pathBytes(target), { throwIfNoEntry: false });
  if (stat === undefined) {
    mkdirSync(pathBytes(target), { recursive: true, mode: 0o700 });
    fresh.add(target);
  } else if (!stat.isDirectory()) {
    throw new WeirError('WEIR_RESTORE_TARGET', `${showPath(target)} is not a directory`, {
      facts: { path: showPath(target) },
    });
  }
}

/** Makes the directories below one, and plans its files. */
function planDirectory(
  directory: ListedDirectory,
  options: RestoreOptions,
  fresh: Set<string>,
  planned: Planned[],
  progress: RestoreProgress,
): void {
  const at = joinPath(options.target, directory.path);
  const isFresh = fresh.has(at);
  for (const entry of directory.entries) {
    const path = joinPath(at, entry.name);
    if (!options.isWanted(joinPath(directory.path, entry.name)) || entry.kind === 'symlink') continue;
    const existing =
      isFresh || options.isDryRun ? undefined : lstatSync(pathBytes(path), { throwIfNoEntry: false });
    if (entry.kind === 'directory') {
      if (options.isDryRun) continue;
      if (existing === undefined) {
        mkdirSync(pathBytes(path), { mode: 0o700 });
        fresh.add(path);
      } else if (!existing.isDirectory()) {
        throw new WeirError('WEIR_RESTORE_TARGET', `${showPath(path)} is in the way of a directory`, {
          facts: { path: showPath(path) },
        });
      }
      continue;
    }
    progress.totalFiles++;
    progress.totalBytes += entry.sizeBytes;
    if (existing !== undefined && !replaces(options.overwrite, entry, existing)) {
      progress.keptFiles++;
      continue;
    }
    if (existing?.isDirectory()) {
      throw new WeirError('WEIR_RESTORE_TARGET', `${showPath(path)} is a directory in the way of a file`, {
        facts: { path: showPath(path) },
      });
    }
    planFile(entry, path, existing !== undefined, options, planned, progress);
  }
}

function planFile(
  entry: ListedEntry & FileEntry,
  path: string,
  mayExist: boolean,
  options: RestoreOptions,
  planned: Planned[],
  progress: RestoreProgress,
): void {
  if (entry.file !== undefined) planned.push({ file: entry.file, entry, path, mayExist });
  else if (!options.isDryRun) {
    openFileWriter(path, entry, mayExist, options.metadata).finish();
    progress.files++;
  }
}

/** Whether an entry takes the place of what stands there. A link counts as changed by its time alone. */
function replaces(overwrite: Overwrite, entry: FileEntry | SymlinkEntry, existing: Stats): boolean {
  const time = treeTime(existing.mtimeMs);
  const apart = time.mtimeSeconds - entry.mtimeSeconds || time.mtimeMicros - entry.mtimeMicros;
  const isSameKind = entry.kind === 'file' ? existing.isFile() : existing.isSymbolicLink();
  const isSame = isSameKind && apart === 0 && (entry.kind === 'symlink' || existing.size === entry.sizeBytes);
  if (overwrite === 'always') return true;
  if (overwrite === 'if-changed') return !isSame;
  return overwrite === 'if-older' && !isSame && apart < 0;
}

/** Fetches the planned files in order, a few requests ahead of the writing. */
async function fetchAll(
  session: AgentSession,
  planned: readonly Planned[],
  options: RestoreOptions,
  progress: RestoreProgress,
): Promise<void> {
  const running: Promise<unknown>[] = [];
  for (let from = 0; from < planned.length; from += FILES_PER_FETCH) {
    const files = planned.slice(from, from + FILES_PER_FETCH);
    const receiver = new Receiver(files, options, progress);
    const numbers = files.map(({ file }) => file);
    const take = async (pieces: readonly ContentPiece[]) => receiver.take(pieces);
    const fetched = session.channel.stream(fetch, numbers, content, take, done).then(() => receiver.end());
    // Reported when its turn comes below; until then a failure must not count as unhandled.
    fetched.catch(() => undefined);
    running.push(fetched);
    if (running.length > FETCHES_AHEAD) await running.shift();
  }
  for (const fetched of running) await fetched;
}

/** Writes the pieces of content that arrive for a list of files, in order. */
class Receiver {
  readonly #files: readonly Planned[];
  readonly #options: RestoreOptions;
  readonly #progress: RestoreProgress;
  #at = 0;
  #received = 0;
  #writer: FileWriter | undefined;
  #failure: WeirError | undefined;

  constructor(files: readonly Planned[], options: RestoreOptions, progress: RestoreProgress) {
    this.#files = files;
    this.#options = options;
    this.#progress = progress;
  }

  take(pieces: readonly ContentPiece[]): void {
    for (const piece of pieces) this.#takePiece(piece);
  }

  end(): void {
    if (this.#at < this.#files.length)
      throw new WeirError('WEIR_RESTORE_MISMATCH', 'the provider sent less than was asked for');
  }

  #takePiece(piece: ContentPiece): void {
    const planned = this.#files[this.#at];
    if (planned === undefined)
      throw new WeirError('WEIR_RESTORE_MISMATCH', 'the provider sent more than was asked for');
    const bytes = piece.encoding === 'zstd' ? zstdDecompress(piece.bytes, piece.sizeBytes) : piece.bytes;
    if (piece.encoding === 'missing')
      this.#fail(planned, 'WEIR_CONTENT_MISSING', 'is not held by the provider any more');
    else if (bytes?.length !== piece.sizeBytes)
      this.#fail(planned, 'WEIR_RESTORE_MISMATCH', 'arrived damaged');
    else if (this.#failure === undefined) this.#write(planned, bytes);
    this.#received += piece.sizeBytes;
    if (this.#received >= planned.entry.sizeBytes) this.#finish(planned);
  }

  #write(planned: Planned, bytes: Uint8Array): void {
    const { path, entry, mayExist } = planned;
    try {
      this.#writer ??= openFileWriter(path, entry, mayExist, this.#options.metadata);
      this.#writer.write(bytes);
      this.#progress.bytes += bytes.length;
    } catch (cause) {
      this.#fail(planned, 'WEIR_RESTORE_TARGET', 'cannot be written', cause);
    }
  }

  #finish(planned: Planned): void {
    try {
      if (this.#failure === undefined && this.#writer?.finish() !== true) {
        this.#fail(planned, 'WEIR_RESTORE_MISMATCH', 'arrived with other bytes than were backed up');
      }
    } catch (cause) {
      this.#fail(planned, 'WEIR_RESTORE_TARGET', 'cannot be written', cause);
    }
    if (this.#failure === undefined) this.#progress.files++;
    else this.#options.onProblem(this.#failure);
    this.#writer = undefined;
    this.#failure = undefined;
    this.#received = 0;
    this.#at++;
  }

  #fail(
    planned: Planned,
    code: 'WEIR_CONTENT_MISSING' | 'WEIR_RESTORE_MISMATCH' | 'WEIR_RESTORE_TARGET',
    what: string,
    cause?: unknown,
  ): void {
    const path = showPath(planned.path);
    this.#failure ??= new WeirError(code, `${path} ${what}`, { facts: { path }, cause });
    this.#writer?.discard();
    this.#writer = undefined;
  }
}

function makeLinks(
  directory: ListedDirectory,
  options: RestoreOptions,
  onProblem: (error: WeirError) => void,
): void {
  for (const entry of directory.entries) {
    if (entry.kind !== 'symlink' || !options.isWanted(joinPath(directory.path, entry.name))) continue;
    const path = joinPath(joinPath(options.target, directory.path), entry.name);
    try {
      const existing = lstatSync(pathBytes(path), { throwIfNoEntry: false });
      if (existing !== undefined && !replaces(options.overwrite, entry, existing)) continue;
      if (existing !== undefined) rmSync(pathBytes(path));
      symlinkSync(pathBytes(entry.target), pathBytes(path));
      if (options.metadata.setsOwner) lchownSync(pathBytes(path), entry.uid, entry.gid);
      lutimesSync(pathBytes(path), settableTime(entry), settableTime(entry));
    } catch (cause) {
      const shown = showPath(path);
      onProblem(
        new WeirError('WEIR_RESTORE_TARGET', `the link ${shown} cannot be made`, {
          facts: { path: shown },
          cause,
        }),
      );
    }
  }
}

/** Gives the directories inside one their own mode, owner and time, now that nothing more is written into them. */
function finishDirectories(directory: ListedDirectory, options: RestoreOptions): void {
  for (const entry of directory.entries) {
    if (entry.kind !== 'directory' || !options.isWanted(joinPath(directory.path, entry.name))) continue;
    const path = pathBytes(joinPath(joinPath(options.target, directory.path), entry.name));
    if (options.metadata.setsOwner) chownSync(path, entry.uid, entry.gid);
    chmodSync(path, options.metadata.keepsSetuid ? entry.mode : entry.mode & 0o777);
    utimesSync(path, settableTime(entry), settableTime(entry));
  }
}
