import type { ByteStore, Entry, Retention, SweepReport } from '../../src/store/byte-store.ts';
import { openEmbeddedByteStore } from '../../src/store/embedded/byte-store.ts';
import { type Chance, createChance, type SimulatedFiles } from './simulated-files.ts';

export const SIMULATED_DIRECTORY = '/data/bytes';

/** A store over simulated files, with segments so small that sealing and rolling are common. */
export function openSimulated(files: SimulatedFiles, chance: Chance): Promise<ByteStore> {
  return openEmbeddedByteStore({
    directory: SIMULATED_DIRECTORY,
    files,
    reserveBytes: 0,
    segmentBytes: 4096,
    random: (sizeBytes) => Buffer.from(Array.from({ length: sizeBytes }, () => Math.floor(chance() * 256))),
    lock: async () => ({ release: async () => {} }),
  });
}

const made = new Map<number, Entry>();

/** The `n`-th entry: sizes from nothing to some sectors, every third one compressible. */
export function entryOf(n: number): Entry {
  const entry = made.get(n) ?? makeEntry(n);
  made.set(n, entry);
  return entry;
}

/** Three of four are: what sweeps leave there. The last byte of a key is that of its number. */
export function isWantedKey(key: Uint8Array): boolean {
  return (key[31] ?? 0) % 4 !== 0;
}

/** Sweeps a store of the entries below `count` by their numbers; any other is kept. */
export function sweepNumbers(
  store: ByteStore,
  count: number,
  fateOf: (n: number) => 'gone' | Retention,
): Promise<SweepReport> {
  const numbers = new Map<string, number>();
  for (let n = 0; n < count; n++) numbers.set(Buffer.from(entryOf(n).key).toString('hex'), n);
  return store.sweep(async () => (key) => {
    const n = numbers.get(Buffer.from(key).toString('hex'));
    return n === undefined ? 'kept' : fateOf(n);
  });
}

function makeEntry(n: number): Entry {
  const chance = createChance(n);
  const key = Buffer.alloc(32, n);
  key.writeUInt32LE(Math.floor(chance() * 2 ** 32), 0);
  const bytes = Buffer.alloc((n * 397) % 2500, `entry ${n} `);
  if (n % 3 !== 0) for (let at = 0; at < bytes.length; at++) bytes[at] = chance() * 256;
  return { key, bytes };
}
