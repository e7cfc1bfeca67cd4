import { zstdDecompress } from '../../src/base/compress.ts';
import { WeirError } from '../../src/base/errors.ts';
import { MAX_FETCH_FILES } from '../../src/wire/limits.ts';
import { done } from '../../src/wire/messages.ts';
import { type ContentPiece, content, fetch } from '../../src/wire/snapshots.ts';
import { showPath } from './byte-path.ts';
import type { RestoreProgress } from './restore.ts';
import type { Planned, RestoreTarget } from './restore-plan.ts';
import type { AgentSession } from './session.ts';
import { type FileWriter, type MetadataPolicy, openFileWriter } from './write-file.ts';

/** What the files are received into. */
export interface ReceiveOptions {
  readonly session: AgentSession;
  readonly target: RestoreTarget;
  /** Files are written under this name until they are complete. */
  readonly temporaryName: string;
  readonly metadata: MetadataPolicy;
  readonly onProblem: (error: WeirError) => void;
  readonly progress: RestoreProgress;
}

const FILES_PER_FETCH = Math.min(4096, MAX_FETCH_FILES);
const FETCHES_AHEAD = 2;

/** Brings the planned files back in order, a few requests ahead of the writing. */
export async function receiveFiles(planned: readonly Planned[], options: ReceiveOptions): Promise<void> {
  const { session } = options;
  for (const empty of planned.filter(({ file }) => file === undefined)) new Receiver([empty], options).end();
  const full = planned.filter(({ file }) => file !== undefined);
  const running: Promise<unknown>[] = [];
  for (let from = 0; from < full.length; from += FILES_PER_FETCH) {
    const files = full.slice(from, from + FILES_PER_FETCH);
    const receiver = new Receiver(files, options);
    const numbers = files.map(({ file }) => file).filter((file) => file !== undefined);
    const take = async (pieces: readonly ContentPiece[]) => receiver.take(pieces);
    const fetched = session.channel.stream(fetch, numbers, content, take, done).then(() => receiver.end());
    // Reported when its turn comes below; until then a failure must not count as unhandled.
    fetched.catch(() => undefined);
    running.push(fetched);
    if (running.length > FETCHES_AHEAD) await running.shift();
  }
  for (const fetched of running) await fetched;
}

const NOTHING = new Uint8Array(0);

/** Writes the pieces of content that arrive for a list of files, in order. */
class Receiver {
  readonly #files: readonly Planned[];
  readonly #options: ReceiveOptions;
  #at = 0;
  #received = 0;
  #writer: FileWriter | undefined;
  #failure: WeirError | undefined;

  constructor(files: readonly Planned[], options: ReceiveOptions) {
    this.#files = files;
    this.#options = options;
    this.#finishEmpty();
  }

  take(pieces: readonly ContentPiece[]): void {
    for (const piece of pieces) this.#takePiece(piece);
  }

  end(): void {
    if (this.#at < this.#files.length)
      throw new WeirError('WEIR_RESTORE_MISMATCH', 'the provider sent less than was asked for');
  }

  #takePiece(piece: ContentPiece): void {
    const planned = this.#files[this.#at];
    if (planned === undefined)
      throw new WeirError('WEIR_RESTORE_MISMATCH', 'the provider sent more than was asked for');
    const bytes = piece.encoding === 'zstd' ? zstdDecompress(piece.bytes, piece.sizeBytes) : piece.bytes;
    if (piece.encoding === 'missing')
      this.#fail(planned, 'WEIR_CONTENT_MISSING', 'is not held by the provider any more');
    else if (bytes?.length !== piece.sizeBytes)
      this.#fail(planned, 'WEIR_RESTORE_MISMATCH', 'arrived damaged');
    else if (this.#failure === undefined) this.#write(planned, bytes);
    this.#received += piece.sizeBytes;
    if (this.#received >= planned.entry.sizeBytes) this.#finish(planned);
  }

  /** A file without bytes gets none. */
  #finishEmpty(): void {
    const [planned] = this.#files;
    if (planned?.entry.sizeBytes !== 0) return;
    this.#write(planned, NOTHING);
    this.#finish(planned);
  }

  #write(planned: Planned, bytes: Uint8Array): void {
    const { temporaryName, metadata, target, progress } = this.#options;
    const mayBeLeft = !target.isFresh(planned.directory);
    try {
      this.#writer ??= openFileWriter(planned.path, planned.entry, temporaryName, mayBeLeft, metadata);
      this.#writer.write(bytes);
      progress.bytes += bytes.length;
    } catch (cause) {
      this.#fail(planned, 'WEIR_RESTORE_TARGET', 'cannot be written', cause);
    }
  }

  #finish(planned: Planned): void {
    try {
      if (this.#failure === undefined && this.#writer?.finish() !== true) {
        this.#fail(planned, 'WEIR_RESTORE_MISMATCH', 'arrived with other bytes than were backed up');
      }
    } catch (cause) {
      this.#fail(planned, 'WEIR_RESTORE_TARGET', 'cannot be written', cause);
    }
    if (this.#failure === undefined) this.#options.progress.files++;
    else this.#options.onProblem(this.#failure);
    this.#writer = undefined;
    this.#failure = undefined;
    this.#received = 0;
    this.#at++;
  }

  #fail(
    planned: Planned,
    code: 'WEIR_CONTENT_MISSING' | 'WEIR_RESTORE_MISMATCH' | 'WEIR_RESTORE_TARGET',
    what: string,
    cause?: unknown,
  ): void {
    const path = showPath(planned.path);
    this.#failure ??= new WeirError(code, `${path} ${what}`, { facts: { path }, cause });
    this.#writer?.discard();
    this.#writer = undefined;
  }
}
