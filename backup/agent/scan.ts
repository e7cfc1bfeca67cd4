import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import type { Clock } from '../../src/base/clock.ts';
import type { WeirError } from '../../src/base/errors.ts';
import type { PossessionTagger } from '../../src/content/proof.ts';
import { MAX_NAME_BYTES, MAX_TREE_DEPTH } from '../../src/content/tree.ts';
import { MAX_DIRECTORY_OBJECT_BYTES, MAX_FILE_BYTES } from '../../src/wire/limits.ts';
import { joinPath, pathBytes, wantedBelow } from './byte-path.ts';
import type { CachedFile, FileCache } from './file-cache.ts';
import { fileProblem, isSystemError, readProblem } from './file-problem.ts';
import { isSameStamp, metadataOf, stampOf } from './metadata.ts';
import { byName, type DirectoryNode, type FileNode, type Node } from './node.ts';
import { type Pause, readFirstBytes, sumFile } from './read-file.ts';

/** What a scan is told. Paths are absolute, normalised byte strings. */
export interface ScanOptions {
  readonly paths: readonly string[];
  readonly tagger: PossessionTagger;
  readonly cache: FileCache;
  readonly clock: Clock;
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

/** A file changed this shortly before the scan may change again within one tick of its time stamp. */
const SETTLED_MS = 50;
const READ_ATTEMPTS = 3;
/** How long the scan keeps the thread before it lets the network have it. */
const SLICE_MS = 20;
/** What an entry takes in a tree beside its name, at the most for a file. */
const ENTRY_BYTES = 48;
const CACHE_TAG = 'CACHEDIR.TAG';
const CACHE_SIGNATURE = Buffer.from('Signature: 8a477f597d28d172789f06886806bc55');

/**
 * Reads the paths into one tree that hangs from "/": the directories above a path stand in it with
 * that path alone. Files go in with their content id. Returns the root.
 */
export function scan(options: ScanOptions): Promise<DirectoryNode> {
  return new Scan(options).root();
}

/** The files of a directory in the cache: those of the last scan, and those noted for the next. */
interface CachedFiles {
  readonly old: ReadonlyMap<string, CachedFile>;
  readonly noted: Map<string, CachedFile>;
}

class Scan {
  readonly #options: ScanOptions;
  readonly #wanted: ReadonlyMap<string, readonly string[]>;
  readonly #pause: Pause;
  /** Files changed after this may have changed again unseen. */
  readonly #settledMs: number;

  constructor(options: ScanOptions) {
    this.#options = options;
    this.#wanted = wantedBelow(options.paths);
    this.#pause = timeSlices(options.clock);
    this.#settledMs = options.clock.wallMs() - SETTLED_MS;
  }

  root(): Promise<DirectoryNode> {
    return this.#directory('/', '', lstatSync('/'), 1);
  }

  async #directory(path: string, name: string, stat: Stats, depth: number): Promise<DirectoryNode> {
    const directory: DirectoryNode = {
      kind: 'directory',
      path,
      entries: [],
      ids: undefined,
      known: undefined,
      ...metadataOf(name, stat),
    };
    const files: CachedFiles = { old: this.#options.cache.directory(path), noted: new Map() };
    const below: { readonly name: string; readonly stat: Stats }[] = [];
    for (const child of this.#wanted.get(path) ?? this.#list(path)) {
      const childPath = joinPath(path, child);
      const childStat = this.#attempt(childPath, () => lstatSync(pathBytes(childPath)));
      if (childStat === undefined || this.#isLeftOut(childPath, child, childStat, path, stat)) continue;
      if (childStat.isDirectory()) below.push({ name: child, stat: childStat });
      else {
        const node = await this.#leaf(childPath, child, childStat, files);
        if (node !== undefined) directory.entries.push(node);
      }
      await this.#pause();
    }
    this.#options.cache.put(path, files.noted);
    for (const child of below) {
      const childPath = joinPath(path, child.name);
      if (depth === MAX_TREE_DEPTH) this.#options.onProblem(fileProblem('WEIR_TREE_TOO_DEEP', childPath));
      else directory.entries.push(await this.#directory(childPath, child.name, child.stat, depth + 1));
    }
    directory.entries.sort(byName);
    await this.#options.onDirectory(directory);
    return directory;
  }

  async #leaf(path: string, name: string, stat: Stats, files: CachedFiles): Promise<Node | undefined> {
    if (stat.isSymbolicLink()) {
      const target = this.#attempt(path, () => readlinkSync(pathBytes(path), 'latin1'));
      return target === undefined ? undefined : { kind: 'symlink', target, ...metadataOf(name, stat) };
    }
    if (!stat.isFile()) return this.#problem(fileProblem('WEIR_FILE_KIND', path));
    const cached = files.old.get(name);
    if (cached === undefined || !isSameStamp(cached, stampOf(stat)))
      return this.#readLeaf(path, name, stat, files);
    files.noted.set(name, cached);
    this.#options.onFile(cached.sizeBytes, false);
    const { sizeBytes, contentId, identifier } = cached;
    return { kind: 'file', sizeBytes, contentId, identifier, tag: undefined, ...metadataOf(name, stat) };
  }

  async #readLeaf(
    path: string,
    name: string,
    first: Stats,
    files: CachedFiles,
  ): Promise<FileNode | undefined> {
    let before = first;
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      const read = await this.#sum(path);
      if (read === undefined) return undefined;
      const { sums, after } = read;
      if (after.size === sums.sizeBytes && after.mtimeMs === before.mtimeMs && after.ino === before.ino) {
        const { contentId, identifier } = sums;
        if (after.ctimeMs < this.#settledMs)
          files.noted.set(name, { ...stampOf(after), contentId, identifier });
        this.#options.onFile(sums.sizeBytes, true);
        return { kind: 'file', ...sums, ...metadataOf(name, after) };
      }
      before = after;
    }
    return this.#problem(fileProblem('WEIR_FILE_CHANGED', path));
  }

  async #sum(path: string) {
    try {
      return await sumFile(path, this.#options.tagger, this.#pause);
    } catch (error) {
      return this.#problem(readProblem(path, error));
    }
  }

  #isLeftOut(path: string, name: string, stat: Stats, parentPath: string, parent: Stats): boolean {
    if (this.#wanted.has(parentPath)) return false;
    const { isExcluded, maxFileBytes, isOneFileSystem, excludesCaches, onProblem } = this.#options;
    if (isExcluded(path, stat.isDirectory())) return true;
    if (name.length > MAX_NAME_BYTES) onProblem(fileProblem('WEIR_NAME_TOO_LONG', path));
    if (stat.isFile() && stat.size > MAX_FILE_BYTES) onProblem(fileProblem('WEIR_FILE_TOO_LARGE', path));
    if (name.length > MAX_NAME_BYTES || (stat.isFile() && stat.size > Math.min(maxFileBytes, MAX_FILE_BYTES)))
      return true;
    if (!stat.isDirectory()) return false;
    if (isOneFileSystem && stat.dev !== parent.dev) return true;
    return excludesCaches && this.#hasCacheTag(path);
  }

  /** Whether a directory says that it is a cache (the Cache Directory Tagging Specification). */
  #hasCacheTag(path: string): boolean {
    try {
      return readFirstBytes(joinPath(path, CACHE_TAG), CACHE_SIGNATURE.length).equals(CACHE_SIGNATURE);
    } catch (error) {
      // No tag, or none that may be read: the scan itself says what it cannot read.
      if (isSystemError(error)) return false;
      throw error;
    }
  }

  /** The names in a directory, sorted; none when it cannot be read or listed. */
  #list(path: string): string[] {
    const names = this.#attempt(path, () => readdirSync(pathBytes(path), 'latin1').sort()) ?? [];
    const bytes = names.reduce((sum, name) => sum + name.length + ENTRY_BYTES, 0);
    if (bytes <= MAX_DIRECTORY_OBJECT_BYTES) return names;
    this.#options.onProblem(fileProblem('WEIR_DIRECTORY_TOO_LARGE', path));
    return [];
  }

  #attempt<T>(path: string, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      return this.#problem(readProblem(path, error));
    }
  }

  #problem(error: WeirError): undefined {
    this.#options.onProblem(error);
  }
}

/** Gives other work a turn when this one has had the thread for SLICE_MS. */
function timeSlices(clock: Clock): Pause {
  let since = clock.monotonicMs();
  return () => {
    if (clock.monotonicMs() - since < SLICE_MS) return undefined;
    return new Promise((resolve) =>
      setImmediate(() => {
        since = clock.monotonicMs();
        resolve();
      }),
    );
  };
}
