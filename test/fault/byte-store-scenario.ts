import type { ByteStore, Entry } from '../../src/store/byte-store.ts';
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

function makeEntry(n: number): Entry {
  const chance = createChance(n);
  const key = Buffer.alloc(32, n);
  key.writeUInt32LE(Math.floor(chance() * 2 ** 32), 0);
  const bytes = Buffer.alloc((n * 397) % 2500, `entry ${n} `);
  if (n % 3 !== 0) for (let at = 0; at < bytes.length; at++) bytes[at] = chance() * 256;
  return { key, bytes };
}
