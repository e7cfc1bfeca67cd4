import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { type ErrorCode, systemCode, WeirError } from '../../src/base/errors.ts';
import type { PossessionTagger } from '../../src/content/proof.ts';
import { MAX_NAME_BYTES, MAX_TREE_DEPTH } from '../../src/content/tree.ts';
import type { CachedFile, FileCache } from './file-cache.ts';
import { byName, type DirectoryNode, type FileNode, type Node } from './node.ts';
import { pathBytes, splitTime, sumFile } from './read-file.ts';

/** What a scan is told. Paths are absolute, normalised byte strings. */
export interface ScanOptions {
  readonly paths: readonly string[];
  readonly tagger: PossessionTagger;
  readonly cache: FileCache;
  /** Now, in nanoseconds of the file system's clock. */
  readonly nowNs: bigint;
  readonly isExcluded: (path: string, isDirectory: boolean) => boolean;
  /** Files above this size are left out. */
  readonly maxFileBytes: number;
  readonly isOneFileSystem: boolean;
  readonly excludesCaches: boolean;
  /** Told of everything that is left out although nobody asked for it. */
  readonly onProblem: (error: WeirError) => void;
  readonly onFile: (sizeBytes: number, wasRead: boolean) => void;
  /** Called with each directory that is complete, children before parents. */
  readonly onDirectory: (directory: DirectoryNode) => Promise<void> | undefined;
}

/** A file that changed this shortly before the scan may change again within one tick of its time stamp. */
const SETTLED_NS = 50_000_000n;
const READ_ATTEMPTS = 3;
/** How long the scan keeps the thread before it lets the network have it. */
const SLICE_MS = 20;
const CACHE_TAG = 'CACHEDIR.TAG';

/**
 * Reads the paths into one tree that hangs from "/": the directories above a path stand in it with
 * that path alone. Files go in with their content id. Returns the root.
 */
export async function scan(options: ScanOptions): Promise<DirectoryNode> {
  const slice = timeSlice();
  const wanted = wantedBelow(options.paths);
  const root = lstat('/') ?? fail('WEIR_FILE_UNREADABLE', '/');

  async function visit(path: string, name: string, stat: BigIntStats, depth: number): Promise<DirectoryNode> {
    const only = wanted.get(path);
    const names = only === undefined ? list(path) : [...only];
    const cached = options.cache.directory(path);
    const noted = new Map<string, CachedFile>();
    const directory: DirectoryNode = {
      kind: 'directory',
      path,
      entries: [],
      ids: undefined,
      known: undefined,
      ...metadata(name, stat),
    };
    const below: { name: string; stat: BigIntStats }[] = [];
    for (const child of names) {
      const childPath = join(path, child);
      const childStat = lstat(childPath);
      if (childStat === undefined) continue;
      if (only === undefined && isLeftOut(childPath, child, childStat, stat)) continue;
      if (childStat.isDirectory()) below.push({ name: child, stat: childStat });
      else {
        const node = await visitLeaf(childPath, child, childStat, cached, noted);
        if (node !== undefined) directory.entries.push(node);
      }
      await slice();
    }
    options.cache.put(path, noted);
    for (const child of below) {
      const childPath = join(path, child.name);
      if (depth === MAX_TREE_DEPTH) problem('WEIR_TREE_TOO_DEEP', childPath);
      else directory.entries.push(await visit(childPath, child.name, child.stat, depth + 1));
    }
    directory.entries.sort(byName);
    await options.onDirectory(directory);
    return directory;
  }

  async function visitLeaf(
    path: string,
    name: string,
    stat: BigIntStats,
    cached: ReadonlyMap<string, CachedFile>,
    noted: Map<string, CachedFile>,
  ): Promise<Node | undefined> {
    if (stat.isSymbolicLink())
      return attempt(path, () => ({
        kind: 'symlink' as const,
        target: readLink(path),
        ...metadata(name, stat),
      }));
    if (!stat.isFile()) return problem('WEIR_FILE_KIND', path);
    const known = cached.get(name);
    if (known !== undefined && isUnchanged(known, stat)) {
      noted.set(name, known);
      options.onFile(known.sizeBytes, false);
      const { sizeBytes, contentId, identifier } = known;
      return { kind: 'file', sizeBytes, contentId, identifier, tag: undefined, ...metadata(name, stat) };
    }
    return readLeaf(path, name, stat, noted);
  }

  async function readLeaf(
    path: string,
    name: string,
    first: BigIntStats,
    noted: Map<string, CachedFile>,
  ): Promise<FileNode | undefined> {
    let stat = first;
    for (let attemptNumber = 0; attemptNumber < READ_ATTEMPTS; attemptNumber++) {
      const sums = await sumFile(path, options.tagger, slice).catch((error: unknown) => report(path, error));
      if (sums === undefined) return undefined;
      const after = lstat(path);
      if (after === undefined) return problem('WEIR_FILE_VANISHED', path);
      if (Number(after.size) === sums.sizeBytes && after.mtimeNs === stat.mtimeNs && after.ino === stat.ino) {
        const { contentId, identifier, tag, sizeBytes } = sums;
        const isSettled = after.ctimeNs + SETTLED_NS < options.nowNs;
        if (isSettled) noted.set(name, { ...stampOf(after), contentId, identifier });
        options.onFile(sizeBytes, true);
        return { kind: 'file', sizeBytes, contentId, identifier, tag, ...metadata(name, after) };
      }
      stat = after;
    }
    return problem('WEIR_FILE_CHANGED', path);
  }

  function isLeftOut(path: string, name: string, stat: BigIntStats, parent: BigIntStats): boolean {
    if (options.isExcluded(path, stat.isDirectory())) return true;
    if (name.length > MAX_NAME_BYTES) {
      problem('WEIR_NAME_TOO_LONG', path);
      return true;
    }
    if (stat.isFile() && Number(stat.size) > options.maxFileBytes) return true;
    if (!stat.isDirectory()) return false;
    if (options.isOneFileSystem && stat.dev !== parent.dev) return true;
    return options.excludesCaches && lstatQuiet(join(path, CACHE_TAG)) !== undefined;
  }

  function list(path: string): string[] {
    return attempt(path, () => readdirSync(pathBytes(path), 'latin1').sort()) ?? [];
  }

  function lstat(path: string): BigIntStats | undefined {
    return attempt(path, () => lstatSync(pathBytes(path), { bigint: true }));
  }

  function attempt<T>(path: string, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      return report(path, error);
    }
  }

  function report(path: string, cause: unknown): undefined {
    const isGone = systemCode(cause) === 'ENOENT';
    return problem(isGone ? 'WEIR_FILE_VANISHED' : 'WEIR_FILE_UNREADABLE', path, cause);
  }

  function problem(code: ErrorCode, path: string, cause?: unknown): undefined {
    options.onProblem(fileError(code, path, cause));
  }

  return visit('/', '', root, 1);
}

const REASONS: Partial<Record<ErrorCode, string>> = {
  WEIR_FILE_UNREADABLE: 'cannot be read',
  WEIR_FILE_VANISHED: 'went away',
  WEIR_FILE_CHANGED: 'kept changing while it was read',
  WEIR_FILE_KIND: 'is a socket, pipe or device',
  WEIR_TREE_TOO_DEEP: `is deeper than ${MAX_TREE_DEPTH} directories`,
  WEIR_NAME_TOO_LONG: `has a name above ${MAX_NAME_BYTES} bytes`,
};

export function fileError(code: ErrorCode, path: string, cause?: unknown): WeirError {
  const shown = pathBytes(path).toString('utf8');
  return new WeirError(code, `${shown} ${REASONS[code] ?? 'is left out'}`, { facts: { path: shown }, cause });
}

/** For each directory above a wanted path, the names in it that lead there. A path inside another is covered by it. */
function wantedBelow(paths: readonly string[]): Map<string, Set<string>> {
  const below = new Map<string, Set<string>>();
  const outer = paths.filter((path) => !paths.some((other) => other !== path && isInside(path, other)));
  for (const path of outer) {
    let directory = '/';
    for (const name of path.split('/').filter((part) => part !== '')) {
      const names = below.get(directory) ?? new Set();
      below.set(directory, names.add(name));
      directory = join(directory, name);
    }
  }
  for (const names of below.values()) {
    const sorted = [...names].sort();
    names.clear();
    for (const name of sorted) names.add(name);
  }
  return below;
}

function isInside(path: string, directory: string): boolean {
  return path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

function join(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`;
}

function isUnchanged(known: CachedFile, stat: BigIntStats): boolean {
  return (
    known.mtimeNs === stat.mtimeNs &&
    known.ctimeNs === stat.ctimeNs &&
    known.inode === stat.ino &&
    known.sizeBytes === Number(stat.size)
  );
}

function stampOf(stat: BigIntStats) {
  return { sizeBytes: Number(stat.size), mtimeNs: stat.mtimeNs, ctimeNs: stat.ctimeNs, inode: stat.ino };
}

function metadata(name: string, stat: BigIntStats) {
  return {
    name,
    mode: Number(stat.mode) & 0o7777,
    ...splitTime(stat.mtimeNs),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
  };
}

function readLink(path: string): string {
  return readlinkSync(pathBytes(path), 'latin1');
}

function lstatQuiet(path: string): BigIntStats | undefined {
  return lstatSync(pathBytes(path), { bigint: true, throwIfNoEntry: false });
}

/** Gives other work a turn when this one has had the thread for SLICE_MS. */
function timeSlice(): () => Promise<void> | undefined {
  let since = performance.now();
  return () => {
    if (performance.now() - since < SLICE_MS) return undefined;
    return new Promise((resolve) =>
      setImmediate(() => {
        since = performance.now();
        resolve();
      }),
    );
  };
}

function fail(code: ErrorCode, path: string): never {
  throw fileError(code, path);
}
