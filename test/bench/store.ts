import { strict as assert } from 'node:assert';
import { createCipheriv, createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemFiles } from '../../src/base/files.ts';
import type { ByteStore, Entry } from '../../src/store/byte-store.ts';
import { KEY_BYTES } from '../../src/store/byte-store.ts';
import { openEmbeddedByteStore } from '../../src/store/embedded/byte-store.ts';
import { cpuMs } from './cpu-time.ts';
import { alignedTable } from './table.ts';

const SEED = 20_261_120;
const PORTION_BYTES = 64 * 1024;
/** A slab of the recorder, or one upload of small portions. */
const PORTIONS_PER_PUT = 16;
const PORTION_PUTS = 400;
const SMALL_BYTES = 200;
const SMALL_PER_PUT = 1000;
const SMALL_PUTS = 1000;
/** Puts under way at once: enough that the disk's sync is shared and the next group waits for it. */
const PUTS_AT_ONCE = 16;

/** What the embedded byte store takes in, gives back, and takes to open, on this disk. */
export async function runStore(): Promise<void> {
  console.log(`seed ${SEED}; ${tmpdir()}; ${PUTS_AT_ONCE} puts at once`);
  const directory = await mkdtemp(join(tmpdir(), 'weir-bench-'));
  const rows: string[][] = [];
  try {
    const noise = bytesOf('noise', PORTION_PUTS * PORTIONS_PER_PUT * PORTION_BYTES);
    rows.push(...(await measureStore(join(directory, 'noise'), 'random, 64 KiB', portionPuts(noise))));
    const text = textLike(noise);
    rows.push(...(await measureStore(join(directory, 'text'), 'hexadecimal, 64 KiB', portionPuts(text))));
    rows.push(...(await measureStore(join(directory, 'small'), 'random, 200 bytes', smallPuts())));
  } finally {
    await rm(directory, { recursive: true });
  }
  console.log(alignedTable(['', 'seconds', 'MB/s', 'entries/s', 'CPU µs an entry', ''], rows));
}

/** Puts everything, opens the store anew, reads everything back in the order of the puts. */
async function measureStore(directory: string, name: string, puts: readonly Entry[][]): Promise<string[][]> {
  const entries = puts.reduce((sum, put) => sum + put.length, 0);
  const totalBytes = puts.flat().reduce((sum, { bytes }) => sum + bytes.length, 0);
  const row = (step: string, { wallMs, usedMs }: Spent, note = '') => [
    `${name}: ${step}`,
    (wallMs / 1000).toFixed(2),
    step === 'open' ? '–' : (totalBytes / 1000 / wallMs).toFixed(0),
    ((entries * 1000) / wallMs).toFixed(0),
    ((usedMs * 1000) / entries).toFixed(1),
    note,
  ];
  let store = await openStore(directory);
  const put = await timed(() => concurrently(puts, (entriesOfPut) => store.put(entriesOfPut, 'kept')));
  const storedBytes = store.stats().storedBytes;
  await store.close();
  const opened = await timed(async () => void (store = await openStore(directory)));
  assert.equal(store.stats().entries, entries);
  const read = await timed(() => concurrently(puts, (group) => readGroup(store, group)));
  await store.close();
  return [
    row('put', put, `stored ${((100 * storedBytes) / totalBytes).toFixed(0)} %`),
    row('open', opened),
    row('get', read, 'page cache warm'),
  ];
}

async function readGroup(store: ByteStore, group: readonly Entry[]): Promise<void> {
  const read = await store.get(group.map(({ key }) => key));
  assert(read.every((bytes, index) => bytes?.length === group[index]?.bytes.length));
}

function openStore(directory: string): Promise<ByteStore> {
  return openEmbeddedByteStore({ directory, files: systemFiles, reserveBytes: 0 });
}

interface Spent {
  readonly wallMs: number;
  readonly usedMs: number;
}

async function timed(work: () => Promise<void>): Promise<Spent> {
  const startMs = performance.now();
  const cpuStartMs = cpuMs();
  await work();
  return { wallMs: performance.now() - startMs, usedMs: cpuMs() - cpuStartMs };
}

async function concurrently<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: PUTS_AT_ONCE }, worker));
}

function portionPuts(bytes: Buffer): Entry[][] {
  return putsOf(bytes, PORTION_BYTES, PORTIONS_PER_PUT, PORTION_PUTS);
}

function smallPuts(): Entry[][] {
  return putsOf(
    bytesOf('small', SMALL_PUTS * SMALL_PER_PUT * SMALL_BYTES),
    SMALL_BYTES,
    SMALL_PER_PUT,
    SMALL_PUTS,
  );
}

function putsOf(bytes: Buffer, entryBytes: number, perPut: number, puts: number): Entry[][] {
  const keys = bytesOf(`keys ${entryBytes} ${bytes[0]}`, puts * perPut * KEY_BYTES);
  return Array.from({ length: puts }, (_, put) =>
    Array.from({ length: perPut }, (_, index) => {
      const at = put * perPut + index;
      return {
        key: keys.subarray(at * KEY_BYTES, (at + 1) * KEY_BYTES),
        bytes: bytes.subarray(at * entryBytes, (at + 1) * entryBytes),
      };
    }),
  );
}

function bytesOf(name: string, sizeBytes: number): Buffer {
  const key = createHash('sha256').update(`${SEED} ${name}`).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}

/** Random bytes as digits: zstd halves them. */
function textLike(noise: Buffer): Buffer {
  return Buffer.from(noise.subarray(0, noise.length / 2).toString('hex'), 'latin1');
}
