import { WeirError } from '../../src/base/errors.ts';
import { identifierOfId } from '../../src/content/identifier.ts';
import { MAX_BATCH_DIRECTORY_ASKS } from '../../src/wire/limits.ts';
import { askDirectories, candidates } from '../../src/wire/messages.ts';
import { commit, committed, type Snapshot } from '../../src/wire/snapshots.ts';
import { Announcer } from './announce.ts';
import { recognise } from './choose.ts';
import { type CachedFile, type FileCache, openFileCache } from './file-cache.ts';
import { type DirectoryNode, directoryIds, postOrder } from './node.ts';
import { type ScanOptions, scan } from './scan.ts';
import { type AgentSession, type Enrolment, openSession } from './session.ts';
import { newTally, type Tally } from './tally.ts';

export interface BackupOptions
  extends Pick<ScanOptions, 'isExcluded' | 'maxFileBytes' | 'isOneFileSystem' | 'excludesCaches' | 'clock'> {
  readonly enrolment: Enrolment;
  /** Absolute, normalised byte strings. */
  readonly paths: readonly string[];
  /** Read every file and ask for every one, whatever the cache and the provider's directories say. */
  readonly isFull: boolean;
  readonly tags: readonly string[];
  /** Where the cache of this set of paths is kept. */
  readonly cachePath: string;
  readonly onProblem: (error: WeirError) => void;
  /** Told when the work begins; `tally` changes as it goes on. */
  readonly onStart: (tally: Tally) => void;
}

export interface BackupResult {
  readonly snapshot: Snapshot;
  readonly tally: Tally;
  readonly lineBytes: { readonly up: number; readonly down: number };
}

/**
 * One backup, from the scan to the snapshot. Whatever happens before the commit leaves no snapshot;
 * what was acknowledged stays with the provider and is not sent again by the next run. When the
 * provider turns out to have lost something, it is done again in full, which finds and sends it.
 */
export async function backup(options: BackupOptions): Promise<BackupResult> {
  try {
    return await backUpOnce(options);
  } catch (error) {
    const isLost = error instanceof WeirError && error.code === 'WEIR_CONTENT_MISSING';
    if (!isLost || options.isFull) throw error;
    return backUpOnce({ ...options, isFull: true });
  }
}

async function backUpOnce(options: BackupOptions): Promise<BackupResult> {
  const tally = newTally();
  options.onStart(tally);
  const cache = openFileCache(options.cachePath, options.onProblem);
  const opened = await openSession(options.enrolment).catch((error: unknown) => {
    cache.discard();
    throw error;
  });
  // A provider that is not asked for directories is asked for every file.
  const session = options.isFull ? { ...opened, knowsDirectories: false, isThorough: true } : opened;
  try {
    const announcer = new Announcer(session, tally, options.onProblem);
    const known = options.isFull ? { ...cache, directory: () => NO_FILES } : cache;
    const root = await scanAnd(session, announcer, known, options, tally);
    tally.phase = 'identify';
    if (session.knowsDirectories) await announceUnknown(session, announcer, root);
    await announcer.finish();
    tally.phase = 'commit';
    const snapshot = await commitRoot(session, root, announcer.hasChanged, options, tally);
    keepCache(cache, options);
    return { snapshot, tally, lineBytes: session.channel.lineBytes };
  } finally {
    cache.discard();
    session.close();
  }
}

/** What a full backup takes from the cache; it writes a new one all the same. */
const NO_FILES: ReadonlyMap<string, CachedFile> = new Map();

/** The snapshot stands by now: a cache that cannot be kept costs reading next time, no more. */
function keepCache(cache: FileCache, { cachePath, onProblem }: BackupOptions): void {
  try {
    cache.commit();
  } catch (cause) {
    onProblem(new WeirError('WEIR_STATE_UNREADABLE', `the cache ${cachePath} cannot be written`, { cause }));
  }
}

/**
 * Scans. A provider that knows no directory of this subscriber is told of each as soon as it is
 * read; one that does is asked from the root down first, which needs the whole tree.
 */
function scanAnd(
  session: AgentSession,
  announcer: Announcer,
  cache: FileCache,
  options: BackupOptions,
  tally: Tally,
): Promise<DirectoryNode> {
  return scan({
    ...options,
    tagger: session.tagger,
    cache,
    onFile(sizeBytes, wasRead) {
      tally.scannedFiles++;
      tally.scannedBytes += sizeBytes;
      if (wasRead) tally.readBytes += sizeBytes;
    },
    onDirectory: (directory) => (session.knowsDirectories ? undefined : announcer.add(directory)),
  });
}

/** Asks for directories level by level, going down only where they are not known; announces the rest. */
async function announceUnknown(
  session: AgentSession,
  announcer: Announcer,
  root: DirectoryNode,
): Promise<void> {
  let level = [root];
  while (level.length > 0) {
    const below: DirectoryNode[] = [];
    for (let from = 0; from < level.length; from += MAX_BATCH_DIRECTORY_ASKS) {
      below.push(...(await askLevel(session, level.slice(from, from + MAX_BATCH_DIRECTORY_ASKS))));
    }
    level = below;
  }
  if (root.known !== undefined) return;
  for (const directory of postOrder(root, (child) => child.known === undefined))
    await announcer.add(directory);
}

/** Marks the directories the provider knows; returns those below the others. */
async function askLevel(session: AgentSession, level: readonly DirectoryNode[]): Promise<DirectoryNode[]> {
  const ids = level.map((directory) => directoryIds(directory).attributesId);
  const offered = await session.channel.call(askDirectories, ids.map(identifierOfId), candidates);
  const below: DirectoryNode[] = [];
  for (const [index, directory] of level.entries()) {
    const found = offered[index] ?? [];
    const number = recognise(session.digestOf, ids[index] ?? new Uint8Array(0), found);
    if (number > 0) directory.known = session.offeredDirectories + number - 1;
    else for (const entry of directory.entries) if (entry.kind === 'directory') below.push(entry);
    session.offeredDirectories += found.length;
  }
  return below;
}

function commitRoot(
  session: AgentSession,
  root: DirectoryNode,
  hasChanged: boolean,
  options: BackupOptions,
  tally: Tally,
): Promise<Snapshot> {
  if (hasChanged)
    for (const directory of postOrder(root, (child) => child.known === undefined)) directory.ids = undefined;
  const { paths, tags } = options;
  const { scannedFiles: files, scannedBytes: totalBytes } = tally;
  const rootAttributesId = directoryIds(root).attributesId;
  return session.channel.call(
    commit,
    { known: root.known, rootAttributesId, paths, tags, files, totalBytes },
    committed,
  );
}
