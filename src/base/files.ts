import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';

/**
 * The file operations a store is built from, passed in so that a simulation can fail, tear or
 * forget any of them. Paths are absolute.
 */
export interface Files {
  /**
   * `read`: an existing file. `append`: an existing file, for reading and writing.
   * `create`: a file that must not exist yet (`EEXIST` otherwise), for reading and writing.
   */
  open(path: string, mode: 'read' | 'append' | 'create'): Promise<OpenFile>;
  /** Names in a directory, in no order. `ENOENT` when it is not there. */
  list(directory: string): Promise<string[]>;
  makeDirectory(directory: string): Promise<void>;
  /** Replaces `to` if it exists. Durable only after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes creations, renames and removals in this directory durable. */
  syncDirectory(directory: string): Promise<void>;
  /** Bytes an unprivileged writer may still use on the file system of `path`, and its size. */
  space(path: string): Promise<{ freeBytes: number; totalBytes: number }>;
}

export interface OpenFile {
  /** Reads up to `target.length` bytes; fewer only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** May write less than asked without an error, as a full disk does: see `writeAll`. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  /** Bytes written before the call survive power loss after it. */
  datasync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}

const OPEN_FLAGS = {
  read: constants.O_RDONLY,
  append: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
} as const;

/** The real file system. Files are created with mode 0600, directories with 0700. */
export const systemFiles: Files = {
  async open(path, mode) {
    return wrap(await fs.open(path, OPEN_FLAGS[mode], 0o600));
  },
  list: (directory) => fs.readdir(directory),
  async makeDirectory(directory) {
    await fs.mkdir(directory, { recursive: true, mode: 0o700 });
  },
  rename: (from, to) => fs.rename(from, to),
  unlink: (path) => fs.unlink(path),
  async syncDirectory(directory) {
    await using handle = await fs.open(directory, constants.O_RDONLY);
    await handle.sync();
  },
  async space(path) {
    const stat = await fs.statfs(path);
    return { freeBytes: stat.bavail * stat.bsize, totalBytes: stat.blocks * stat.bsize };
  },
};

function wrap(handle: fs.FileHandle): OpenFile {
  return {
    async read(target, position) {
      let done = 0;
      while (done < target.length) {
        const { bytesRead } = await handle.read(target, done, target.length - done, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    },
    async write(bytes, position) {
      return (await handle.write(bytes, 0, bytes.length, position)).bytesWritten;
    },
    datasync: () => handle.datasync(),
    truncate: (sizeBytes) => handle.truncate(sizeBytes),
    sizeBytes: async () => (await handle.stat()).size,
    close: () => handle.close(),
  };
}
