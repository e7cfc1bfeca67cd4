import type { Stats } from 'node:fs';
import type { FileStamp } from './file-cache.ts';

const MICROS_PER_SECOND = 1_000_000;

/** A time as a tree keeps it: seconds, and microseconds from 0 to 999,999. */
export interface TreeTime {
  readonly mtimeSeconds: number;
  readonly mtimeMicros: number;
}

/**
 * A time of `fs.Stats`, to the microsecond. Node.js reads and sets times as doubles, which are
 * exact to a quarter of that, so a restored file has just the time it was backed up with. It also
 * saves a byte of uplink a file over nanoseconds.
 */
export function treeTime(timeMs: number): TreeTime {
  const total = Math.round(timeMs * 1000);
  const mtimeSeconds = Math.floor(total / MICROS_PER_SECOND);
  return { mtimeSeconds, mtimeMicros: total - mtimeSeconds * MICROS_PER_SECOND };
}

/**
 * A time as Node.js can set it: seconds as a double that the system turns back into the same
 * microsecond, rounded or cut. Node.js takes a negative number for "now", but not a negative Date,
 * which has milliseconds only.
 */
export function settableTime({ mtimeSeconds, mtimeMicros }: TreeTime): number | Date {
  if (mtimeSeconds < 0) return new Date(mtimeSeconds * 1000 + Math.floor(mtimeMicros / 1000));
  return mtimeSeconds + (mtimeMicros + 0.3) / MICROS_PER_SECOND;
}

/** What a tree keeps of an entry whatever its kind. */
export function metadataOf(name: string, stat: Stats) {
  return { name, mode: stat.mode & 0o7777, ...treeTime(stat.mtimeMs), uid: stat.uid, gid: stat.gid };
}

export function stampOf(stat: Stats): FileStamp {
  return { sizeBytes: stat.size, mtimeMs: stat.mtimeMs, ctimeMs: stat.ctimeMs, inode: stat.ino };
}

export function isSameStamp(left: FileStamp, right: FileStamp): boolean {
  return (
    left.mtimeMs === right.mtimeMs &&
    left.ctimeMs === right.ctimeMs &&
    left.inode === right.inode &&
    left.sizeBytes === right.sizeBytes
  );
}
