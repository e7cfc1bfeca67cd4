import { assert } from '../base/assert.ts';
import { CONTENT_ID_BYTES } from '../content/content-id.ts';
import { type CandidateEntries, createCandidateEntries } from './candidate-entries.ts';

/**
 * Which contents a fingerprint may stand for: a multimap in memory from 64-bit keys to 32-byte
 * content ids with a byte of flags and a count. Entries are numbered (ordinals); the number of one
 * that was removed is given again.
 *
 * Keys are keyed hashes of fingerprints, so their bits are uniform and nobody without the scope's
 * key can choose where one falls. Anyone can make contents of one fingerprint, though: a key
 * takes MAX_CANDIDATES ids and no more.
 */
export interface CandidateTable extends Omit<CandidateEntries, 'add' | 'remove'> {
  /**
   * Enters `contentId` under the key `hi`, `lo` (unsigned 32-bit halves) and returns its ordinal.
   * Entered before: the ordinal it has, with `flags` set besides those that are set. Undefined,
   * and nothing entered, when the key has MAX_CANDIDATES other ids.
   */
  add(hi: number, lo: number, contentId: Uint8Array, flags: number): number | undefined;
  /** Puts the ordinals under the key into `found`, which holds MAX_CANDIDATES; returns how many. */
  find(hi: number, lo: number, found: Uint32Array): number;
  /** Takes the entry out; its ordinal is free from then on. */
  remove(hi: number, lo: number, ordinal: number): void;
  /** Slots that the slowest lookup of a key visits. Looks at every slot: for tests. */
  longestProbe(): number;
}

/** Bit 0 of the flags: possession of the content was proved. */
export const PROVED = 1;
export const MAX_CANDIDATES = 64;

/**
 * The table is cut into parts by the first bits of a hash of the key, and each doubles by itself:
 * on the way to 10 million entries the longest `add` took 7-24 ms. An entry takes 55 bytes there, and
 * 2-3 M hits or misses are looked up a second.
 */
const PART_BITS = 8;
const FIRST_SLOTS = 16;
/** 11/16, just below 0.7. */
const isLoaded = (entries: number, slots: number) => entries * 16 > slots * 11;

export function createCandidateTable(): CandidateTable {
  const parts = Array.from({ length: 1 << PART_BITS }, () => createPart(FIRST_SLOTS));
  const entries = createCandidateEntries();
  const { contentId, flags, setFlags, listings, addListing, dropListing } = entries;
  const scratch = new Uint32Array(MAX_CANDIDATES);
  let slotBytes = parts.length * partBytes(FIRST_SLOTS);

  return {
    add(hi, lo, id, newFlags) {
      assert(id.length === CONTENT_ID_BYTES, `a content id of ${id.length} bytes`);
      const hash = hashOf(hi, lo);
      const part = at(parts, hash >>> (32 - PART_BITS));
      const count = findIn(part, hash, hi, lo, scratch);
      for (let i = 0; i < count; i += 1) {
        const ordinal = at(scratch, i);
        if (Buffer.compare(contentId(ordinal), id) !== 0) continue;
        setFlags(ordinal, flags(ordinal) | newFlags);
        return ordinal;
      }
      if (count === MAX_CANDIDATES) return undefined;
      if (isLoaded(part.entries + 1, part.mask + 1)) {
        slotBytes += partBytes(part.mask + 1);
        double(part);
      }
      const ordinal = entries.add(id, newFlags);
      insert(part, hash, hi, lo, ordinal);
      return ordinal;
    },
    find(hi, lo, found) {
      assert(found.length >= MAX_CANDIDATES, `room for ${found.length} ordinals`);
      const hash = hashOf(hi, lo);
      return findIn(at(parts, hash >>> (32 - PART_BITS)), hash, hi, lo, found);
    },
    remove(hi, lo, ordinal) {
      const hash = hashOf(hi, lo);
      removeFrom(at(parts, hash >>> (32 - PART_BITS)), hash, ordinal);
      entries.remove(ordinal);
    },
    contentId,
    flags,
    setFlags,
    listings,
    addListing,
    dropListing,
    get entries() {
      return entries.entries;
    },
    get sizeBytes() {
      return slotBytes + entries.sizeBytes;
    },
    longestProbe: () => parts.reduce((longest, part) => Math.max(longest, longestProbe(part)), 0),
  };
}

/** Open addressing with linear probing: three words a slot, `hi`, `lo` and ordinal + 1, 0 if free. */
interface Part {
  slots: Uint32Array;
  /** The number of slots, a power of two, less one. */
  mask: number;
  entries: number;
}

const SLOT_WORDS = 3;

function createPart(slots: number): Part {
  return { slots: new Uint32Array(slots * SLOT_WORDS), mask: slots - 1, entries: 0 };
}

function partBytes(slots: number): number {
  return slots * SLOT_WORDS * Uint32Array.BYTES_PER_ELEMENT;
}

/** The finalizer of MurmurHash3 over both halves, so that no pattern in keys piles up slots. */
function hashOf(hi: number, lo: number): number {
  assert(hi >>> 0 === hi && lo >>> 0 === lo, 'a key is two unsigned 32-bit numbers');
  let hash = Math.imul(hi, 0x9e3779b1) ^ lo;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** At most MAX_CANDIDATES by what `add` enters. */
function findIn({ slots, mask }: Part, hash: number, hi: number, lo: number, found: Uint32Array): number {
  let count = 0;
  for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
    const word = slot * SLOT_WORDS;
    const ordinal = at(slots, word + 2);
    if (ordinal === 0) return count;
    if (slots[word] !== hi || slots[word + 1] !== lo) continue;
    found[count] = ordinal - 1;
    count += 1;
  }
}

function insert(part: Part, hash: number, hi: number, lo: number, ordinal: number): void {
  const { slots, mask } = part;
  let word = (hash & mask) * SLOT_WORDS;
  while (slots[word + 2] !== 0) word = word / SLOT_WORDS === mask ? 0 : word + SLOT_WORDS;
  slots[word] = hi;
  slots[word + 1] = lo;
  slots[word + 2] = ordinal + 1;
  part.entries += 1;
}

/** Moves later slots of the run back, so that no search ends early at the gap (Knuth 6.4, algorithm R). */
function removeFrom(part: Part, hash: number, ordinal: number): void {
  const { slots, mask } = part;
  let gap = hash & mask;
  for (; slots[gap * SLOT_WORDS + 2] !== ordinal + 1; gap = (gap + 1) & mask)
    assert(slots[gap * SLOT_WORDS + 2] !== 0, `the ordinal ${ordinal} is not under its key`);
  for (let slot = (gap + 1) & mask; slots[slot * SLOT_WORDS + 2] !== 0; slot = (slot + 1) & mask) {
    const word = slot * SLOT_WORDS;
    const home = hashOf(at(slots, word), at(slots, word + 1)) & mask;
    if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
    slots.copyWithin(gap * SLOT_WORDS, word, word + SLOT_WORDS);
    gap = slot;
  }
  slots.fill(0, gap * SLOT_WORDS, (gap + 1) * SLOT_WORDS);
  part.entries -= 1;
}

function double(part: Part): void {
  const { slots, mask } = part;
  Object.assign(part, createPart((mask + 1) * 2));
  for (let word = 0; word < slots.length; word += SLOT_WORDS) {
    const ordinal = at(slots, word + 2);
    if (ordinal === 0) continue;
    const hi = at(slots, word);
    const lo = at(slots, word + 1);
    insert(part, hashOf(hi, lo), hi, lo, ordinal - 1);
  }
}

function longestProbe({ slots, mask }: Part): number {
  let longest = 0;
  for (let slot = 0; slot <= mask; slot += 1) {
    const word = slot * SLOT_WORDS;
    if (slots[word + 2] === 0) continue;
    const home = hashOf(at(slots, word), at(slots, word + 1)) & mask;
    longest = Math.max(longest, ((slot - home) & mask) + 1);
  }
  return longest;
}

/** The element, which is there. */
function at<T>(list: { readonly [index: number]: T }, index: number): T {
  const element = list[index];
  assert(element !== undefined, `no element ${index}`);
  return element;
}
