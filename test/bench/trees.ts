import { spawnSync } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from '../../src/base/assert.ts';

export interface TreeOptions {
  /** Made if missing; must be empty. */
  readonly directory: string;
  readonly files: number;
  readonly totalBytes: number;
  /** The same seed on the same machine gives the same tree, times and all. */
  readonly seed: number;
  /** Share of the bytes that small real files may take; bulk files fill up the rest. */
  readonly smallShare?: number;
}

export interface Tree {
  readonly seed: number;
  readonly files: number;
  readonly directories: number;
  readonly totalBytes: number;
  /** Files copied from this machine, files of made-up text, and files nothing compresses. */
  readonly realFiles: number;
  readonly madeUpFiles: number;
  readonly bulkFiles: number;
}

/** Where a Node developer's machine has files like those of a home directory, and where they go. */
const MATERIAL: readonly (readonly [source: string, home: string])[] = [
  [fileURLToPath(new URL('../../../node_modules', import.meta.url)), 'projects/app/node_modules'],
  ['/usr/lib/node_modules', 'projects/tools/node_modules'],
  ['/usr/lib/python3', 'projects/science/python3'],
  ['/usr/lib/python3.11', 'projects/science/python3.11'],
  ['/usr/include', 'projects/engine/include'],
  ['/usr/share/doc', 'documents/manuals'],
  ['/usr/share/perl', 'projects/scripts/perl'],
  ['/usr/share/vim', 'projects/editor/vim'],
  ['/usr/share/zoneinfo', '.local/share/zoneinfo'],
  ['/usr/share/icons', '.local/share/icons'],
];
const MAX_SMALL_BYTES = 2 * 1024 * 1024;
/** A small file this much above the mean the budget leaves is passed over. */
const MAX_TIMES_MEAN = 8;
const BULK_FILE_SHARE = 0.02;
const NEWEST_SECONDS = Date.UTC(2026, 0, 1) / 1000;
const OLDEST_SECONDS = Date.UTC(2022, 0, 1) / 1000;

interface Planned {
  /** From the root of the tree. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly mode: number;
  /** The real file this is a copy of. */
  readonly source?: string;
}

/**
 * Makes a tree like a home directory: real files of this machine in their own directories and of
 * their own modes, made-up text where those run out, and photos and archives (random bytes) until
 * the total is reached. Needs no network.
 */
export function makeTree(options: TreeOptions): Tree {
  const random = seededRandom(options.seed);
  mkdirSync(options.directory, { recursive: true });
  assert(readdirSync(options.directory).length === 0, `${options.directory} is not empty`);

  const bulkCount = Math.max(1, Math.round(options.files * BULK_FILE_SHARE));
  const smallBytes = options.totalBytes * (options.smallShare ?? 0.6);
  const real = chooseReal(options.files - bulkCount, smallBytes, random);
  const madeUp = planText(options.files - bulkCount - real.length, smallBytes - sumBytes(real), random);
  const bulk = planBulk(bulkCount, options.totalBytes - sumBytes(real) - sumBytes(madeUp), random);

  const at = (file: Planned): string => join(options.directory, file.path);
  const all = [...real, ...madeUp, ...bulk];
  const directories = new Set(all.map((file) => dirname(file.path)));
  for (const directory of directories) mkdirSync(join(options.directory, directory), { recursive: true });
  for (const file of real) copyFileSync(file.source ?? '', at(file));
  const words = vocabulary(random);
  for (const file of madeUp) writeFileSync(at(file), text(file.sizeBytes, words, random));
  for (const file of bulk) writeRandom(at(file), file.sizeBytes, `${options.seed} ${file.path}`);
  for (const file of all) chmodSync(at(file), file.mode);
  setTimes(options.directory, all, random);

  return {
    seed: options.seed,
    files: all.length,
    directories: readdirSync(options.directory, { recursive: true }).length - all.length,
    totalBytes: sumBytes(all),
    realFiles: real.length,
    madeUpFiles: madeUp.length,
    bulkFiles: bulk.length,
  };
}

/** A stream of numbers in [0, 1) from a seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Whole directories in an order of chance, so that a tree has the fan-out of real ones. */
function chooseReal(count: number, maxBytes: number, random: () => number): Planned[] {
  const chosen: Planned[] = [];
  let bytes = 0;
  for (const files of shuffled(listMaterial(), random)) {
    for (const file of files) {
      if (chosen.length === count) return chosen;
      const meanLeft = (maxBytes - bytes) / (count - chosen.length);
      if (file.sizeBytes > MAX_TIMES_MEAN * meanLeft) continue;
      bytes += file.sizeBytes;
      chosen.push(file);
    }
  }
  return chosen;
}

/** The small files of this machine's material, by directory. */
function listMaterial(): Planned[][] {
  const directories = MATERIAL.flatMap(([source, home]) =>
    existsSync(source) ? listDirectory(source, home) : [],
  );
  return directories.filter((files) => files.length > 0);
}

function listDirectory(source: string, home: string): Planned[][] {
  const files: Planned[] = [];
  const below: Planned[][] = [];
  for (const entry of readdirSync(source, { withFileTypes: true }).toSorted(byName)) {
    const path = join(source, entry.name);
    if (entry.isDirectory()) below.push(...listDirectory(path, join(home, entry.name)));
    if (!entry.isFile()) continue;
    const { size, mode } = statSync(path);
    if (size > MAX_SMALL_BYTES) continue;
    files.push({ path: join(home, entry.name), sizeBytes: size, mode: mode & 0o777, source: path });
  }
  return [files, ...below];
}

function planText(count: number, maxBytes: number, random: () => number): Planned[] {
  const meanBytes = maxBytes / Math.max(1, count);
  return Array.from({ length: count }, (_, i) => ({
    path: `documents/${years(random)}/notes-${Math.floor(i / 20)}/${i}.txt`,
    sizeBytes: Math.round(Math.min(8192, meanBytes) * -Math.log(1 - random())),
    mode: 0o644,
  }));
}

/** Sizes spread as photos, clips and archives are: most are small, a few hold half of the bytes. */
function planBulk(count: number, totalBytes: number, random: () => number): Planned[] {
  const weights = Array.from({ length: count }, () => Math.exp(1.2 * normal(random)));
  const perWeight = Math.max(0, totalBytes) / weights.reduce((sum, weight) => sum + weight, 0);
  let leftBytes = Math.max(0, totalBytes);
  return weights.map((weight, i) => {
    const sizeBytes = i === count - 1 ? leftBytes : Math.floor(weight * perWeight);
    leftBytes -= sizeBytes;
    return { path: `${bulkFolder(sizeBytes, random)}-${i}${bulkSuffix(sizeBytes)}`, sizeBytes, mode: 0o640 };
  });
}

function bulkFolder(sizeBytes: number, random: () => number): string {
  if (sizeBytes > 8 * 1024 * 1024) return 'downloads/archive';
  return `pictures/${years(random)}/IMG`;
}

function bulkSuffix(sizeBytes: number): string {
  return sizeBytes > 8 * 1024 * 1024 ? '.zip' : '.jpg';
}

function years(random: () => number): string {
  return `${2022 + Math.floor(random() * 4)}-${String(1 + Math.floor(random() * 12)).padStart(2, '0')}`;
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Four thousand words of one to four syllables, in the order of their use. */
function vocabulary(random: () => number): string[] {
  const letter = (of: string): string => of.charAt(Math.floor(random() * of.length));
  const syllable = (): string => letter('bcdfghklmnprstvw') + letter('aeiouy') + letter('  nrst').trim();
  return Array.from({ length: 4000 }, (_, i) =>
    Array.from({ length: 1 + Math.floor(random() * Math.min(4, 1 + i / 100)) }, syllable).join(''),
  );
}

/** Sentences whose words are as frequent as Zipf's law has it; compresses about as English does. */
function text(sizeBytes: number, words: readonly string[], random: () => number): string {
  let written = '';
  while (written.length < sizeBytes) {
    const sentence = Array.from(
      { length: 4 + Math.floor(random() * 14) },
      () => words[Math.floor(words.length ** random()) - 1],
    );
    written += `${sentence.join(' ')}.${random() < 0.2 ? '\n\n' : ' '}`;
  }
  return written.slice(0, sizeBytes);
}

function writeRandom(path: string, sizeBytes: number, seed: string): void {
  const key = createHash('sha256').update(seed).digest();
  const stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(1024 * 1024);
  const file = openSync(path, 'wx');
  for (let left = sizeBytes; left > 0; left -= zeros.length) {
    writeSync(file, stream.update(left < zeros.length ? zeros.subarray(0, left) : zeros));
  }
  closeSync(file);
}

/**
 * Modification times to the nanosecond, which `fs.utimes` cannot set. As on a real disk, files of
 * one directory that were unpacked together share a tick of the kernel's clock, while files
 * written by hand have times of their own.
 */
function setTimes(directory: string, files: readonly Planned[], random: () => number): void {
  const commands: string[] = [];
  let group: string[] = [];
  for (const [i, file] of files.entries()) {
    group.push(`'${file.path.replaceAll("'", `'\\''`)}'`);
    const next = files[i + 1];
    const isTogether = next !== undefined && dirname(next.path) === dirname(file.path) && random() < 0.8;
    if (isTogether) continue;
    const seconds = OLDEST_SECONDS + Math.floor(random() * (NEWEST_SECONDS - OLDEST_SECONDS));
    const nanoseconds = String(Math.floor(random() * 1e9)).padStart(9, '0');
    commands.push(`touch -d @${seconds}.${nanoseconds} -- ${group.join(' ')}`);
    group = [];
  }
  const { status, stderr } = spawnSync('sh', ['-e'], {
    cwd: directory,
    input: commands.join('\n'),
    encoding: 'utf8',
  });
  assert(status === 0, `times could not be set: ${stderr}`);
}

function sumBytes(files: readonly Planned[]): number {
  return files.reduce((sum, file) => sum + file.sizeBytes, 0);
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, place: random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}
