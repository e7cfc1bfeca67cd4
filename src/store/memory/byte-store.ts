import { setImmediate as nextTurn } from 'node:timers/promises';
import { assert } from '../../base/assert.ts';
import { WeirError } from '../../base/errors.ts';
import {
  type ByteStore,
  type Entry,
  KEY_BYTES,
  MAX_ENTRY_BYTES,
  MAX_PUT_BYTES,
  type Retention,
  type SweepOptions,
  type SweepReport,
  type Verdict,
} from '../byte-store.ts';

export interface MemoryByteStoreOptions {
  /** Puts that would exceed this are refused with WEIR_STORE_FULL; no limit by default. May change. */
  readonly capacityBytes?: number;
}

interface Kept {
  readonly bytes: Uint8Array;
  retention: Retention;
}

/** The contract of ByteStore in the fewest words, for tests. What it keeps dies with the process. */
export function openMemoryByteStore(options: MemoryByteStoreOptions = {}): ByteStore {
  const kept = new Map<string, Kept>();
  /** Keys asked for since the sweep under way was called. */
  let asked: Set<string> | undefined;
  let isClosed = false;

  function assertOpen(): void {
    if (isClosed) throw new WeirError('WEIR_STORE_CLOSED', 'the byte store is closed');
  }

  async function put(entries: readonly Entry[], retention: Retention): Promise<void> {
    assertOpen();
    const fresh = new Map<string, Kept>();
    for (const { key, bytes } of entries) {
      assert(bytes.length <= MAX_ENTRY_BYTES, 'an entry has at most MAX_ENTRY_BYTES');
      const text = textOf(key);
      asked?.add(text);
      if (!kept.has(text) && !fresh.has(text)) fresh.set(text, { bytes: Uint8Array.from(bytes), retention });
    }
    assert(sumBytes(entries) <= MAX_PUT_BYTES, 'a put has at most MAX_PUT_BYTES');
    const { capacityBytes } = options;
    const isOver = (mostBytes: number) => sumBytes(kept.values()) + sumBytes(fresh.values()) > mostBytes;
    if (capacityBytes !== undefined && isOver(capacityBytes)) {
      throw new WeirError('WEIR_STORE_FULL', `the store holds at most ${capacityBytes} bytes`);
    }
    for (const [text, entry] of fresh) kept.set(text, entry);
  }

  async function get(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    assertOpen();
    return keys.map((key) => kept.get(textOf(key))?.bytes);
  }

  async function sweep(mark: () => Promise<Verdict>, { signal }: SweepOptions = {}): Promise<SweepReport> {
    assertOpen();
    assert(asked === undefined, 'one sweep at a time');
    const spared = new Set<string>();
    asked = spared;
    try {
      // Who asked before has an answer by then.
      await nextTurn();
      const verdict = await mark();
      return await sweepOut(kept, spared, verdict, () => isClosed || signal?.aborted === true);
    } finally {
      asked = undefined;
    }
  }

  return {
    put,
    get,
    async getEncoded(keys) {
      return (await get(keys)).map((bytes) => bytes && { codec: 'raw', sizeBytes: bytes.length, bytes });
    },
    async has(keys) {
      for (const key of keys) asked?.add(textOf(key));
      return (await get(keys)).map((bytes) => bytes !== undefined);
    },
    async check() {
      assertOpen();
      return { entries: kept.size, corrupt: [] };
    },
    sweep,
    stats() {
      const all = [...kept.values()];
      const storedBytes = sumBytes(all);
      const passingBytes = sumBytes(all.filter(({ retention }) => retention === 'passing'));
      return { entries: kept.size, plainBytes: storedBytes, storedBytes, passingBytes };
    },
    async close() {
      isClosed = true;
    },
  };
}

async function sweepOut(
  kept: Map<string, Kept>,
  spared: ReadonlySet<string>,
  verdict: Verdict,
  isStopped: () => boolean,
): Promise<SweepReport> {
  const report = { isComplete: true, goneEntries: 0, movedEntries: 0, freedBytes: 0 };
  for (const [text, entry] of Array.from(kept)) {
    await nextTurn();
    if (isStopped()) return { ...report, isComplete: false };
    const fate = verdict(Buffer.from(text, 'latin1'));
    if (spared.has(text) || fate === entry.retention) continue;
    if (fate === 'gone') {
      kept.delete(text);
      report.goneEntries++;
      report.freedBytes += entry.bytes.length;
    } else {
      entry.retention = fate;
      report.movedEntries++;
    }
  }
  return report;
}

function sumBytes(entries: Iterable<{ readonly bytes: Uint8Array }>): number {
  let sum = 0;
  for (const { bytes } of entries) sum += bytes.length;
  return sum;
}

function textOf(key: Uint8Array): string {
  assert(key.length === KEY_BYTES, 'a key has 32 bytes');
  return Buffer.from(key).toString('latin1');
}
