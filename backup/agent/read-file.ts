import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { contentId, contentIdHasher } from '../../src/content/content-id.ts';
import { fingerprint, fingerprintHasher } from '../../src/content/fingerprint.ts';
import { identifierOfFile } from '../../src/content/identifier.ts';
import type { PossessionTagger } from '../../src/content/proof.ts';
import { pathBytes } from './byte-path.ts';

/** What one pass over a file gives. */
export interface FileSums {
  readonly sizeBytes: number;
  readonly contentId: Buffer;
  readonly identifier: number;
  readonly tag: Buffer;
}

/** Awaited between the pieces of a large file; gives the thread away now and then. */
export type Pause = () => Promise<void> | undefined;

/** Larger files are read and hashed piece by piece of this size. */
export const READ_BUFFER_BYTES = 1024 * 1024;

/** Shared: nothing is kept in it across a pause. */
const buffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);

/** Opens a file for reading without following a link and without waiting on a pipe. */
export function openFile(path: string): number {
  return openSync(pathBytes(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

/**
 * Reads a file once for its content id, its identifier and its possession tag, and looks at it
 * again when it is read. The sums are of the bytes read, whatever the file's size was before.
 * Throws the system's error.
 */
export async function sumFile(
  path: string,
  tagger: PossessionTagger,
  pause: Pause,
): Promise<{ sums: FileSums; after: Stats }> {
  const file = openFile(path);
  try {
    const filled = readFully(file, buffer);
    const isWhole = filled < buffer.length;
    const sums = isWhole
      ? sumWhole(buffer.subarray(0, filled), tagger)
      : await sumPieces(file, tagger, pause);
    return { sums, after: fstatSync(file) };
  } finally {
    closeSync(file);
  }
}

/** The first bytes of a file: fewer when it has no more. Throws the system's error. */
export function readFirstBytes(path: string, sizeBytes: number): Buffer {
  const file = openFile(path);
  try {
    const bytes = Buffer.alloc(sizeBytes);
    return bytes.subarray(0, readFully(file, bytes));
  } finally {
    closeSync(file);
  }
}

/** Reads until the buffer is full or the file ends; returns the bytes read. */
function readFully(file: number, target: Buffer): number {
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
  return { sizeBytes: bytes.length, contentId: contentId(bytes), identifier, tag: tagger.tag(bytes) };
}

/** Goes on where the shared buffer was filled for the first time. */
async function sumPieces(file: number, tagger: PossessionTagger, pause: Pause): Promise<FileSums> {
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
    await pause();
  }
  return { sizeBytes, contentId: id.digest(), identifier: identifierOfFile(print.digest()), tag: tag.tag() };
}
