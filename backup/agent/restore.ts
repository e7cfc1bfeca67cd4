import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import type { WeirError } from '../../src/base/errors.ts';
import { joinPath, pathBytes } from './byte-path.ts';
import { type ListedDirectory, type Listing, listSnapshot } from './listing.ts';
import { settableTime } from './metadata.ts';
import { receiveFiles } from './receive-files.ts';
import { inTheWay, type Planned, planDirectory, RestoreTarget, replaces } from './restore-plan.ts';
import type { AgentSession } from './session.ts';
import { type MetadataPolicy, SETUID_BITS } from './write-file.ts';

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
  /** Whether to restore a path below the opened one. */
  readonly isWanted: (path: string, isDirectory: boolean) => boolean;
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
  const target = new RestoreTarget(options.target, options.isDryRun, onProblem);
  const planned: Planned[] = [];
  for (const directory of listing.directories) planDirectory(directory, options, target, planned, progress);
  if (options.isDryRun) return { progress, listing };
  const temporaryName = `.weir-restore-${Buffer.from(listing.snapshot.id).toString('hex')}`;
  await receiveFiles(planned, { ...options, temporaryName, target, progress });
  for (const directory of listing.directories) makeLinks(directory, options, target);
  for (const directory of listing.directories.toReversed()) finishDirectories(directory, options, target);
  return { progress, listing };
}

/** Makes the links of a directory, last of all, so that nothing was written through one. */
function makeLinks(directory: ListedDirectory, options: RestoreOptions, target: RestoreTarget): void {
  for (const entry of directory.entries) {
    const below = joinPath(directory.path, entry.name);
    if (entry.kind !== 'symlink' || !options.isWanted(below, false) || !target.ensure(directory.path))
      continue;
    const path = pathBytes(target.path(below));
    try {
      const existing = lstatSync(path, { throwIfNoEntry: false });
      if (existing !== undefined && !replaces(options.overwrite, entry, existing)) continue;
      if (existing !== undefined) rmSync(path);
      symlinkSync(pathBytes(entry.target), path);
      if (options.metadata.setsOwner) lchownSync(path, entry.uid, entry.gid);
      lutimesSync(path, settableTime(entry), settableTime(entry));
    } catch (cause) {
      options.onProblem(inTheWay(target.path(below), 'cannot be made a link', cause));
    }
  }
}

/** Gives the directories inside one their own mode, owner and time, now that nothing more is written into them. */
function finishDirectories(directory: ListedDirectory, options: RestoreOptions, target: RestoreTarget): void {
  const { setsOwner, keepsSetuid } = options.metadata;
  for (const entry of directory.entries) {
    const below = joinPath(directory.path, entry.name);
    if (entry.kind !== 'directory' || !target.isMade(below)) continue;
    const path = pathBytes(target.path(below));
    try {
      if (setsOwner) chownSync(path, entry.uid, entry.gid);
      chmodSync(path, keepsSetuid ? entry.mode : entry.mode & ~SETUID_BITS);
      utimesSync(path, settableTime(entry), settableTime(entry));
    } catch (cause) {
      options.onProblem(inTheWay(target.path(below), 'cannot be given its mode and time', cause));
    }
  }
}
