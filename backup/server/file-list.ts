import { CONTENT_ID_BYTES } from '../../src/content/content-id.ts';

/** Files by number, packed: 40 bytes each, however many objects the listing behind them has. */
export interface FileList {
  readonly count: number;
  add(file: ListedFile): void;
  get(number: number): ListedFile | undefined;
}

export interface ListedFile {
  readonly contentId: Uint8Array;
  readonly sizeBytes: number;
}

const FILE_BYTES = CONTENT_ID_BYTES + 8;
const FIRST_FILES = 64;

export function createFileList(): FileList {
  let packed = Buffer.allocUnsafe(FIRST_FILES * FILE_BYTES);
  let count = 0;
  return {
    get count() {
      return count;
    },
    add({ contentId, sizeBytes }) {
      const at = count++ * FILE_BYTES;
      if (at === packed.length) {
        const larger = Buffer.allocUnsafe(packed.length * 2);
        packed.copy(larger);
        packed = larger;
      }
      packed.set(contentId, at);
      packed.writeDoubleLE(sizeBytes, at + CONTENT_ID_BYTES);
    },
    get(number) {
      if (number >= count) return undefined;
      const at = number * FILE_BYTES;
      const contentId = packed.subarray(at, at + CONTENT_ID_BYTES);
      return { contentId, sizeBytes: packed.readDoubleLE(at + CONTENT_ID_BYTES) };
    },
  };
}
