/**
 * Where bytes are kept. A byte store knows nothing of content ids, scopes or subscribers: it
 * keeps byte strings under 32-byte keys that its caller derives (see src/catalog/scope.ts).
 *
 * What every driver promises, and test/contract/byte-store.ts shows:
 *
 * - **Durability.** When `put` resolves, all its entries survive kill and power loss. When it
 *   rejects, none of the entries may be relied on; some may be there.
 * - **Idempotence.** Putting a key that is there keeps the bytes that are there. The caller
 *   derives keys from content, so they are the same bytes. Puts of one key may run at once.
 * - **Integrity.** `get` returns exactly the bytes that were put, or undefined, or rejects with
 *   WEIR_STORE_CORRUPT. It never returns other bytes. A corrupt key counts as absent for `has`
 *   and `put` once `get` or `check` has met it, so a later put heals it.
 * - **Visibility.** An entry is seen by `get` and `has` at the latest when its `put` resolves, and
 *   never before it is durable.
 * - **Failure.** No room: WEIR_STORE_FULL, nothing of the call acknowledged, reads go on, a later
 *   put may succeed. A failed sync: WEIR_STORE_FAILED from then on for every put; reads go on.
 * - **Bounds.** One entry is at most MAX_ENTRY_BYTES; one put at most MAX_PUT_BYTES. Both are
 *   programmer errors.
 * - **Order.** Entries of one put that are kept together are read back fast together: callers put
 *   what belongs together in the order in which it will be read.
 * - **Sweep.** See `sweep`. While one runs everything else goes on, and a `get` that meets it
 *   returns the bytes or, for an entry that leaves, undefined; never other bytes.
 */
export interface ByteStore {
  put(entries: readonly Entry[], retention: Retention): Promise<void>;
  /** The bytes under each key in the order asked, undefined where there are none. */
  get(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** As `get`, but each entry in the encoding it is kept in, to be passed on without unpacking. */
  getEncoded(keys: readonly Uint8Array[]): Promise<(EncodedEntry | undefined)[]>;
  /** Whether each key is there, by its exact 32 bytes. */
  has(keys: readonly Uint8Array[]): Promise<boolean[]>;
  /** Reads everything and reports what does not match its checksum. Bounded in memory. */
  check(): Promise<CheckReport>;
  /**
   * Gives the room of entries that nobody wants any more back to the disk, and moves those that
   * stay to where their retention is now.
   *
   * `mark` is called once and finds out what is wanted, at leisure; the verdict it resolves with is
   * asked for each entry. An entry leaves only when the verdict says `gone` and no `put` or `has`
   * has asked for its key since `sweep` was called: what they were told stays true. What leaves is
   * absent for `get` and `has` at once, and its key may be put again; after a crash in mid-sweep it
   * may be there again. Everything else is there all along, also through a crash: a copy is durable
   * before the old one goes.
   *
   * Entries put last, in a segment that still grows, and those among others of which few leave may
   * be passed over; a later sweep finds them. When there is no room for copies their segments are
   * left as they are. One sweep at a time; a second is a programmer error. Rejects with what `mark`
   * rejects with (nothing leaves then), WEIR_STORE_FAILED and WEIR_STORE_CLOSED.
   */
  sweep(mark: () => Promise<Verdict>, options?: SweepOptions): Promise<SweepReport>;
  stats(): ByteStoreStats;
  /** Finishes what was accepted, then refuses with WEIR_STORE_CLOSED. Idempotent. */
  close(): Promise<void>;
}

export const KEY_BYTES = 32;
export const MAX_ENTRY_BYTES = 1024 * 1024;
export const MAX_PUT_BYTES = 32 * 1024 * 1024;

export interface Entry {
  readonly key: Uint8Array;
  readonly bytes: Uint8Array;
}

export interface EncodedEntry {
  readonly codec: Codec;
  /** Length of the plain bytes. */
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
}

/** `zstd`: one frame as src/base/compress.ts makes it. */
export type Codec = 'raw' | 'zstd';

/** `passing`: a capture, the first to go when room is short. `kept`: referred to by a snapshot. */
export type Retention = 'passing' | 'kept';

/** What becomes of the entry under a key. Fast, synchronous, and must not throw. */
export type Verdict = (key: Uint8Array) => 'gone' | Retention;

export interface SweepOptions {
  /** Ends the sweep after the segment at hand; closing the store does too. */
  readonly signal?: AbortSignal;
}

export interface SweepReport {
  /** False when it was stopped, or segments were left for want of room or for damage. */
  readonly isComplete: boolean;
  readonly goneEntries: number;
  /** Entries written anew, of the same retention or of another. */
  readonly movedEntries: number;
  /** What there is less on the disk: everything removed without what was moved. */
  readonly freedBytes: number;
}

export interface CheckReport {
  readonly entries: number;
  /** Keys whose bytes do not match their checksum; they are quarantined by the check. */
  readonly corrupt: readonly Uint8Array[];
}

export interface ByteStoreStats {
  /** Distinct keys. */
  readonly entries: number;
  /** Sums over all that is on the disk, a key that is there twice counted twice. */
  readonly plainBytes: number;
  readonly storedBytes: number;
  /** Of `storedBytes`, what is kept as `passing`; the rest is `kept`. */
  readonly passingBytes: number;
}
