import type { WeirError } from '../../src/base/errors.ts';
import { type AnnouncedDirectory, type AnnouncedEntry, announcement } from '../../src/wire/announcement.ts';
import { candidates } from '../../src/wire/messages.ts';
import { joinPath } from './byte-path.ts';
import { choose, type Item } from './choose.ts';
import type { DirectoryNode, FileNode, Node } from './node.ts';
import { sumFile } from './read-file.ts';
import type { AgentSession } from './session.ts';
import type { Tally } from './tally.ts';
import { type UnmatchedFile, Uploader } from './upload.ts';

/**
 * Entries of a batch: few enough that the provider proves one while the next is read, many enough
 * that columns compress (docs/wire.md has the figures).
 */
export const BATCH_ENTRIES = 2048;
/** Bytes of names and link targets in a batch, within what the columns of one may take. */
export const BATCH_BYTES = 4 * 1024 * 1024;
/** Bytes of the files in a batch after which it is sent: what the provider reads to prove it, while the scan goes on. */
export const BATCH_FILE_BYTES = 32 * 1024 * 1024;
/** Batches that wait for the provider while the scan goes on: some hold a hundred times the bytes of others. */
export const BATCHES_AHEAD = 16;

/** Announces directories in batches and brings each batch to its end while the next ones are gathered. */
export class Announcer {
  readonly #session: AgentSession;
  readonly #tally: Tally;
  readonly #uploader: Uploader;
  #directories: { directory: DirectoryNode; entries: readonly Node[]; isLast: boolean }[] = [];
  #entries = 0;
  #bytes = 0;
  #fileBytes = 0;
  /** Batches that are not finished, one after another. */
  readonly #underWay: Promise<void>[] = [];

  constructor(session: AgentSession, tally: Tally, onProblem: (error: WeirError) => void) {
    this.#session = session;
    this.#tally = tally;
    this.#uploader = new Uploader(session, tally, onProblem);
  }

  get hasChanged(): boolean {
    return this.#uploader.hasChanged;
  }

  /** Adds a directory. Children must have been added before. */
  async add(directory: DirectoryNode): Promise<void> {
    let part: Node[] = [];
    for (const node of directory.entries) {
      const bytes = node.name.length + (node.kind === 'symlink' ? node.target.length : 0);
      if (this.#isFull || this.#bytes + bytes > BATCH_BYTES) {
        this.#directories.push({ directory, entries: part, isLast: false });
        part = [];
        await this.#flush();
      }
      part.push(node);
      this.#entries++;
      this.#bytes += bytes;
      if (node.kind === 'file') this.#fileBytes += node.sizeBytes;
    }
    this.#directories.push({ directory, entries: part, isLast: true });
    this.#entries++;
    if (this.#isFull) await this.#flush();
  }

  get #isFull(): boolean {
    return this.#entries >= BATCH_ENTRIES || this.#fileBytes >= BATCH_FILE_BYTES;
  }

  /** Sends what is left; everything added is at the provider when it resolves. */
  async finish(): Promise<void> {
    await this.#flush();
    await Promise.all(this.#underWay);
  }

  /** Queues the batch that was gathered. Waits while BATCHES_AHEAD are queued before it. */
  async #flush(): Promise<void> {
    if (this.#underWay.length >= BATCHES_AHEAD) await this.#underWay.shift();
    const batch = this.#directories;
    if (batch.length === 0) return;
    this.#directories = [];
    this.#entries = 0;
    this.#bytes = 0;
    this.#fileBytes = 0;
    const before = this.#underWay.at(-1) ?? Promise.resolve();
    const brought = before.then(() => this.#bring(batch));
    // Its failure is met when its turn comes; until then it must not count as unhandled.
    brought.catch(() => undefined);
    this.#underWay.push(brought);
  }

  async #bring(
    batch: readonly { directory: DirectoryNode; entries: readonly Node[]; isLast: boolean }[],
  ): Promise<void> {
    const directories: AnnouncedDirectory[] = batch.map(({ entries, isLast }) => ({
      entries: entries.map(announced),
      isLast,
    }));
    const files = batch.flatMap(({ directory, entries }) =>
      entries
        .filter((node) => node.kind === 'file')
        .filter((node) => node.sizeBytes > 0)
        .map((node) => ({ directory, node })),
    );
    const offered = await this.#session.channel.call(announcement, { directories }, candidates);
    const items = files.map(({ directory, node }) => this.#asItem(node, joinPath(directory.path, node.name)));
    const accepted = await choose(this.#session, items, offered);
    const unmatched: UnmatchedFile[] = [];
    for (const [number, { directory, node }] of files.entries()) {
      if (accepted[number]) this.#tally.matchedBytes += node.sizeBytes;
      else unmatched.push({ number, directory, node, path: joinPath(directory.path, node.name) });
      node.tag = undefined;
    }
    await this.#uploader.send(unmatched);
  }

  #asItem(node: FileNode, path: string): Item {
    const { tagger } = this.#session;
    return {
      contentId: node.contentId,
      async tag() {
        if (node.tag !== undefined) return node.tag;
        const read = await sumFile(path, tagger, () => undefined).catch(() => undefined);
        return read?.sums.contentId.equals(node.contentId) ? read.sums.tag : undefined;
      },
    };
  }
}

function announced(node: Node): AnnouncedEntry {
  const { name, mode, mtimeSeconds, mtimeMicros, uid, gid } = node;
  const named = { name, mode, mtimeSeconds, mtimeMicros, uid, gid };
  if (node.kind === 'file')
    return { kind: node.kind, ...named, sizeBytes: node.sizeBytes, identifier: node.identifier };
  if (node.kind === 'symlink') return { kind: node.kind, ...named, target: node.target };
  return { kind: node.kind, ...named, known: node.known };
}
