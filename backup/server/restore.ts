import { zstdDecompress } from '../../src/base/compress.ts';
import { WeirError } from '../../src/base/errors.ts';
import type { Contents } from '../../src/catalog/contents.ts';
import type { Scope } from '../../src/catalog/scope.ts';
import { findSnapshot } from '../../src/catalog/snapshots.ts';
import { MIN_PORTION_BYTES } from '../../src/content/chunker.ts';
import { contentId } from '../../src/content/content-id.ts';
import { type PortionList, singlePortion } from '../../src/content/portion-list.ts';
import { decodeDirectory } from '../../src/content/tree.ts';
import type { EncodedEntry } from '../../src/store/byte-store.ts';
import type { Records } from '../../src/store/records.ts';
import { MAX_FRAME_CONTENT_BYTES, MAX_FRAME_DIRECTORIES, MAX_FRAME_PIECES } from '../../src/wire/limits.ts';
import type { ContentPiece, DirectoryObjects, Opened, OpenPath } from '../../src/wire/snapshots.ts';
import { loadDirectories, loadEntries } from './directories.ts';
import { createFileList } from './file-list.ts';
import { readObjects, slices } from './read-objects.ts';

/** Directories on the way to the listing. */
interface WaitingDirectory {
  readonly attributesId: Uint8Array;
  objects: DirectoryObjects | undefined;
}

/** Siblings read together with the one whose turn it is. */
const LOADED_TOGETHER = 63;
/** Small directories share a frame up to here. */
const FRAME_DIRECTORY_BYTES = 256 * 1024;

/** Files listed of one opened path. Beyond it an agent opens deeper paths one by one. */
export const MAX_LISTED_FILES = 4_000_000;
export const MAX_LISTED_DIRECTORIES = 1_000_000;

/**
 * Reading a snapshot. Bytes are reached only this way: subscriber, snapshot, path, and then the
 * number of a file in what was listed. Nothing here takes an id from the agent.
 */
export class Reader {
  readonly #records: Records;
  readonly #contents: Contents;
  readonly #scope: Scope;
  #opened: Opened | undefined;
  #listed = createFileList();

  constructor(records: Records, contents: Contents, scope: Scope) {
    this.#records = records;
    this.#contents = contents;
    this.#scope = scope;
  }

  async open(request: OpenPath): Promise<Opened> {
    const snapshot = await findSnapshot(this.#records, this.#scope, request.snapshot);
    let attributesId = snapshot.rootAttributesId;
    let single: string | undefined;
    for (const name of request.path.split('/').filter((part) => part !== '')) {
      const entries =
        single === undefined ? await loadEntries(this.#contents, this.#scope, attributesId) : [];
      const entry = entries.find((one) => one.name === name);
      if (entry === undefined)
        throw new WeirError('WEIR_PATH_UNKNOWN', `the snapshot holds no ${request.path}`);
      if (entry.kind === 'directory') attributesId = entry.attributesId;
      else single = name;
    }
    this.#listed = createFileList();
    this.#opened = { snapshot, attributesId, single };
    return this.#opened;
  }

  /** The directories below the opened path, parents first, some at a time; of a single file's directory only itself. */
  async *list(): AsyncGenerator<DirectoryObjects[]> {
    const opened = this.#opened ?? outOfOrder('nothing is opened');
    this.#listed = createFileList();
    let frame: DirectoryObjects[] = [];
    let frameBytes = 0;
    let directories = 0;
    for await (const objects of this.#walk(opened)) {
      if (++directories > MAX_LISTED_DIRECTORIES) tooMany('directories', MAX_LISTED_DIRECTORIES);
      if (this.#listed.count > MAX_LISTED_FILES) tooMany('files', MAX_LISTED_FILES);
      const bytes = objects.tree.length + objects.attributes.length;
      if (
        frame.length === MAX_FRAME_DIRECTORIES ||
        (frame.length > 0 && frameBytes + bytes > FRAME_DIRECTORY_BYTES)
      ) {
        yield frame;
        frame = [];
        frameBytes = 0;
      }
      frame.push(objects);
      frameBytes += bytes;
    }
    if (frame.length > 0) yield frame;
  }

  /** Depth first, in the order of names. Directories that wait together are loaded together. */
  async *#walk(opened: Opened): AsyncGenerator<DirectoryObjects> {
    const waiting: WaitingDirectory[] = [{ attributesId: opened.attributesId, objects: undefined }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (next.objects === undefined) await this.#load([next, ...waiting.slice(-LOADED_TOGETHER)]);
      const objects = next.objects ?? outOfOrder('a directory was not loaded');
      const below: WaitingDirectory[] = [];
      for (const entry of decodeDirectory(objects.tree, objects.attributes)) {
        // A copy: a view would hold the whole directory.
        if (entry.kind === 'directory')
          below.push({ attributesId: Buffer.from(entry.attributesId), objects: undefined });
        if (entry.kind === 'file' && entry.sizeBytes > 0) this.#listed.add(entry);
      }
      yield objects;
      if (opened.single === undefined) for (const directory of below.reverse()) waiting.push(directory);
    }
  }

  async #load(directories: readonly WaitingDirectory[]): Promise<void> {
    const missing = directories.filter(({ objects }) => objects === undefined);
    const ids = missing.map(({ attributesId }) => attributesId);
    const loaded = await loadDirectories(this.#contents, this.#scope, ids);
    for (const [index, directory] of missing.entries()) directory.objects = loaded[index];
  }

  /** The content of listed files, verified by SHA-256 portion by portion. */
  async *fetch(files: readonly number[]): AsyncGenerator<ContentPiece[]> {
    const wanted = files.map(
      (file) => this.#listed.get(file) ?? outOfOrder('a file is asked for that was not listed'),
    );
    const frame = createFrame();
    for (const slice of slices(wanted)) {
      const lists = await this.#listsOf(slice);
      const read = (ids: readonly Uint8Array[]) => this.#contents.encodedPortions(this.#scope, ids);
      for await (const group of readObjects(lists, read)) {
        for (const { place, bytes } of group) {
          const list = lists[place.item] ?? outOfOrder('a portion has no file');
          const full = frame.add(verifiedPiece(bytes, list, place.portion));
          if (full !== undefined) yield full;
        }
      }
    }
    const rest = frame.take();
    if (rest.length > 0) yield rest;
  }

  async #listsOf(wanted: readonly { contentId: Uint8Array; sizeBytes: number }[]): Promise<PortionList[]> {
    const looked = await this.#contents.portionsOf(
      this.#scope,
      'file',
      wanted.filter(({ sizeBytes }) => sizeBytes > MIN_PORTION_BYTES).map(({ contentId: id }) => id),
    );
    let at = 0;
    return wanted.map(({ contentId: id, sizeBytes }) => {
      const list = sizeBytes > MIN_PORTION_BYTES ? looked[at++] : undefined;
      return list?.sizeBytes === sizeBytes ? list : singlePortion(id, sizeBytes);
    });
  }
}

function verifiedPiece(encoded: EncodedEntry | undefined, list: PortionList, portion: number): ContentPiece {
  const sizeBytes = list.lengthBytes(portion);
  const plain =
    encoded && (encoded.codec === 'zstd' ? zstdDecompress(encoded.bytes, sizeBytes) : encoded.bytes);
  const isGenuine = plain?.length === sizeBytes && contentId(plain).equals(list.id(portion));
  if (encoded === undefined || !isGenuine)
    return { encoding: 'missing', sizeBytes, bytes: new Uint8Array(0) };
  return { encoding: encoded.codec, sizeBytes, bytes: encoded.bytes };
}

/** Gathers pieces to frames. */
function createFrame() {
  let pieces: ContentPiece[] = [];
  let bytes = 0;
  const take = () => {
    const taken = pieces;
    pieces = [];
    bytes = 0;
    return taken;
  };
  return {
    take,
    /** Adds a piece; gives the pieces before it when it no longer fits with them. */
    add(piece: ContentPiece): ContentPiece[] | undefined {
      const fits = bytes + piece.bytes.length <= MAX_FRAME_CONTENT_BYTES && pieces.length < MAX_FRAME_PIECES;
      const full = fits || pieces.length === 0 ? undefined : take();
      pieces.push(piece);
      bytes += piece.bytes.length;
      return full;
    },
  };
}

function tooMany(what: string, most: number): never {
  throw new WeirError(
    'WEIR_WIRE_TOO_LARGE',
    `more than ${most} ${what} are below this path; open a deeper one`,
  );
}

function outOfOrder(reason: string): never {
  throw new WeirError('WEIR_WIRE_ORDER', reason);
}
