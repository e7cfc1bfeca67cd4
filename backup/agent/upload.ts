import { closeSync, readSync } from 'node:fs';
import { zstdCompress } from '../../src/base/compress.ts';
import type { WeirError } from '../../src/base/errors.ts';
import { MIN_PORTION_BYTES } from '../../src/content/chunker.ts';
import { contentId } from '../../src/content/content-id.ts';
import { identifierOfId } from '../../src/content/identifier.ts';
import { MAX_UPLOAD_BYTES } from '../../src/wire/limits.ts';
import {
  askPortions,
  candidates,
  done,
  type PortionedFile,
  upload,
  withdraw,
} from '../../src/wire/messages.ts';
import { choose, type Item } from './choose.ts';
import { fileProblem, isSystemError, readProblem } from './file-problem.ts';
import type { DirectoryNode, FileNode } from './node.ts';
import { type FilePortion, type PortionedContent, portionFile } from './portion-file.ts';
import { openFile } from './read-file.ts';
import type { AgentSession } from './session.ts';
import type { Tally } from './tally.ts';

/** A file that nothing matched as a whole. */
export interface UnmatchedFile {
  /** Its number in the batch. */
  readonly number: number;
  readonly directory: DirectoryNode;
  /** As it stands in the directory: replaced when the file turns out to have changed. */
  node: FileNode;
  readonly path: string;
}

/** Portions asked for together; what they add up to bounds how long the provider's answer is awaited. */
export const GROUP_PORTIONS = 4096;
export const GROUP_BYTES = 64 * 1024 * 1024;
/** Uploads under way at once, so that the line is busy while the provider writes. */
export const UPLOADS_AHEAD = 2;
/** The uplink is the scarce thing: level 6 sends 3.6 % less than level 3 of packages and manuals, at 220 MB a CPU second. */
const UPLOAD_LEVEL = 6;

/** A portion on its way, with the file it belongs to. */
interface Waiting {
  readonly file: UnmatchedFile;
  readonly portion: FilePortion;
  readonly isAsked: boolean;
}

/**
 * Brings files to the provider portion by portion: asks for each group of portions, proves those
 * that are recognised, uploads the rest. A file that has changed since the scan goes as it is now;
 * one that cannot be read to its end is withdrawn and reported.
 */
export class Uploader {
  readonly #session: AgentSession;
  readonly #tally: Tally;
  readonly #onProblem: (error: WeirError) => void;
  #files: PortionedFile[] = [];
  #waiting: Waiting[] = [];
  #bytes = 0;
  readonly #withdrawn = new Set<UnmatchedFile>();
  /** Whether a file changed or was withdrawn, so that the ids of its directories are others now. */
  hasChanged = false;

  constructor(session: AgentSession, tally: Tally, onProblem: (error: WeirError) => void) {
    this.#session = session;
    this.#tally = tally;
    this.#onProblem = onProblem;
  }

  async send(files: readonly UnmatchedFile[]): Promise<void> {
    for (const file of files) await this.#plan(file);
    await this.#sendGroup();
  }

  async #plan(file: UnmatchedFile): Promise<void> {
    const isAsked = file.node.sizeBytes > MIN_PORTION_BYTES;
    let portions: FilePortion[] = [];
    const reading = portionFile(file.path);
    try {
      for (let step = reading.next(); ; step = reading.next()) {
        if (step.done) {
          this.#files.push(this.#finished(file, isAsked, portions, step.value));
          return;
        }
        portions.push(step.value);
        this.#waiting.push({ file, portion: step.value, isAsked });
        this.#bytes += step.value.sizeBytes;
        if (this.#waiting.length < GROUP_PORTIONS && this.#bytes < GROUP_BYTES) continue;
        this.#files.push({ ...announced(file, isAsked, portions), isLast: false });
        portions = [];
        await this.#sendGroup();
        if (this.#withdrawn.has(file)) return;
      }
    } catch (cause) {
      if (!isSystemError(cause)) throw cause;
      await this.#dropUnsent(file, cause);
    } finally {
      // Closes a file that was not read to its end.
      reading.return(file.node);
    }
  }

  #finished(
    file: UnmatchedFile,
    isAsked: boolean,
    portions: readonly FilePortion[],
    content: PortionedContent,
  ): PortionedFile {
    const isSame = content.contentId.equals(file.node.contentId);
    if (!isSame) this.#replace(file, content);
    const { mtimeSeconds, mtimeMicros } = content;
    return {
      ...announced(file, isAsked, portions),
      changed: isSame ? undefined : { mtimeSeconds, mtimeMicros },
    };
  }

  /** Takes back what was planned of a file that turned out unreadable. */
  async #dropUnsent(file: UnmatchedFile, cause: unknown): Promise<void> {
    this.#waiting = this.#waiting.filter((one) => one.file !== file);
    this.#files = this.#files.filter((one) => one.file !== file.number);
    await this.#sendGroup();
    await this.#withdraw(file, readProblem(file.path, cause));
  }

  async #sendGroup(): Promise<void> {
    const files = this.#files;
    const waiting = this.#waiting;
    this.#files = [];
    this.#waiting = [];
    this.#bytes = 0;
    if (files.length === 0) return;
    const asked = waiting.filter((one) => one.isAsked);
    const offered = await this.#session.channel.call(askPortions, files, candidates);
    const accepted = await choose(
      this.#session,
      asked.map((one) => this.#asItem(one)),
      offered,
    );
    const matched = new Set(asked.filter((_, index) => accepted[index]));
    for (const { portion } of matched) this.#tally.matchedBytes += portion.sizeBytes;
    await this.#upload(waiting.filter((one) => !matched.has(one)));
  }

  async #upload(missing: readonly Waiting[]): Promise<void> {
    const frame = Buffer.allocUnsafe(
      Math.min(
        MAX_UPLOAD_BYTES,
        missing.reduce((sum, { portion }) => sum + portion.sizeBytes, 0),
      ),
    );
    const sending: Promise<unknown>[] = [];
    let filled = 0;
    let count = 0;
    const flush = async () => {
      if (count === 0) return;
      const sent = this.#send(frame.subarray(0, filled), count);
      // Its failure is met when its turn comes; until then it must not count as unhandled.
      sent.catch(() => undefined);
      sending.push(sent);
      filled = 0;
      count = 0;
      if (sending.length >= UPLOADS_AHEAD) await sending.shift();
    };
    using reader = new PortionReader();
    for (const { file, portion } of missing) {
      if (this.#withdrawn.has(file)) continue;
      if (filled + portion.sizeBytes > frame.length) await flush();
      const target = frame.subarray(filled, filled + portion.sizeBytes);
      if (reader.read(file.path, portion, target)) {
        filled += portion.sizeBytes;
        count++;
        continue;
      }
      await flush();
      await Promise.all(sending.splice(0));
      await this.#withdraw(file, fileProblem('WEIR_FILE_CHANGED', file.path));
    }
    await flush();
    await Promise.all(sending);
  }

  async #send(bytes: Buffer, portions: number): Promise<void> {
    const packed = zstdCompress(bytes, UPLOAD_LEVEL);
    const isCompressed = packed.length < bytes.length;
    // An uncompressed frame is written out before the buffer is filled again: `encode` copies.
    const sent = this.#session.channel.call(
      upload,
      { portions, isCompressed, bytes: isCompressed ? packed : bytes },
      done,
    );
    this.#tally.phase = 'upload';
    const sizeBytes = bytes.length;
    await sent;
    this.#tally.uploadedBytes += sizeBytes;
  }

  async #withdraw(file: UnmatchedFile, error: WeirError): Promise<void> {
    this.#withdrawn.add(file);
    await this.#session.channel.call(withdraw, file.number, done);
    file.directory.entries = file.directory.entries.filter((entry) => entry !== file.node);
    this.hasChanged = true;
    this.#tally.scannedFiles--;
    this.#tally.scannedBytes -= file.node.sizeBytes;
    this.#onProblem(error);
  }

  #replace(file: UnmatchedFile, content: PortionedContent): void {
    const changed: FileNode = { ...file.node, ...content, tag: undefined };
    this.#tally.scannedBytes += content.sizeBytes - file.node.sizeBytes;
    file.directory.entries = file.directory.entries.map((entry) => (entry === file.node ? changed : entry));
    file.node = changed;
    this.hasChanged = true;
  }

  #asItem({ file, portion }: Waiting): Item {
    return {
      contentId: portion.id,
      tag: async () => {
        const bytes = Buffer.allocUnsafe(portion.sizeBytes);
        using reader = new PortionReader();
        return reader.read(file.path, portion, bytes) ? this.#session.tagger.tag(bytes) : undefined;
      },
    };
  }
}

function announced(file: UnmatchedFile, isAsked: boolean, portions: readonly FilePortion[]): PortionedFile {
  const asked = portions.map(({ id, sizeBytes }) => ({ sizeBytes, identifier: identifierOfId(id) }));
  return { file: file.number, isLast: true, isAsked, changed: undefined, portions: asked };
}

/** Reads portions again, keeping the last file open. */
class PortionReader implements Disposable {
  #path: string | undefined;
  #file: number | undefined;

  /** Fills `target` with the portion; false when the file no longer has these bytes there. */
  read(path: string, portion: FilePortion, target: Buffer): boolean {
    try {
      if (this.#path !== path || this.#file === undefined) {
        this[Symbol.dispose]();
        this.#file = openFile(path);
        this.#path = path;
      }
      const count = readSync(this.#file, target, 0, target.length, portion.offset);
      return count === target.length && contentId(target).equals(portion.id);
    } catch (error) {
      if (isSystemError(error)) return false;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    this.#path = undefined;
  }
}
