import type { Records, Record as Stored } from '../store/records.ts';
import { type Capture, holdings } from './captures.ts';
import { objects } from './objects.ts';
import type { Scope } from './scope.ts';

/** A captured object that may go. */
export interface Victim {
  readonly scope: Scope;
  readonly contentId: Uint8Array;
  readonly sizeBytes: number;
  /** See uses.ts. */
  readonly worth: number;
  /** When it was captured last. */
  readonly timeMs: number;
}

export interface Choice {
  /** Those of least worth first, among equals the oldest. */
  readonly victims: readonly Victim[];
  /** Plain bytes of all captured objects that nobody has proved. */
  readonly capturedBytes: number;
}

/** Objects chosen at once. */
const MAX_VICTIMS = 131_072;
const FIRST_TRIM = 4096;

export interface Sight {
  readonly records: Records;
  readonly scopeOf: (number: number) => Scope | undefined;
  readonly worth: (key: Uint8Array) => number;
  /** Whether somebody has proved the object under this key of the store. */
  readonly isProved: (key: Uint8Array) => boolean;
}

/**
 * Looks through all objects once for those of least worth that come to `wantedBytes` together:
 * files that passed and that no snapshot can refer to. What has no holding (its capture was cut
 * short) counts as oldest.
 */
export async function chooseVictims(sight: Sight, wantedBytes: number): Promise<Choice> {
  const times = captureTimes(sight.records);
  let chosen: Victim[] = [];
  let trimAt = FIRST_TRIM;
  let capturedBytes = 0;
  try {
    for await (const { key: objectKey, value } of sight.records.range(objects)) {
      const scope = sight.scopeOf(value.scope);
      const key = objectKey.subarray(0, KEY_BYTES);
      if (scope === undefined || value.level !== 'file' || value.isProved || sight.isProved(key)) continue;
      const { sizeBytes } = value;
      const timeMs = await times.newest(key);
      capturedBytes += sizeBytes;
      // A copy: a view would hold a page of records.
      const contentId = Buffer.from(value.contentId);
      chosen.push({ scope, contentId, sizeBytes, worth: sight.worth(key), timeMs });
      if (chosen.length < trimAt) continue;
      chosen = leastWorth(chosen, wantedBytes);
      trimAt = Math.max(FIRST_TRIM, 2 * chosen.length);
    }
  } finally {
    await times.end();
  }
  return { victims: leastWorth(chosen, wantedBytes), capturedBytes };
}

/** As few of the least worth as have so many bytes. */
export function leastWorth(victims: readonly Victim[], wantedBytes: number): Victim[] {
  const sorted = victims.toSorted((a, b) => a.worth - b.worth || a.timeMs - b.timeMs);
  let bytes = 0;
  let count = 0;
  for (; count < sorted.length && count < MAX_VICTIMS && bytes < wantedBytes; count++)
    bytes += sorted[count]?.sizeBytes ?? 0;
  return sorted.slice(0, count);
}

const KEY_BYTES = 32;

/** Holdings stand in the order of the objects they are of, so both are read once, side by side. */
function captureTimes(records: Records) {
  const rows = records.range(holdings)[Symbol.asyncIterator]();
  let row: IteratorResult<Stored<Capture>> | undefined;
  return {
    /** Of keys in ascending order; the same may be asked for twice. */
    async newest(key: Uint8Array): Promise<number> {
      let newestMs = 0;
      for (;;) {
        row ??= await rows.next();
        if (row.done) return newestMs;
        const order = Buffer.compare(row.value.key.subarray(0, KEY_BYTES), key);
        if (order > 0) return newestMs;
        if (order === 0) newestMs = Math.max(newestMs, row.value.value.timeMs);
        row = undefined;
      }
    },
    async end(): Promise<void> {
      await rows.return?.();
    },
  };
}
