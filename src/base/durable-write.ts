import { dirname } from 'node:path';
import { WeirError } from './errors.ts';
import type { Files, OpenFile } from './files.ts';

/**
 * Writes every byte or throws. A write that returns short is continued; one that writes nothing
 * is a full disk (`FileHandle.write` reports that without an error on Linux).
 */
export async function writeAll(file: OpenFile, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const written = await file.write(bytes.subarray(done), position + done);
    if (written === 0) {
      throw new WeirError('WEIR_STORE_FULL', `no room to write ${bytes.length - done} more bytes`);
    }
    done += written;
  }
}

/**
 * Puts a whole file in place so that after a crash there is either the old file or the new one,
 * never a part: temporary name, all bytes, datasync, rename, directory sync.
 */
export async function replaceFile(files: Files, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  await files.unlink(temporary).catch(ignoreMissing);
  const file = await files.open(temporary, 'create');
  try {
    await writeAll(file, bytes, 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
  await files.syncDirectory(dirname(path));
}

function ignoreMissing(error: unknown): void {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
  throw error;
}
