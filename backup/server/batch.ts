import { zstdDecompress } from '../../src/base/compress.ts';
import { WeirError } from '../../src/base/errors.ts';
import type { Found } from '../../src/catalog/candidates.ts';
import type { Portion } from '../../src/catalog/contents.ts';
import { MAX_PORTION_BYTES } from '../../src/content/chunker.ts';
import { contentId, EMPTY_CONTENT_ID } from '../../src/content/content-id.ts';
import { type Identifier, identifierOfId } from '../../src/content/identifier.ts';
import {
  type PortionListBuilder,
  portionListBuilder,
  singlePortion,
} from '../../src/content/portion-list.ts';
import type { AnnouncedDirectory, AnnouncedEntry } from '../../src/wire/announcement.ts';
import { MAX_FILE_BYTES, MAX_UPLOAD_BYTES } from '../../src/wire/limits.ts';
import type { PortionedFile, Upload } from '../../src/wire/messages.ts';
import { holdAssembled } from './assembled.ts';
import type { BackupContext } from './context.ts';
import type { ResolvedFile } from './directory-builder.ts';
import type { Asked } from './offer.ts';

type AnnouncedFile = Extract<AnnouncedEntry, { kind: 'file' }>;

/** A file of the batch that is not empty, on its way to a content id. */
interface PendingFile {
  readonly announced: AnnouncedFile;
  resolved: ResolvedFile | undefined;
  isWithdrawn: boolean;
  /** Set while the file's portions are being collected. */
  portions: PortionListBuilder | undefined;
  /** Bytes of all portions announced so far. */
  portionedBytes: number;
  isChanged: boolean;
  sizeBytes: number;
  mtimeSeconds: number;
  mtimeMicros: number;
}

/** A portion of the last `askPortions`, without an id until it is matched or uploaded. */
interface Slot {
  readonly file: PendingFile;
  readonly sizeBytes: number;
  readonly identifier: Identifier;
  readonly isAsked: boolean;
  readonly isPart: boolean;
  id: Uint8Array | undefined;
}

/** One announced batch, until every file in it has a content id or is withdrawn. */
export class Batch {
  readonly directories: readonly AnnouncedDirectory[];
  readonly #context: BackupContext;
  readonly #files: PendingFile[] = [];
  readonly #byEntry = new Map<AnnouncedFile, PendingFile>();
  #slots: Slot[] = [];
  #asked: readonly Slot[] = [];
  #finishing: PendingFile[] = [];

  constructor(context: BackupContext, directories: readonly AnnouncedDirectory[]) {
    this.#context = context;
    this.directories = directories;
    for (const { entries } of directories) {
      for (const entry of entries) if (entry.kind === 'file' && entry.sizeBytes > 0) this.#addFile(entry);
    }
  }

  get isResolved(): boolean {
    return this.#files.every((file) => file.resolved !== undefined || file.isWithdrawn);
  }

  /** What to look for first: every file that is not empty. */
  get askedFiles(): Asked[] {
    return this.#files.map(({ announced }) => announced);
  }

  acceptFiles(accepted: readonly (Found | undefined)[]): void {
    const { tally } = this.#context;
    for (const [index, found] of accepted.entries()) {
      const file = this.#files[index];
      if (file === undefined || found === undefined) continue;
      if (found.isProved) tally.knownBytes += file.sizeBytes;
      else tally.passedBytes += file.sizeBytes;
      resolve(file, found.contentId);
    }
  }

  /** Takes the portions of files that were not matched; returns those to look for. */
  async takePortions(files: readonly PortionedFile[]): Promise<Asked[]> {
    if (this.#slots.some(isMissing)) outOfOrder('portions are announced before the last were given');
    this.#slots = [];
    for (const { file: number, isLast, isAsked, changed, portions } of files) {
      const file = this.#files[number];
      if (file === undefined || file.resolved !== undefined || file.isWithdrawn)
        outOfOrder('portions of a file that is not wanted');
      const builder = (file.portions ??= portionListBuilder());
      if (changed !== undefined) Object.assign(file, changed, { sizeBytes: 0, isChanged: true });
      const isPart = !isLast || builder.count > 0 || portions.length > 1;
      for (const { sizeBytes, identifier } of portions) {
        if (sizeBytes === 0 || sizeBytes > MAX_PORTION_BYTES)
          falseManifest(`a portion of ${sizeBytes} bytes`);
        file.portionedBytes += sizeBytes;
        this.#slots.push({ file, sizeBytes, identifier, isAsked, isPart, id: undefined });
      }
      const mostBytes = file.isChanged ? MAX_FILE_BYTES : file.sizeBytes;
      if (file.portionedBytes > mostBytes) falseManifest(`more portions than ${mostBytes} bytes have`);
      if (isLast) this.#finishing.push(file);
    }
    this.#asked = this.#slots.filter((slot) => slot.isAsked);
    await this.#finishSlots();
    return this.#asked.map(({ identifier, sizeBytes }) => ({ identifier, sizeBytes }));
  }

  acceptPortions(accepted: readonly (Found | undefined)[]): Promise<void> {
    for (const [index, found] of accepted.entries()) {
      const slot = this.#asked[index];
      if (slot === undefined || found === undefined || !isMissing(slot)) continue;
      slot.id = found.contentId;
      this.#context.tally.portionBytes += slot.sizeBytes;
    }
    return this.#finishSlots();
  }

  /** Takes the next missing portions. They are durable when it returns. */
  async takeUpload(message: Upload): Promise<void> {
    const slots = this.#slots.filter(isMissing).slice(0, message.portions);
    if (slots.length < message.portions || slots.length === 0) outOfOrder('more is uploaded than is missing');
    const bytes = unpack(
      message,
      slots.reduce((sum, slot) => sum + slot.sizeBytes, 0),
    );
    const { contents, scope, tally } = this.#context;
    const portions: Portion[] = [];
    let at = 0;
    for (const slot of slots) {
      const piece = bytes.subarray(at, at + slot.sizeBytes);
      at += slot.sizeBytes;
      portions.push({ id: contentId(piece), bytes: piece });
    }
    const lease = contents.lease();
    try {
      lease.add(
        scope,
        portions.map(({ id }) => id),
      );
      await contents.putPortions(scope, portions, 'kept');
      const parts = portions.filter((_, index) => slots[index]?.isPart);
      await contents.hold(scope, parts.map(asObject));
      for (const [index, slot] of slots.entries()) slot.id = portions[index]?.id;
      tally.uploadedBytes += bytes.length;
      await this.#finishSlots();
    } finally {
      lease.release();
    }
  }

  /** Drops a file, and with it the portions of it that are still missing. */
  withdraw(number: number): Promise<void> {
    const file = this.#files[number];
    if (file === undefined || file.resolved !== undefined)
      outOfOrder('a file is withdrawn that is not wanted');
    file.isWithdrawn = true;
    this.#slots = this.#slots.filter((slot) => slot.file !== file);
    this.#finishing = this.#finishing.filter((one) => one !== file);
    return this.#finishSlots();
  }

  resolve(entry: AnnouncedFile): ResolvedFile | undefined {
    if (entry.sizeBytes > 0) return this.#byEntry.get(entry)?.resolved;
    const { mtimeSeconds, mtimeMicros } = entry;
    return { contentId: EMPTY_CONTENT_ID, sizeBytes: 0, mtimeSeconds, mtimeMicros };
  }

  #addFile(announced: AnnouncedFile): void {
    const { sizeBytes, mtimeSeconds, mtimeMicros } = announced;
    if (sizeBytes > MAX_FILE_BYTES) falseManifest(`a file of ${sizeBytes} bytes`);
    const file = {
      announced,
      resolved: undefined,
      isWithdrawn: false,
      portions: undefined,
      portionedBytes: 0,
      isChanged: false,
      sizeBytes,
      mtimeSeconds,
      mtimeMicros,
    };
    this.#files.push(file);
    this.#byEntry.set(announced, file);
  }

  /**
   * Gives the files their portions up to the first that is missing, and those that are whole their
   * ids: what is acknowledged is held by then, so that a later session finds it.
   */
  async #finishSlots(): Promise<void> {
    const missing = this.#slots.findIndex(isMissing);
    const given = this.#slots.splice(0, missing < 0 ? this.#slots.length : missing);
    for (const { file, id, sizeBytes } of given) if (id !== undefined) file.portions?.add(id, sizeBytes);
    const unfinished = new Set(this.#slots.map(({ file }) => file));
    const finishing = this.#finishing.filter((file) => !unfinished.has(file));
    this.#finishing = this.#finishing.filter((file) => unfinished.has(file));
    const lists = finishing.map((file) => (file.portions ?? portionListBuilder()).list());
    for (const [index, file] of finishing.entries()) {
      const sizeBytes = lists[index]?.sizeBytes ?? 0;
      if (file.sizeBytes === 0) file.sizeBytes = sizeBytes;
      if (sizeBytes !== file.sizeBytes)
        falseManifest(`a file announced with ${file.sizeBytes} bytes has ${sizeBytes}`);
    }
    const ids = await holdAssembled(this.#context, lists);
    for (const [index, file] of finishing.entries()) {
      file.portions = undefined;
      resolve(file, ids[index] ?? EMPTY_CONTENT_ID);
    }
  }
}

function resolve(file: PendingFile, id: Uint8Array): void {
  const { sizeBytes, mtimeSeconds, mtimeMicros } = file;
  file.resolved = { contentId: id, sizeBytes, mtimeSeconds, mtimeMicros };
}

function isMissing(slot: Slot): boolean {
  return slot.id === undefined;
}

/** A portion of an unfinished file, held by itself so that a later session finds it. */
function asObject({ id, bytes }: Portion) {
  const sizeBytes = bytes.length;
  const portions = singlePortion(id, sizeBytes);
  return {
    level: 'portion' as const,
    contentId: id,
    sizeBytes,
    identifier: identifierOfId(id),
    isProved: true,
    portions,
  };
}

function unpack(message: Upload, sizeBytes: number): Uint8Array {
  if (sizeBytes > MAX_UPLOAD_BYTES) falseManifest(`an upload of ${sizeBytes} bytes`);
  const bytes = message.isCompressed ? zstdDecompress(message.bytes, sizeBytes) : message.bytes;
  if (bytes?.length !== sizeBytes) falseManifest('an upload has another length than was announced');
  return bytes;
}

function outOfOrder(reason: string): never {
  throw new WeirError('WEIR_WIRE_ORDER', reason);
}

function falseManifest(reason: string): never {
  throw new WeirError('WEIR_MANIFEST_FALSE', `what was sent does not fit: ${reason}`);
}
