/**
 * Tells of most keys that they were never added, without looking (Bloom, CACM 13(7), 1970). Of
 * those added it always says that they may have been. Keys are hashes: their bits are chance already.
 */
export interface KeyFilter {
  add(key: Buffer): void;
  mayHave(key: Buffer): boolean;
}

/** With four million keys, one in 500 others passes. */
const FILTER_BYTES = 8 * 1024 * 1024;
const PROBES = 4;

export function createKeyFilter(): KeyFilter {
  const bits = new Uint8Array(FILTER_BYTES);
  return {
    add(key) {
      for (let probe = 0; probe < PROBES; probe++) {
        const bit = key.readUInt32LE(4 * probe) % (8 * FILTER_BYTES);
        bits[bit >>> 3] = (bits[bit >>> 3] ?? 0) | (1 << (bit & 7));
      }
    },
    mayHave(key) {
      for (let probe = 0; probe < PROBES; probe++) {
        const bit = key.readUInt32LE(4 * probe) % (8 * FILTER_BYTES);
        if (((bits[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
      }
      return true;
    },
  };
}
