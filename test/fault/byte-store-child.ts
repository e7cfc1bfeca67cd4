import { systemFiles } from '../../src/base/files.ts';
import { openEmbeddedByteStore } from '../../src/store/embedded/byte-store.ts';
import { entryOf, isWantedKey } from './byte-store-scenario.ts';

/**
 * A process that puts entries from number `argv[3]` on into the store in `argv[2]` until it is
 * killed, and prints each number once the put of its entry is acknowledged. Meanwhile it sweeps
 * away those that `isWantedKey` leaves out, as often as it can.
 */
const [, , directory = '', first = '0'] = process.argv;
const PUTS_AT_ONCE = 4;
const ENTRIES_A_PUT = 5;

const store = await openEmbeddedByteStore({
  directory,
  files: systemFiles,
  segmentBytes: 256 * 1024,
  reserveBytes: 0,
});
let next = Number(first);

async function putOn(): Promise<void> {
  for (;;) {
    const chosen = Array.from({ length: ENTRIES_A_PUT }, () => next++);
    await store.put(chosen.map(entryOf), next % 3 === 0 ? 'passing' : 'kept');
    process.stdout.write(chosen.map((n) => `${n}\n`).join(''));
  }
}

async function sweepOn(): Promise<void> {
  for (let sweeps = 0; ; sweeps++) {
    const retention = sweeps % 2 === 0 ? 'kept' : 'passing';
    await store.sweep(async () => (key) => (isWantedKey(key) ? retention : 'gone'));
  }
}

await Promise.all([...Array.from({ length: PUTS_AT_ONCE }, putOn), sweepOn()]);
