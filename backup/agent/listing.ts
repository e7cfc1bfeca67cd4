import { WeirError } from '../../src/base/errors.ts';
import { contentId } from '../../src/content/content-id.ts';
import { type DirectoryIds, decodeDirectory, type Entry } from '../../src/content/tree.ts';
import { done } from '../../src/wire/messages.ts';
import {
  type DirectoryObjects,
  directories as directoryFrames,
  listDirectories,
  opened,
  openPath,
  type Snapshot,
} from '../../src/wire/snapshots.ts';
import type { AgentSession } from './session.ts';

/** A directory of a snapshot, verified down from the id it was asked under. */
export interface ListedDirectory {
  /** Path below the opened one as a byte string, "" for itself. */
  readonly path: string;
  readonly entries: readonly ListedEntry[];
}

/** An entry; `file` numbers the files that are not empty, in the order listed, for `fetch`. */
export type ListedEntry = Entry & { readonly file: number | undefined };

export interface Listing {
  readonly snapshot: Snapshot;
  /** Set when the opened path is a file or a link: the listing holds this one entry. */
  readonly single: string | undefined;
  /** Parents before children. */
  readonly directories: readonly ListedDirectory[];
}

/** Deeper than any tree the provider takes; bounds what a false listing can do. */
export const MAX_LISTED_DEPTH = 1024;

/** Lists what a snapshot holds at a path and below. WEIR_SNAPSHOT_UNKNOWN, WEIR_PATH_UNKNOWN. */
export async function listSnapshot(
  session: AgentSession,
  snapshotName: string,
  path: string,
): Promise<Listing> {
  const { channel } = session;
  const { snapshot, attributesId, single } = await channel.call(
    openPath,
    { snapshot: snapshotName, path },
    opened,
  );
  const directories: ListedDirectory[] = [];
  const expected: { path: string; attributesId: Uint8Array; depth: number }[] = [
    { path: '', attributesId, depth: 1 },
  ];
  let files = 0;
  const takeOne = (objects: DirectoryObjects) => {
    const next = expected.pop() ?? mismatch();
    if (!contentId(objects.attributes).equals(next.attributesId) || next.depth > MAX_LISTED_DEPTH) mismatch();
    const entries: ListedEntry[] = [];
    for (const entry of decodeDirectory(objects.tree, objects.attributes)) {
      const isNumbered = entry.kind === 'file' && entry.sizeBytes > 0;
      entries.push({ ...entry, file: isNumbered ? files++ : undefined });
    }
    directories.push({
      path: next.path,
      entries: single === undefined ? entries : entries.filter(({ name }) => name === single),
    });
    if (single === undefined) expected.push(...below(next, entries).reverse());
  };
  const take = async (frame: readonly DirectoryObjects[]) => frame.forEach(takeOne);
  await channel.stream(listDirectories, null, directoryFrames, take, done);
  if (expected.length > 0) mismatch();
  return { snapshot, single, directories };
}

function below(parent: { path: string; depth: number }, entries: readonly Entry[]) {
  const found: { path: string; attributesId: DirectoryIds['attributesId']; depth: number }[] = [];
  for (const entry of entries) {
    if (entry.kind !== 'directory') continue;
    const path = parent.path === '' ? entry.name : `${parent.path}/${entry.name}`;
    found.push({ path, attributesId: entry.attributesId, depth: parent.depth + 1 });
  }
  return found;
}

function mismatch(): never {
  throw new WeirError('WEIR_RESTORE_MISMATCH', 'the directories received are not those of the snapshot');
}
