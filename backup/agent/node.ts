import {
  type DirectoryIds,
  type Entry,
  type EntryMetadata,
  encodeDirectory,
} from '../../src/content/tree.ts';

/** What a scan found, as a tree in memory. Names and paths are byte strings. */
export type Node = FileNode | DirectoryNode | SymlinkNode;

export interface FileNode extends EntryMetadata {
  readonly kind: 'file';
  readonly sizeBytes: number;
  readonly contentId: Buffer;
  readonly identifier: number;
  /** Possession tag under the session's nonce, when the file was read in this session. */
  tag: Buffer | undefined;
}

export interface SymlinkNode extends EntryMetadata {
  readonly kind: 'symlink';
  readonly target: string;
}

export interface DirectoryNode extends EntryMetadata {
  readonly kind: 'directory';
  /** Absolute path, "/" for the root. */
  readonly path: string;
  /** Sorted by name, bytewise. */
  entries: Node[];
  /** Set by `directoryIds`. */
  ids: DirectoryIds | undefined;
  /** Running number of the candidate recognised as this directory. */
  known: number | undefined;
}

/** Sorts the way a tree is encoded. */
export function byName(left: { readonly name: string }, right: { readonly name: string }): number {
  return left.name < right.name ? -1 : left.name > right.name ? 1 : 0;
}

/** The ids of a directory, computed once from those of its children. */
export function directoryIds(directory: DirectoryNode): DirectoryIds {
  if (directory.ids !== undefined) return directory.ids;
  const { treeId, attributesId } = encodeDirectory(directory.entries.map(toEntry));
  directory.ids = { treeId, attributesId };
  return directory.ids;
}

function toEntry(node: Node): Entry {
  return node.kind === 'directory' ? { ...node, ...directoryIds(node) } : node;
}

/** Directories below and including `root`, children before parents; `enter` says whether to go into one. */
export function* postOrder(
  root: DirectoryNode,
  enter: (directory: DirectoryNode) => boolean,
): Generator<DirectoryNode> {
  const stack: { directory: DirectoryNode; next: number }[] = [{ directory: root, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const child = top.directory.entries[top.next++];
    if (child?.kind === 'directory' && enter(child)) stack.push({ directory: child, next: 0 });
    if (child === undefined) {
      stack.pop();
      yield top.directory;
    }
  }
}
