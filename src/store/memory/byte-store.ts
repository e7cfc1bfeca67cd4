import { assert } from '../../base/assert.ts';
import { WeirError } from '../../base/errors.ts';
import { type ByteStore, type Entry, KEY_BYTES, MAX_ENTRY_BYTES, MAX_PUT_BYTES } from '../byte-store.ts';

export interface MemoryByteStoreOptions {
  /** Puts that would exceed this are refused with WEIR_STORE_FULL; no limit by default. May change. */
  readonly capacityBytes?: number;
}

/** The contract of ByteStore in the fewest words, for tests. What it keeps dies with the process. */
export function openMemoryByteStore(options: MemoryByteStoreOptions = {}): ByteStore {
  const kept = new Map<string, Uint8Array>();
  let keptBytes = 0;
  let isClosed = false;

  function assertOpen(): void {
    if (isClosed) throw new WeirError('WEIR_STORE_CLOSED', 'the byte store is closed');
  }

  async function put(entries: readonly Entry[]): Promise<void> {
    assertOpen();
    const fresh = new Map<string, Uint8Array>();
    for (const { key, bytes } of entries) {
      assert(bytes.length <= MAX_ENTRY_BYTES, 'an entry has at most MAX_ENTRY_BYTES');
      const text = textOf(key);
      if (!kept.has(text) && !fresh.has(text)) fresh.set(text, Uint8Array.from(bytes));
    }
    assert(sumBytes(entries) <= MAX_PUT_BYTES, 'a put has at most MAX_PUT_BYTES');
    const freshBytes = sumBytes([...fresh.values()].map((bytes) => ({ bytes })));
    const { capacityBytes } = options;
    if (capacityBytes !== undefined && keptBytes + freshBytes > capacityBytes) {
      throw new WeirError('WEIR_STORE_FULL', `the store holds at most ${capacityBytes} bytes`);
    }
    for (const [text, bytes] of fresh) kept.set(text, bytes);
    keptBytes += freshBytes;
  }

  async function get(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    assertOpen();
    return keys.map((key) => kept.get(textOf(key)));
  }

  return {
    put,
    get,
    async getEncoded(keys) {
      return (await get(keys)).map((bytes) => bytes && { codec: 'raw', sizeBytes: bytes.length, bytes });
    },
    async has(keys) {
      return (await get(keys)).map((bytes) => bytes !== undefined);
    },
    async check() {
      assertOpen();
      return { entries: kept.size, corrupt: [] };
    },
    stats: () => ({ entries: kept.size, plainBytes: keptBytes, storedBytes: keptBytes }),
    async close() {
      isClosed = true;
    },
  };
}

function sumBytes(entries: readonly { readonly bytes: Uint8Array }[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

function textOf(key: Uint8Array): string {
  assert(key.length === KEY_BYTES, 'a key has 32 bytes');
  return Buffer.from(key).toString('latin1');
}
