import { closeSync, fstatSync, readSync } from 'node:fs';
import { createChunker, MAX_PORTION_BYTES } from '../../src/content/chunker.ts';
import { contentId, contentIdHasher } from '../../src/content/content-id.ts';
import { treeTime } from './metadata.ts';
import { openFile } from './read-file.ts';

/** A portion of a file on disk. */
export interface FilePortion {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly id: Buffer;
}

/** The file as it was read this time. */
export interface PortionedContent {
  readonly contentId: Buffer;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly mtimeMicros: number;
}

const BUFFER_BYTES = 1024 * 1024 + MAX_PORTION_BYTES;

/** Cuts a file into portions, reading it once in bounded memory. Returns what it read as a whole. */
export function* portionFile(path: string): Generator<FilePortion, PortionedContent> {
  const file = openFile(path);
  try {
    const whole = contentIdHasher();
    const chunker = createChunker();
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    let offset = 0;
    let held = 0;
    for (;;) {
      const count = readSync(file, buffer, held, buffer.length - held, null);
      const fresh = buffer.subarray(held, held + count);
      whole.update(fresh);
      const ends: number[] = [];
      const before = held;
      chunker.push(fresh, (end) => ends.push(before + end));
      held += count;
      if (count === 0 && held > 0) ends.push(held);
      let start = 0;
      for (const end of ends) {
        yield { offset: offset + start, sizeBytes: end - start, id: contentId(buffer.subarray(start, end)) };
        start = end;
      }
      buffer.copyWithin(0, start, held);
      offset += start;
      held -= start;
      if (count === 0) break;
    }
    const time = treeTime(fstatSync(file).mtimeMs);
    return { contentId: whole.digest(), sizeBytes: offset, ...time };
  } finally {
    closeSync(file);
  }
}
