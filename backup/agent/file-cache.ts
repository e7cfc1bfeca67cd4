import { closeSync, constants, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { ByteReader, ByteWriter } from '../../src/base/binary.ts';
import { systemCode, WeirError } from '../../src/base/errors.ts';
import { fingerprint } from '../../src/content/fingerprint.ts';

/**
 * What the last backup read, so that an unchanged file is not read again. It is only a cache: a
 * missing or damaged one costs reading. Directories stand in it in the order of the scan, so it is
 * read and written as a stream beside the scan and never held whole.
 */
export interface FileCache {
  /** The known files of a directory. Directories must be asked for in the order of the scan. */
  directory(path: string): ReadonlyMap<string, CachedFile>;
  /** Notes the files of a directory for the next backup, in the order of the scan. */
  put(path: string, files: ReadonlyMap<string, CachedFile>): void;
  /** Replaces the old cache by what was put. */
  commit(): void;
  /** Forgets what was put. Does nothing after `commit`. */
  discard(): void;
}

/** A file counts as unchanged while all of these are the same. */
export interface FileStamp {
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly inode: number;
}

export interface CachedFile extends FileStamp {
  readonly contentId: Buffer;
  readonly identifier: number;
}

const MAGIC = 'WEIRFC1\n';
const MAX_BLOCK_BYTES = 256 * 1024 * 1024;
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 65_536;
const BLOCK_HEADER_BYTES = 12;
const NOTHING: ReadonlyMap<string, CachedFile> = new Map();

/**
 * Opens the cache at `path`. `onDamage` is told once when the old one cannot be read to its end.
 * Throws WEIR_STATE_UNREADABLE when the files themselves cannot be opened.
 */
export function openFileCache(path: string, onDamage: (error: WeirError) => void): FileCache {
  const temporary = `${path}.new`;
  const { old, out } = openFiles(path, temporary);
  let isOpen = true;
  let isBroken = false;
  let next = readBlock();
  append(Buffer.from(MAGIC));

  function readBlock(): Block | undefined {
    if (old === undefined) return undefined;
    try {
      return decodeBlock(old);
    } catch (cause) {
      onDamage(problem('is damaged; files are read again', cause));
      return undefined;
    }
  }

  /** A cache that cannot be written, on a full disk for one, is given up; the backup goes on. */
  function append(bytes: Buffer): void {
    if (isBroken) return;
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(out, bytes, done);
    } catch (cause) {
      isBroken = true;
      onDamage(problem('cannot be written; files are read again next time', cause));
    }
  }

  function problem(what: string, cause: unknown): WeirError {
    return new WeirError('WEIR_STATE_UNREADABLE', `the cache ${path} ${what}`, { cause });
  }

  function close(): void {
    if (!isOpen) return;
    isOpen = false;
    if (old !== undefined) closeSync(old);
    closeSync(out);
  }

  function discard(): void {
    if (isOpen) rmSync(temporary, { force: true });
    close();
  }

  return {
    directory(wanted) {
      const order = scanOrder(wanted);
      while (next !== undefined && scanOrder(next.path) < order) next = readBlock();
      return next?.path === wanted ? next.files : NOTHING;
    },
    put(directory, files) {
      if (files.size > 0 && !isBroken) append(encodeBlock(directory, files));
    },
    commit() {
      if (isBroken) return discard();
      fsyncSync(out);
      close();
      renameSync(temporary, path);
    },
    discard,
  };
}

/** Sorts paths as the scan meets them: a directory, then what is below it, then its next sibling. */
function scanOrder(path: string): string {
  return path.replaceAll('/', '\0');
}

interface Block {
  readonly path: string;
  readonly files: ReadonlyMap<string, CachedFile>;
}

function openFiles(path: string, temporary: string): { old: number | undefined; out: number } {
  try {
    const old = openOld(path);
    rmSync(temporary, { force: true });
    return {
      old,
      out: openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600),
    };
  } catch (cause) {
    throw new WeirError('WEIR_STATE_UNREADABLE', `the cache ${path} cannot be opened`, { cause });
  }
}

function openOld(path: string): number | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const magic = readExactly(file, MAGIC.length);
  if (magic?.toString('latin1') === MAGIC) return file;
  closeSync(file);
  return undefined;
}

function encodeBlock(path: string, files: ReadonlyMap<string, CachedFile>): Buffer {
  const body = new ByteWriter(files.size * 96 + 64);
  body.prefixedByteString(path);
  body.varint(files.size);
  for (const [name, { sizeBytes, mtimeMs, ctimeMs, inode, contentId, identifier }] of files) {
    body.prefixedByteString(name);
    body.varint(sizeBytes);
    body.f64(mtimeMs);
    body.f64(ctimeMs);
    body.f64(inode);
    body.bytes(contentId);
    body.u48(identifier);
  }
  const bytes = body.finish();
  const block = Buffer.allocUnsafe(BLOCK_HEADER_BYTES + bytes.length);
  block.writeUInt32LE(bytes.length, 0);
  block.writeBigUInt64LE(fingerprint(bytes), 4);
  bytes.copy(block, BLOCK_HEADER_BYTES);
  return block;
}

/** The next block, or undefined at the end. Throws when it is damaged. */
function decodeBlock(file: number): Block | undefined {
  const header = readExactly(file, BLOCK_HEADER_BYTES);
  if (header === undefined) return undefined;
  const length = header.readUInt32LE(0);
  const bytes = length > MAX_BLOCK_BYTES ? undefined : readExactly(file, length);
  if (bytes === undefined || fingerprint(bytes) !== header.readBigUInt64LE(4))
    throw new Error('a checksum does not match');
  const from = new ByteReader(bytes, (reason) => {
    throw new Error(reason);
  });
  const path = from.prefixedByteString(MAX_PATH_BYTES);
  const files = new Map<string, CachedFile>();
  for (let count = from.varint(); count > 0; count--) {
    const name = from.prefixedByteString(MAX_NAME_BYTES);
    const sizeBytes = from.varint();
    const mtimeMs = from.f64();
    const ctimeMs = from.f64();
    files.set(name, {
      sizeBytes,
      mtimeMs,
      ctimeMs,
      inode: from.f64(),
      contentId: from.bytes(32),
      identifier: from.u48(),
    });
  }
  return { path, files };
}

function readExactly(file: number, sizeBytes: number): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  let done = 0;
  while (done < sizeBytes) {
    const count = readSync(file, bytes, done, sizeBytes - done, null);
    if (count === 0) return undefined;
    done += count;
  }
  return bytes;
}
