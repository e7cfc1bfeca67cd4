import { WeirError } from '../../src/base/errors.ts';
import {
  type DirectoryIds,
  type EncodedDirectory,
  type Entry,
  encodeDirectory,
  MAX_TREE_DEPTH,
} from '../../src/content/tree.ts';
import type { AnnouncedDirectory, AnnouncedEntry } from '../../src/wire/announcement.ts';
import { MAX_DIRECTORY_OBJECT_BYTES } from '../../src/wire/limits.ts';

/** What a file entry turned out to be; undefined drops the entry. */
export interface ResolvedFile {
  readonly contentId: Uint8Array;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly mtimeMicros: number;
}

type AnnouncedFile = Extract<AnnouncedEntry, { kind: 'file' }>;

/**
 * Builds the directories an agent announces, children before parents, and so finds the root both
 * sides must agree on. Holds only what has no parent yet.
 */
export interface DirectoryBuilder {
  /** Takes the next directory, or part of one. Returns it encoded once it has ended. */
  add(
    directory: AnnouncedDirectory,
    resolve: (file: AnnouncedFile) => ResolvedFile | undefined,
  ): EncodedDirectory | undefined;
  /** The one directory without a parent. WEIR_WIRE_ORDER unless there is just one and none is open. */
  root(): DirectoryIds;
}

/** Bound on entries held of a directory that has not ended. */
export const MAX_DIRECTORY_ENTRIES = 1_000_000;

/** Bound on directories whose parent has not ended. */
export const MAX_WAITING_DIRECTORIES = 500_000;

interface Built {
  readonly ids: DirectoryIds;
  readonly depth: number;
}

/** `known` resolves the running number of a directory candidate that was offered. */
export function createDirectoryBuilder(known: (number: number) => DirectoryIds): DirectoryBuilder {
  const orphans: Built[] = [];
  let open: (Entry | AnnouncedEntry)[] = [];

  function finish(): EncodedDirectory {
    const isNew = (entry: Entry | AnnouncedEntry) => entry.kind === 'directory' && !('treeId' in entry);
    const count = open.filter(isNew).length;
    if (count > orphans.length) outOfOrder('a directory names more new directories than ended before it');
    const children = orphans.splice(orphans.length - count, count);
    const depth = 1 + Math.max(0, ...children.map((child) => child.depth));
    if (depth > MAX_TREE_DEPTH)
      throw new WeirError('WEIR_TREE_TOO_DEEP', `a tree is deeper than ${MAX_TREE_DEPTH}`);
    let next = 0;
    const encoded = encodeDirectory(open.map((entry) => complete(entry, () => children[next++])));
    // A larger one could be kept and never be read back.
    if (Math.max(encoded.tree.length, encoded.attributes.length) > MAX_DIRECTORY_OBJECT_BYTES) {
      throw new WeirError(
        'WEIR_TREE_INVALID',
        `a directory takes more than ${MAX_DIRECTORY_OBJECT_BYTES} bytes to list`,
      );
    }
    if (orphans.length === MAX_WAITING_DIRECTORIES) {
      throw new WeirError(
        'WEIR_TREE_INVALID',
        `more than ${MAX_WAITING_DIRECTORIES} directories wait for their parent`,
      );
    }
    orphans.push({ ids: { treeId: encoded.treeId, attributesId: encoded.attributesId }, depth });
    open = [];
    return encoded;
  }

  return {
    add(directory, resolve) {
      if (open.length + directory.entries.length > MAX_DIRECTORY_ENTRIES) {
        throw new WeirError(
          'WEIR_TREE_INVALID',
          `a directory has more than ${MAX_DIRECTORY_ENTRIES} entries`,
        );
      }
      for (const entry of directory.entries) {
        if (entry.kind === 'directory' && entry.known !== undefined)
          open.push({ ...entry, ...known(entry.known) });
        else if (entry.kind === 'file') {
          const resolved = resolve(entry);
          if (resolved !== undefined) open.push({ ...entry, ...resolved });
        } else open.push(entry);
      }
      return directory.isLast ? finish() : undefined;
    },
    root() {
      const [root, second] = orphans;
      if (root === undefined || second !== undefined || open.length > 0)
        outOfOrder('the announced directories have no one root');
      return root.ids;
    },
  };
}

function complete(entry: Entry | AnnouncedEntry, nextChild: () => Built | undefined): Entry {
  if (entry.kind === 'directory') {
    if ('treeId' in entry) return entry;
    return { ...entry, ...(nextChild()?.ids ?? outOfOrder('a directory is missing')) };
  }
  if (entry.kind === 'symlink') return entry;
  return 'contentId' in entry ? entry : outOfOrder('a file is not resolved');
}

function outOfOrder(reason: string): never {
  throw new WeirError('WEIR_WIRE_ORDER', reason);
}
