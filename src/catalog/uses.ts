/**
 * What captures are worth keeping, as far as this process has seen them used: Greedy-Dual-Size-
 * Frequency with the bytes served as cost (L. Cherkasova, "Improving WWW proxies performance with
 * greedy-dual-size-frequency caching policy", HP Labs HPL-98-69R1, 1998), so that what counts are
 * the bytes that need not come again. The worth of an object is the level of all that had to go
 * when it was last used, and how often its bytes were wanted. What was wanted often thus stays for
 * longer than what was wanted once, and not for ever.
 */
export interface Uses {
  /** `share`: of the object's bytes; 1 when all of it passed or was served. */
  note(key: Uint8Array, share: number): void;
  /** 0 when nothing is known. */
  worth(key: Uint8Array): number;
  /** All that is worth no more than this has gone. */
  raise(level: number): void;
}

/** Objects whose uses are remembered; the one used longest ago is forgotten first. */
export const MAX_NOTED_OBJECTS = 200_000;

interface Noted {
  readonly wanted: number;
  readonly worth: number;
}

export function createUses(): Uses {
  // In the order of their last use, which a Map keeps.
  const noted = new Map<number, Noted>();
  let level = 0;
  return {
    note(key, share) {
      const name = nameOf(key);
      const wanted = (noted.get(name)?.wanted ?? 0) + share;
      noted.delete(name);
      noted.set(name, { wanted, worth: level + wanted });
      if (noted.size <= MAX_NOTED_OBJECTS) return;
      const [oldest] = noted.keys();
      if (oldest !== undefined) noted.delete(oldest);
    },
    worth: (key) => noted.get(nameOf(key))?.worth ?? 0,
    raise(reached) {
      level = Math.max(level, reached);
    },
  };
}

/** 48 bits of a key, which is a hash: a clash would only give one object the worth of another. */
function nameOf(key: Uint8Array): number {
  return Buffer.from(key.buffer, key.byteOffset, key.length).readUIntLE(0, 6);
}
