import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

/** What stands at each path below a directory: path as a byte string, everything that must come back. */
export type Described = ReadonlyMap<string, string>;

/** Describes all below `root`, names as bytes. The root itself is ".", by kind alone. */
export function describeTree(root: string): Described {
  const found = new Map<string, string>();
  const waiting = [''];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    for (const name of readdirSync(bytesOf(join(root, at)), 'latin1')) {
      const path = at === '' ? name : `${at}/${name}`;
      found.set(path, describe(join(root, path)));
      if (lstatSync(bytesOf(join(root, path))).isDirectory()) waiting.push(path);
    }
  }
  return new Map([...found].toSorted(([left], [right]) => (left < right ? -1 : 1)));
}

/** The lines in which two trees differ; none when they are the same. */
export function differences(left: Described, right: Described): string[] {
  const lines: string[] = [];
  for (const [path, what] of left)
    if (right.get(path) !== what) lines.push(`${path}: ${what} / ${right.get(path) ?? 'missing'}`);
  for (const path of right.keys()) if (!left.has(path)) lines.push(`${path}: too much`);
  return lines;
}

function describe(path: string): string {
  const stat = lstatSync(bytesOf(path), { bigint: true });
  const micros = stat.mtimeNs / 1000n - (stat.mtimeNs < 0n && stat.mtimeNs % 1000n !== 0n ? 1n : 0n);
  const meta = `${(Number(stat.mode) & 0o7777).toString(8)} ${stat.uid}:${stat.gid} ${micros}`;
  if (stat.isSymbolicLink()) return `link ${micros} -> ${readlinkSync(bytesOf(path), 'latin1')}`;
  if (stat.isDirectory()) return `directory ${meta}`;
  return `file ${meta} ${stat.size} ${sha256(path)}`;
}

const buffer = Buffer.allocUnsafe(4 * 1024 * 1024);

function sha256(path: string): string {
  const hash = createHash('sha256');
  const file = openSync(bytesOf(path), 'r');
  for (let count = readSync(file, buffer); count > 0; count = readSync(file, buffer))
    hash.update(buffer.subarray(0, count));
  closeSync(file);
  return hash.digest('hex');
}

function join(directory: string, name: string): string {
  return name === '' ? directory : `${directory}/${name}`;
}

/** A byte string as the path it names. */
export function bytesOf(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}
