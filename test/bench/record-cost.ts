import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPortionCutter } from '../../proxy/record/portion-cutter.ts';
import { createSlabs } from '../../proxy/record/slabs.ts';
import { createWitnessKey } from '../../proxy/record/witness.ts';
import { createScope } from '../../src/catalog/scope.ts';
import { createChunker } from '../../src/content/chunker.ts';
import { contentId, contentIdHasher } from '../../src/content/content-id.ts';
import { fingerprintHasher } from '../../src/content/fingerprint.ts';
import { pack } from '../../src/store/embedded/packing.ts';
import { encodeRecord, RECORD_HEADER_BYTES } from '../../src/store/embedded/segment-format.ts';
import { cpuMsOf } from './cpu-time.ts';
import { alignedTable, median } from './table.ts';

const BODY_BYTES = 10 * 1024 * 1024;
/** What Node.js reads from a socket at once. */
const CHUNK_BYTES = 64 * 1024;
const PORTION_BYTES = 64 * 1024;
const SLAB_BYTES = 1024 * 1024;
const ROUNDS = 15;

/** Prints what each step of recording costs by itself, in ms of CPU for a body of 10 MiB. */
export async function printRecordCosts(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-bench-'));
  try {
    const steps = await openSteps(directory);
    const samples = steps.map((): number[] => []);
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [index, { run }] of steps.entries()) {
        const ms = await cpuMsOf(run);
        if (round > 0) samples[index]?.push(ms);
      }
    }
    const rows = steps.map(({ name, note }, index) => [
      name,
      median(samples[index] ?? []).toFixed(2),
      note ?? '',
    ]);
    console.log(alignedTable(['the steps of recording, by themselves', 'ms for 10 MiB', ''], rows));
  } finally {
    await rm(directory, { recursive: true });
  }
}

interface Step {
  readonly name: string;
  readonly note?: string;
  run(): Promise<void> | void;
}

async function openSteps(directory: string): Promise<Step[]> {
  const body = randomBytes(BODY_BYTES);
  const chunks = pieces(body, CHUNK_BYTES);
  const portions = pieces(body, PORTION_BYTES);
  const scope = createScope(1, randomBytes(32));
  const witnessKey = createWitnessKey((sizeBytes) => randomBytes(sizeBytes));
  const room = Buffer.alloc(portions.length * (RECORD_HEADER_BYTES + PORTION_BYTES));
  const code = await machineCode(BODY_BYTES);

  return [
    { name: 'content id of the whole', run: () => feed(chunks, contentIdHasher()) },
    { name: 'content ids of portions', run: () => portions.forEach(contentId) },
    { name: 'witness', run: () => feed(chunks, witnessKey.start(witnessKey.newNonce())) },
    { name: 'fingerprint', run: () => feed(chunks, fingerprintHasher()) },
    { name: 'chunker', run: () => chunk(chunks) },
    { name: 'copy', note: 'once, to new memory', run: () => copy(chunks) },
    { name: 'cutter', note: 'chunker, copy and all content ids', run: () => cut(chunks) },
    {
      name: 'keys of portions',
      run: () => portions.forEach((bytes) => scope.contentKey(bytes.subarray(0, 32))),
    },
    {
      name: 'zstd, random bytes',
      note: 'the probe',
      run: () => portions.forEach((bytes) => pack(bytes, 'passing')),
    },
    {
      name: 'zstd, machine code',
      note: 'level 1',
      run: () => pieces(code, PORTION_BYTES).forEach((bytes) => pack(bytes, 'passing')),
    },
    { name: 'records', note: 'copy and checksum', run: () => layOut(portions, room) },
    { name: 'write and sync', run: () => writeAndSync(join(directory, 'segment'), room) },
  ];
}

const CODE_OFFSET = 20 * 1024 * 1024;

/** Real bytes of a kind that is much downloaded and still compresses: a program, this one. */
export async function machineCode(sizeBytes: number): Promise<Buffer> {
  await using file = await open(process.execPath);
  const { buffer } = await file.read(Buffer.alloc(sizeBytes), 0, sizeBytes, CODE_OFFSET);
  return buffer;
}

function feed(chunks: readonly Buffer[], sum: { update(bytes: Uint8Array): void; digest(): unknown }): void {
  for (const bytes of chunks) sum.update(bytes);
  sum.digest();
}

function chunk(chunks: readonly Buffer[]): void {
  const chunker = createChunker();
  for (const bytes of chunks) chunker.push(bytes, () => undefined);
}

function copy(chunks: readonly Buffer[]): void {
  for (let at = 0; at < chunks.length; at += SLAB_BYTES / CHUNK_BYTES) {
    const slab = Buffer.allocUnsafe(SLAB_BYTES);
    chunks
      .slice(at, at + SLAB_BYTES / CHUNK_BYTES)
      .forEach((bytes, index) => slab.set(bytes, index * CHUNK_BYTES));
  }
}

const slabs = createSlabs();

function cut(chunks: readonly Buffer[]): void {
  const cutter = createPortionCutter(slabs, BODY_BYTES, (_portions, slab) => slabs.giveBack(slab));
  for (const bytes of chunks) cutter.write(bytes);
  cutter.finish();
}

function layOut(portions: readonly Buffer[], room: Buffer): void {
  let at = 0;
  for (const bytes of portions)
    at = encodeRecord(room, at, 1n, bytes.subarray(0, 32), 'raw', bytes.length, bytes);
}

async function writeAndSync(path: string, bytes: Buffer): Promise<void> {
  await using file = await open(path, 'w');
  await file.write(bytes);
  await file.datasync();
}

function pieces(bytes: Buffer, sizeBytes: number): Buffer[] {
  return Array.from({ length: bytes.length / sizeBytes }, (_, index) =>
    bytes.subarray(index * sizeBytes, (index + 1) * sizeBytes),
  );
}
