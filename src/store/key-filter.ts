import { assert } from '../base/assert.ts';

/**
 * A set of keys that may say yes for a key it never got, and never no for one it did (B. H. Bloom,
 * "Space/time trade-offs in hash coding with allowable errors", 1970). Ten bits and seven probes a
 * key: 0.8 % of strangers are taken for members. Keys are hashes, so that their own first 64 bits
 * serve for the probes (Kirsch and Mitzenmacher, "Less hashing, same performance", 2006).
 */
export interface KeyFilter {
  /** False when the key was in, or seemed to be. */
  add(key: Uint8Array): boolean;
  has(key: Uint8Array): boolean;
}

/** What of a key decides. */
export const FILTERED_PREFIX_LENGTH = 8;
const BITS_A_KEY = 10;
const PROBES = 7;
/** 512 MiB, for 400 million keys. */
const MAX_BITS = 2 ** 32;
/** 64 KiB, which makes small filters as good as sets. */
const MIN_BITS = 2 ** 19;

/** `keys`: how many it is made for; more make it say yes more often. */
export function createKeyFilter(keys: number): KeyFilter {
  const bits = Math.min(MAX_BITS, Math.max(MIN_BITS, Math.ceil(keys * BITS_A_KEY)));
  const words = new Uint32Array(Math.ceil(bits / 32));
  const scale = bits / 2 ** 32;

  /** Whether all bits of the key are set; sets them. */
  function probe(key: Uint8Array, isAdding: boolean): boolean {
    assert(key.length >= FILTERED_PREFIX_LENGTH, 'a key has 8 bytes at least');
    const step = word(key, 4) | 1;
    let hash = word(key, 0);
    let isThere = true;
    for (let nth = 0; nth < PROBES; nth++) {
      const bit = Math.floor(hash * scale);
      const at = Math.floor(bit / 32);
      const mask = 1 << (bit & 31);
      const before = words[at] ?? 0;
      if ((before & mask) === 0) {
        if (!isAdding) return false;
        isThere = false;
        words[at] = before | mask;
      }
      hash = (hash + step) >>> 0;
    }
    return isThere;
  }

  return { add: (key) => !probe(key, true), has: (key) => probe(key, false) };
}

function word(key: Uint8Array, at: number): number {
  const bytes =
    (key[at] ?? 0) | ((key[at + 1] ?? 0) << 8) | ((key[at + 2] ?? 0) << 16) | ((key[at + 3] ?? 0) << 24);
  return bytes >>> 0;
}
