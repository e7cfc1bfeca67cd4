import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

/** What stands at each path below a directory. Paths are byte strings. */
export type Described = ReadonlyMap<string, Thing>;

export interface Thing {
  readonly kind: 'file' | 'directory' | 'link';
  /** Everything that must come back exactly. */
  readonly what: string;
  readonly mtimeNs: bigint;
}

/** Describes all below `root`; the root itself is left out. */
export function describeTree(root: string): Described {
  const found = new Map<string, Thing>();
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

/** Times come back to the microsecond. */
const TIME_TOLERANCE_NS = 1000n;

/** The lines in which two trees differ; none when they are the same. */
export function differences(left: Described, right: Described): string[] {
  const lines: string[] = [];
  for (const [path, thing] of left) {
    const other = right.get(path);
    const apartNs = thing.mtimeNs - (other?.mtimeNs ?? 0n);
    const isSameTime = apartNs < TIME_TOLERANCE_NS && -apartNs < TIME_TOLERANCE_NS;
    if (other?.what !== thing.what || !isSameTime)
      lines.push(
        `${path}: ${thing.what} ${thing.mtimeNs} / ${other?.what ?? 'missing'} ${other?.mtimeNs ?? ''}`,
      );
  }
  for (const path of right.keys()) if (!left.has(path)) lines.push(`${path}: too much`);
  return lines;
}

function describe(path: string): Thing {
  const stat = lstatSync(bytesOf(path), { bigint: true });
  const { mtimeNs } = stat;
  if (stat.isSymbolicLink())
    return { kind: 'link', what: `-> ${readlinkSync(bytesOf(path), 'latin1')}`, mtimeNs };
  const meta = `${(Number(stat.mode) & 0o7777).toString(8)} ${stat.uid}:${stat.gid}`;
  if (stat.isDirectory()) return { kind: 'directory', what: `${meta} directory`, mtimeNs };
  return { kind: 'file', what: `${meta} ${stat.size} ${sha256(path)}`, mtimeNs };
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
