import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  AVERAGE_PORTION_BYTES,
  createChunker,
  MAX_PORTION_BYTES,
  MIN_PORTION_BYTES,
  type PortionSizes,
  portionLengths,
} from '../../src/content/chunker.ts';
import { fingerprint } from '../../src/content/fingerprint.ts';
import { IDENTIFIER_BYTES } from '../../src/content/identifier.ts';
import { cpuMsOf } from './cpu-time.ts';
import { alignedTable, median } from './table.ts';
import { seededRandom } from './trees.ts';

const SEED = 20_261_120;
const KIB = 1024;
const MIB = 1024 * KIB;
const AVERAGES_KIB = [16, 32, 64, 128] as const;
const NORMALISATIONS = [0, 1, 2, 3] as const;
const EDITS_PER_MIB = [0.25, 1, 4] as const;
/** Edited versions of each file. */
const VERSIONS = 4;
const MAX_EDIT_BYTES = 1000;
/** What a portion costs to ask for: its identifier and its length, a varint of three bytes. */
const ASK_BYTES = IDENTIFIER_BYTES + 3;
/** What a held portion takes in memory: an entry of the candidate table (bench identify), a slot of the index. */
const MEMORY_BYTES = 57 + 30;
const MATERIAL_BYTES = 16 * MIB;
const NODE_MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));
const SPEED_ROUNDS = 9;

/** How fast the chunker is, and what its numbers are worth on real files after edits. */
export async function runChunker(): Promise<void> {
  console.log(`seed ${SEED}`);
  for (const pieceBytes of [64 * KIB, MIB]) console.log(await speedOf(pieceBytes));
  console.log(
    'match: % of the bytes in known portions after so many edits per MiB; up: what goes up then, in KiB per MiB;\n' +
      'ask: identifiers of a file that matched nothing; MB/TB: memory for a TB held',
  );
  for (const { name, files } of materials()) {
    const totalBytes = sumBytes(files);
    const mean = (totalBytes / files.length / MIB).toFixed(1);
    console.log(`\n${name}: ${(totalBytes / MIB).toFixed(1)} MiB, files of ${mean} MiB in the mean`);
    console.log(variantTable(files));
  }
}

async function speedOf(pieceBytes: number): Promise<string> {
  const bytes = createCipheriv('aes-256-ctr', Buffer.alloc(32, 7), Buffer.alloc(16)).update(
    Buffer.alloc(64 * MIB),
  );
  const rates: number[] = [];
  for (let round = 0; round < SPEED_ROUNDS; round++) {
    const ms = await cpuMsOf(() => {
      const chunker = createChunker();
      for (let at = 0; at < bytes.length; at += pieceBytes)
        chunker.push(bytes.subarray(at, at + pieceBytes), () => undefined);
    });
    rates.push(bytes.length / 1e6 / ms);
  }
  return `${median(rates).toFixed(2)} GB/cpu-s in pieces of ${pieceBytes / KIB} KiB`;
}

/** Real files of three kinds. */
function materials(): { name: string; files: Buffer[] }[] {
  const tar = spawnSync(
    'tar',
    ['-c', '--sort=name', '-C', NODE_MODULES, 'zod', 'fast-check', 'mocha', '@types'],
    {
      maxBuffer: 64 * MIB,
    },
  );
  return [
    { name: 'large texts of node_modules', files: realFiles(NODE_MODULES, /\.(?:[cm]?js|ts|map|json|c|h)$/) },
    { name: 'libraries of /usr/lib', files: realFiles('/usr/lib', /\.so[.\d]*$/) },
    { name: 'a tar of packages', files: [tar.stdout.subarray(0, MATERIAL_BYTES)] },
  ];
}

/** Files of 512 KiB to 10 MiB, largest first, until there are MATERIAL_BYTES. */
function realFiles(directory: string, pattern: RegExp): Buffer[] {
  const found = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, sizeBytes: statSync(path).size }))
    .filter(({ sizeBytes }) => sizeBytes >= MIB / 2 && sizeBytes <= 10 * MIB)
    .sort((a, b) => b.sizeBytes - a.sizeBytes || (a.path < b.path ? -1 : 1));
  const files: Buffer[] = [];
  for (const { path } of found) if (sumBytes(files) < MATERIAL_BYTES) files.push(readFileSync(path));
  return files;
}

function variantTable(files: readonly Buffer[]): string {
  const edited = EDITS_PER_MIB.map((density) =>
    files.flatMap((file, index) =>
      Array.from({ length: VERSIONS }, (_, version) =>
        edit(file, density, SEED + index * VERSIONS + version),
      ),
    ),
  );
  const rows: string[][] = [];
  for (const averageKib of AVERAGES_KIB) {
    for (const normalisation of NORMALISATIONS) {
      const averageBytes = averageKib * KIB;
      const sizes = { minBytes: averageBytes / 4, averageBytes, maxBytes: averageBytes * 4 };
      rows.push(variantRow(openVariant(sizes, normalisation), sizes, normalisation, files, edited));
    }
  }
  const perDensity = (title: string) => EDITS_PER_MIB.map((density) => `${title} ${density}`);
  const header = [
    'KiB, level',
    'mean KiB',
    'MB/TB',
    'ask B/MiB',
    ...perDensity('match'),
    ...perDensity('up'),
  ];
  return alignedTable([...header, ''], rows);
}

function variantRow(
  cut: Cut,
  { minBytes, averageBytes, maxBytes }: PortionSizes,
  normalisation: number,
  files: readonly Buffer[],
  edited: readonly Buffer[][],
): string[] {
  const isOurs = averageBytes === AVERAGE_PORTION_BYTES && normalisation === 2;
  if (isOurs) assertSame(cut, files);
  const portions = files.reduce((sum, file) => sum + cut(file).length, 0);
  const askBytesPerMib = (portions * ASK_BYTES * MIB) / sumBytes(files);
  const matched = edited.map((versions) => matchedShare(cut, files, versions));
  return [
    `${[minBytes, averageBytes, maxBytes].map((bytes) => bytes / KIB).join('/')}, ${normalisation}`,
    (sumBytes(files) / portions / KIB).toFixed(1),
    ((portions * MEMORY_BYTES * 1e6) / sumBytes(files)).toFixed(0),
    askBytesPerMib.toFixed(0),
    ...matched.map((share) => (100 * share).toFixed(1)),
    ...matched.map((share) => (((1 - share) * MIB + askBytesPerMib) / KIB).toFixed(1)),
    isOurs ? '← the format' : '',
  ];
}

/** The share of the bytes of the edited versions that lie in portions of the originals. */
function matchedShare(cut: Cut, files: readonly Buffer[], versions: readonly Buffer[]): number {
  const held = new Set<bigint>();
  for (const file of files) for (const portion of portionsOf(cut, file)) held.add(fingerprint(portion));
  let matchedBytes = 0;
  for (const version of versions) {
    for (const portion of portionsOf(cut, version))
      if (held.has(fingerprint(portion))) matchedBytes += portion.length;
  }
  return matchedBytes / sumBytes(versions);
}

function portionsOf(cut: Cut, bytes: Buffer): Buffer[] {
  let at = 0;
  return cut(bytes).map((length) => bytes.subarray(at, (at += length)));
}

/** Inserts, deletes and overwrites stretches at places of chance. */
function edit(bytes: Buffer, editsPerMib: number, seed: number): Buffer {
  const random = seededRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const count = Math.max(1, Math.round((bytes.length / MIB) * editsPerMib));
  const places = Array.from({ length: count }, () => below(bytes.length)).sort((a, b) => a - b);
  const noise = createHash('shake256', { outputLength: MAX_EDIT_BYTES }).update(`${seed}`).digest();
  const pieces: Buffer[] = [];
  let from = 0;
  for (const place of places) {
    const at = Math.max(from, place);
    const length = Math.min(1 + below(MAX_EDIT_BYTES), bytes.length - at);
    const kind = below(3);
    pieces.push(bytes.subarray(from, at));
    if (kind !== DELETE) pieces.push(noise.subarray(0, length));
    from = kind === INSERT ? at : at + length;
  }
  return Buffer.concat([...pieces, bytes.subarray(from)]);
}

const INSERT = 0;
const DELETE = 1;

/** Lengths of the portions of a byte string. */
type Cut = (bytes: Uint8Array) => number[];

const GEAR_BYTES = 2048;
const WINDOW_BYTES = 256 * KIB;
const TOP_BIT = 62;

/** The chunker of src/content at another normalisation level, over the same compiled loop. */
function openVariant({ minBytes, averageBytes, maxBytes }: PortionSizes, normalisation: number): Cut {
  const { memory, hash, find } = instantiate();
  const window = new Uint8Array(memory.buffer, GEAR_BYTES, WINDOW_BYTES);
  const bits = Math.log2(averageBytes);
  const [early, late] = [topBits(bits + normalisation), topBits(bits - normalisation)];
  return (bytes) => {
    const lengths: number[] = [];
    for (let start = 0; start < bytes.length; ) {
      let at = start + minBytes;
      let state = 0n;
      let isFound = false;
      const end = Math.min(start + maxBytes, bytes.length);
      while (at < end && !isFound) {
        const isEarly = at - start < averageBytes;
        const limit = Math.min(isEarly ? start + averageBytes : end, end, at + WINDOW_BYTES);
        window.set(bytes.subarray(at, limit));
        const found = find(GEAR_BYTES, GEAR_BYTES + limit - at, state, isEarly ? early : late);
        state = hash.value;
        isFound = found !== 0;
        at = isFound ? at + found - GEAR_BYTES : limit;
      }
      lengths.push(Math.min(at, end) - start);
      start = Math.min(at, end);
    }
    return lengths;
  };
}

function instantiate() {
  const wasm = readFileSync(new URL('../../src/content/chunker.wasm', import.meta.url));
  const { memory, hash, find } = new WebAssembly.Instance(new WebAssembly.Module(wasm)).exports;
  assert(memory instanceof WebAssembly.Memory && hash instanceof WebAssembly.Global);
  assert(typeof find === 'function');
  const gear = new BigUint64Array(memory.buffer, 0, 256);
  for (let byte = 0; byte < 256; byte++)
    gear[byte] = createHash('sha256').update(`weir gear ${byte}`).digest().readBigUInt64LE(0);
  return { memory, hash, find: find as (at: number, end: number, hash: bigint, mask: bigint) => number };
}

function topBits(count: number): bigint {
  return ((1n << BigInt(count)) - 1n) << BigInt(TOP_BIT - count + 1);
}

/** At the numbers of the format the variant must be the chunker itself. */
function assertSame(cut: Cut, files: readonly Buffer[]): void {
  const sizes = {
    minBytes: MIN_PORTION_BYTES,
    averageBytes: AVERAGE_PORTION_BYTES,
    maxBytes: MAX_PORTION_BYTES,
  };
  for (const file of files) assert.deepEqual(cut(file), portionLengths(file, sizes));
}

function sumBytes(files: readonly Uint8Array[]): number {
  return files.reduce((sum, file) => sum + file.length, 0);
}
