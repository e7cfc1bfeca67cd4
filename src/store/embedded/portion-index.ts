import { assert } from '../../base/assert.ts';
import { KEY_BYTES } from '../byte-store.ts';

/** Where a record may be: the caller reads it there and compares the whole key. */
export interface Location {
  /** The segment's slot (segment.ts). */
  readonly segment: number;
  readonly offset: number;
  /** At least the length of the whole record, at most `LENGTH_UNIT_BYTES` more. */
  readonly lengthBoundBytes: number;
}

/**
 * Which record lies where, for every record of the store, in memory: open addressing with linear
 * probing over slots of 16 bytes. A slot holds the first 64 bits of the key (callers' keys are
 * HMACs, so these are spread evenly), the segment, a bound on the length so that one read fetches
 * a record, and the offset. It proves nothing: other keys may share a fragment, and one key may
 * have several records.
 */
export interface PortionIndex {
  /** The records whose key may be `key`, nearly always none or one. */
  candidates(key: Uint8Array): readonly Location[];
  insert(key: Uint8Array, segment: number, offset: number, lengthBytes: number): void;
  /** Takes one record out; false when it is not there. */
  remove(key: Uint8Array, segment: number, offset: number): boolean;
  has(key: Uint8Array, segment: number, offset: number): boolean;
  /** Makes room for that many more at once, which spares the doublings on the way. */
  reserve(more: number): void;
  /** Keys, one that has several records counted once; two that share a fragment count as one. */
  readonly entries: number;
}

export const LENGTH_UNIT_BYTES = 2048;
/** The segment has 22 bits of its word, the length in units the lower 10. */
export const MAX_SEGMENTS = 2 ** 22 - 1;
const LENGTH_BITS = 10;
const LENGTH_MASK = (1 << LENGTH_BITS) - 1;
const SLOT_WORDS = 4;
const FIRST_SLOTS = 1024;
/** Typed arrays have at most 2^32 elements. */
const MAX_SLOTS = 2 ** 30;
/** Above this share of used slots the table doubles. */
const MAX_LOAD = 0.7;
const NONE: readonly Location[] = [];

export function createPortionIndex(): PortionIndex {
  let table = createTable(FIRST_SLOTS);
  let records = 0;
  let entries = 0;

  function insert(key: Uint8Array, segment: number, offset: number, lengthBytes: number): void {
    assert(key.length === KEY_BYTES, 'a key has 32 bytes');
    assert(segment > 0 && segment <= MAX_SEGMENTS, 'segments have 22 bits and start at 1');
    const units = Math.ceil(lengthBytes / LENGTH_UNIT_BYTES);
    assert(units > 0 && units <= LENGTH_MASK, 'a length fits its 10 bits');
    reserve(1);
    const third = ((segment << LENGTH_BITS) | units) >>> 0;
    const isFirst = place(table, word(key, 0), word(key, 4), third, offset);
    records++;
    if (isFirst) entries++;
  }

  function reserve(more: number): void {
    let slots = table.slots;
    while (records + more > slots * MAX_LOAD) slots *= 2;
    if (slots === table.slots) return;
    assert(slots <= MAX_SLOTS, 'the index has room for 2^30 slots');
    const larger = createTable(slots);
    const { words } = table;
    for (let at = 0; at < words.length; at += SLOT_WORDS) {
      const third = words[at + 2] ?? 0;
      if (third !== 0) place(larger, words[at] ?? 0, words[at + 1] ?? 0, third, words[at + 3] ?? 0);
    }
    table = larger;
  }

  function remove(key: Uint8Array, segment: number, offset: number): boolean {
    const slot = slotOf(table, key, segment, offset);
    if (slot === undefined) return false;
    closeGap(table, slot);
    records--;
    if (candidatesIn(table, key).length === 0) entries--;
    return true;
  }

  return {
    candidates: (key) => candidatesIn(table, key),
    insert,
    remove,
    has: (key, segment, offset) => slotOf(table, key, segment, offset) !== undefined,
    reserve,
    get entries() {
      return entries;
    },
  };
}

/** The words of a slot: low and high half of the fragment, segment and length, offset. */
interface Table {
  /** A power of two. */
  readonly slots: number;
  readonly words: Uint32Array;
}

function createTable(slots: number): Table {
  return { slots, words: new Uint32Array(slots * SLOT_WORDS) };
}

/** Whether the fragment was not there yet. */
function place({ slots, words }: Table, low: number, high: number, third: number, offset: number): boolean {
  let slot = low & (slots - 1);
  let isFirst = true;
  for (; words[slot * SLOT_WORDS + 2] !== 0; slot = (slot + 1) & (slots - 1)) {
    if (words[slot * SLOT_WORDS] === low && words[slot * SLOT_WORDS + 1] === high) isFirst = false;
  }
  const at = slot * SLOT_WORDS;
  words[at] = low;
  words[at + 1] = high;
  words[at + 2] = third;
  words[at + 3] = offset;
  return isFirst;
}

function candidatesIn({ slots, words }: Table, key: Uint8Array): readonly Location[] {
  const low = word(key, 0);
  const high = word(key, 4);
  let found: Location[] | undefined;
  for (let slot = low & (slots - 1); ; slot = (slot + 1) & (slots - 1)) {
    const at = slot * SLOT_WORDS;
    const third = words[at + 2] ?? 0;
    if (third === 0) return found ?? NONE;
    if (words[at] !== low || words[at + 1] !== high) continue;
    const lengthBoundBytes = (third & LENGTH_MASK) * LENGTH_UNIT_BYTES;
    found ??= [];
    found.push({ segment: third >>> LENGTH_BITS, offset: words[at + 3] ?? 0, lengthBoundBytes });
  }
}

function slotOf(
  { slots, words }: Table,
  key: Uint8Array,
  segment: number,
  offset: number,
): number | undefined {
  const low = word(key, 0);
  const high = word(key, 4);
  for (let slot = low & (slots - 1); ; slot = (slot + 1) & (slots - 1)) {
    const at = slot * SLOT_WORDS;
    const third = words[at + 2] ?? 0;
    if (third === 0) return undefined;
    if (words[at] !== low || words[at + 1] !== high) continue;
    if (third >>> LENGTH_BITS === segment && words[at + 3] === offset) return slot;
  }
}

/** Moves later slots of the run back, so that no search ends early at the gap (Knuth 6.4, R). */
function closeGap({ slots, words }: Table, emptied: number): void {
  let gap = emptied;
  for (
    let slot = (gap + 1) & (slots - 1);
    words[slot * SLOT_WORDS + 2] !== 0;
    slot = (slot + 1) & (slots - 1)
  ) {
    const home = (words[slot * SLOT_WORDS] ?? 0) & (slots - 1);
    const distanceFromHome = (slot - home) & (slots - 1);
    const distanceFromGap = (slot - gap) & (slots - 1);
    if (distanceFromHome < distanceFromGap) continue;
    words.copyWithin(gap * SLOT_WORDS, slot * SLOT_WORDS, (slot + 1) * SLOT_WORDS);
    gap = slot;
  }
  words.fill(0, gap * SLOT_WORDS, (gap + 1) * SLOT_WORDS);
}

function word(key: Uint8Array, at: number): number {
  const bytes =
    (key[at] ?? 0) | ((key[at + 1] ?? 0) << 8) | ((key[at + 2] ?? 0) << 16) | ((key[at + 3] ?? 0) << 24);
  return bytes >>> 0;
}
