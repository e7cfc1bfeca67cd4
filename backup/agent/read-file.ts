import { closeSync, constants, openSync, readSync } from 'node:fs';
import { contentId, contentIdHasher } from '../../src/content/content-id.ts';
import { fingerprint, fingerprintHasher } from '../../src/content/fingerprint.ts';
import { identifierOfFile } from '../../src/content/identifier.ts';
import type { PossessionTagger } from '../../src/content/proof.ts';

/** What one pass over a file gives. */
export interface FileSums {
  readonly sizeBytes: number;
  readonly contentId: Buffer;
  readonly identifier: number;
  readonly tag: Buffer;
}

/** Larger files are read and hashed piece by piece of this size. */
export const READ_BUFFER_BYTES = 1024 * 1024;

const buffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);

/** Opens a file for reading without following a link and without waiting on a pipe. The path is a byte string. */
export function openFile(path: string): number {
  return openSync(pathBytes(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

/** Node takes paths that need not be UTF-8 as buffers. */
export function pathBytes(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

const MICROS_PER_SECOND = 1_000_000n;

/**
 * A time as a tree keeps it, cut to microseconds: Node.js sets times as a double of seconds, which
 * is exact to a quarter of a microsecond, so that a restored file has the time it was backed up
 * with. It also saves a byte of uplink a file.
 */
export function splitTime(timeNs: bigint): { mtimeSeconds: number; mtimeMicros: number } {
  const total = BigInt.asIntN(64, timeNs - (((timeNs % 1000n) + 1000n) % 1000n)) / 1000n;
  const micros = ((total % MICROS_PER_SECOND) + MICROS_PER_SECOND) % MICROS_PER_SECOND;
  return { mtimeSeconds: Number((total - micros) / MICROS_PER_SECOND), mtimeMicros: Number(micros) };
}

/**
 * Reads a file once for its content id, its identifier and its possession tag. The sums are of the
 * bytes read, whatever the file's size was before. `pause` is awaited between the pieces of a
 * large file. Throws the system's error.
 */
export async function sumFile(
  path: string,
  tagger: PossessionTagger,
  pause: () => Promise<void> | undefined,
): Promise<FileSums> {
  const file = openFile(path);
  try {
    const filled = readFully(file, buffer);
    if (filled < buffer.length) return sumWhole(buffer.subarray(0, filled), tagger);
    return await sumPieces(file, tagger, pause);
  } finally {
    closeSync(file);
  }
}

/** Reads until the buffer is full or the file ends; returns the bytes read. */
export function readFully(file: number, target: Buffer): number {
  let filled = 0;
  while (filled < target.length) {
    const count = readSync(file, target, filled, target.length - filled, null);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}

function sumWhole(bytes: Buffer, tagger: PossessionTagger): FileSums {
  const identifier = identifierOfFile(fingerprint(bytes));
  return {
    sizeBytes: bytes.length,
    contentId: contentId(bytes),
    identifier,
    tag: tagger.tag(bytes),
  };
}

/** Goes on where the shared buffer was filled for the first time. */
async function sumPieces(
  file: number,
  tagger: PossessionTagger,
  pause: () => Promise<void> | undefined,
): Promise<FileSums> {
  const id = contentIdHasher();
  const print = fingerprintHasher();
  const tag = tagger.stream();
  let sizeBytes = 0;
  for (let filled = buffer.length; filled > 0; filled = readFully(file, buffer)) {
    const piece = buffer.subarray(0, filled);
    id.update(piece);
    print.update(piece);
    tag.update(piece);
    sizeBytes += filled;
    const paused = pause();
    if (paused !== undefined) await paused;
  }
  return { sizeBytes, contentId: id.digest(), identifier: identifierOfFile(print.digest()), tag: tag.tag() };
}
