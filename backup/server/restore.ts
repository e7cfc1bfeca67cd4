import { zstdDecompress } from '../../src/base/compress.ts';
import { WeirError } from '../../src/base/errors.ts';
import type { Contents } from '../../src/catalog/contents.ts';
import type { Scope } from '../../src/catalog/scope.ts';
import { findSnapshot } from '../../src/catalog/snapshots.ts';
import { contentId } from '../../src/content/content-id.ts';
import { type PortionList, singlePortion } from '../../src/content/portion-list.ts';
import { decodeDirectory } from '../../src/content/tree.ts';
import type { EncodedEntry } from '../../src/store/byte-store.ts';
import type { Records } from '../../src/store/records.ts';
import { MAX_FRAME_CONTENT_BYTES, MAX_FRAME_DIRECTORIES, MAX_FRAME_PIECES } from '../../src/wire/limits.ts';
import type { ContentPiece, DirectoryObjects, Opened, OpenPath } from '../../src/wire/snapshots.ts';
import { loadDirectory, loadEntries, loadSmallDirectories } from './directories.ts';
import { createFileList } from './file-list.ts';
import { fileLists, readObjects, slices } from './read-objects.ts';

/** Directories on the way to the listing. */
interface WaitingDirectory {
  readonly attributesId: Uint8Array;
  objects: DirectoryObjects | undefined;
}

/** Siblings read together with the one whose turn it is. */
const LOADED_TOGETHER = 63;
/** Directories loaded before their turn come to no more than this and one such read. */
const HELD_BYTES = 32 * 1024 * 1024;
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
      const bytes = sizeOf(objects);
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
    let heldBytes = 0;
    const waiting: WaitingDirectory[] = [{ attributesId: opened.attributesId, objects: undefined }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (next.objects === undefined && heldBytes < HELD_BYTES) {
        heldBytes += await this.#loadSmall([next, ...waiting.slice(-LOADED_TOGETHER)]);
      }
      heldBytes -= next.objects === undefined ? 0 : sizeOf(next.objects);
      const objects = next.objects ?? (await loadDirectory(this.#contents, this.#scope, next.attributesId));
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

  /** Loads the small ones among directories that were not loaded yet; gives their bytes. */
  async #loadSmall(directories: readonly WaitingDirectory[]): Promise<number> {
    const missing = directories.filter(({ objects }) => objects === undefined);
    const ids = missing.map(({ attributesId }) => attributesId);
    const loaded = await loadSmallDirectories(this.#contents, this.#scope, ids);
    for (const [index, directory] of missing.entries()) directory.objects = loaded[index];
    return loaded.reduce((sum, objects) => sum + (objects === undefined ? 0 : sizeOf(objects)), 0);
  }

  /** The content of listed files, verified by SHA-256 portion by portion. */
  async *fetch(files: readonly number[]): AsyncGenerator<ContentPiece[]> {
    const wanted = files.map(
      (file) => this.#listed.get(file) ?? outOfOrder('a file is asked for that was not listed'),
    );
    const frame = createFrame();
    for (const slice of slices(wanted)) {
      const found = await fileLists(this.#contents, this.#scope, slice);
      const lists = slice.map((file, index) => found[index] ?? singlePortion(file.contentId, file.sizeBytes));
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
}

function sizeOf({ tree, attributes }: DirectoryObjects): number {
  return tree.length + attributes.length;
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
