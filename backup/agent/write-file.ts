import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { type ContentIdHasher, contentId, contentIdHasher } from '../../src/content/content-id.ts';
import type { FileEntry } from '../../src/content/tree.ts';
import { pathBytes } from './byte-path.ts';
import { settableTime } from './metadata.ts';

/** What of a file's metadata is restored. */
export interface MetadataPolicy {
  /** Owners are set, which takes root. */
  readonly setsOwner: boolean;
  /** Keep setuid, setgid and sticky bits. */
  readonly keepsSetuid: boolean;
}

/** A file being restored. It appears under its name complete, verified and with its metadata, or not at all. */
export interface FileWriter {
  write(bytes: Uint8Array): void;
  /** False when the bytes are not those of the entry; the file is gone then. */
  finish(): boolean;
  discard(): void;
}

const ZEROS = Buffer.alloc(256 * 1024);
/** Setuid, setgid and sticky. */
export const SETUID_BITS = 0o7000;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Opens a file for restoring. It is written beside its place under `temporaryName` and moved there
 * when it is complete, so that a half file never has its name and nothing is written through what
 * stands there. `mayBeLeft` tells that an earlier restore may have left a file of that name.
 */
export function openFileWriter(
  path: string,
  entry: FileEntry,
  temporaryName: string,
  mayBeLeft: boolean,
  policy: MetadataPolicy,
): FileWriter {
  const written = pathBytes(path.slice(0, path.lastIndexOf('/') + 1) + temporaryName);
  if (mayBeLeft) rmSync(written, { force: true });
  const file = openSync(written, CREATE, 0o600);
  let hasher: ContentIdHasher | undefined;
  let only: Buffer | undefined;
  let position = 0;
  let endsInHole = false;

  let isOpen = true;

  function close(): void {
    if (isOpen) closeSync(file);
    isOpen = false;
  }

  function remove(): void {
    close();
    rmSync(written, { force: true });
  }

  return {
    write(bytes) {
      if (position === 0 && bytes.length === entry.sizeBytes) only = contentId(bytes);
      else (hasher ??= contentIdHasher()).update(bytes);
      // A piece of zeros becomes a hole.
      const isHole =
        bytes.length >= 4096 && bytes.length <= ZEROS.length && ZEROS.subarray(0, bytes.length).equals(bytes);
      if (!isHole) writeAllSync(file, bytes, position);
      endsInHole = isHole;
      position += bytes.length;
    },
    finish() {
      const id = only ?? (hasher ?? contentIdHasher()).digest();
      if (position !== entry.sizeBytes || !id.equals(entry.contentId)) {
        remove();
        return false;
      }
      // What was left out at the end is a hole too.
      if (endsInHole) ftruncateSync(file, position);
      if (policy.setsOwner && !isOwn(entry)) fchownSync(file, entry.uid, entry.gid);
      fchmodSync(file, policy.keepsSetuid ? entry.mode : entry.mode & ~SETUID_BITS);
      const time = settableTime(entry);
      futimesSync(file, time, time);
      close();
      renameSync(written, pathBytes(path));
      return true;
    },
    discard: remove,
  };
}

/** Whether a new file has the owner already. */
function isOwn(entry: FileEntry): boolean {
  return entry.uid === process.geteuid?.() && entry.gid === process.getegid?.();
}

function writeAllSync(file: number, bytes: Uint8Array, position: number): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(file, bytes, done, bytes.length - done, position + done);
}
