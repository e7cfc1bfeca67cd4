import createXxHash from 'xxhash-wasm';

const xxHash = await createXxHash();

/**
 * xxHash64 of the bytes, seed 0: finds candidates and proves nothing (a second preimage takes
 * milliseconds).
 */
export function fingerprint(bytes: Uint8Array): bigint {
  return xxHash.h64Raw(bytes);
}

/** xxHash64 under a seed: a fast keyed spread for tables, not an identity. */
export function seededHash64(bytes: Uint8Array, seed: bigint): bigint {
  return xxHash.h64Raw(bytes, seed);
}

/** Fingerprint of bytes that arrive piece by piece. */
export interface FingerprintHasher {
  update(bytes: Uint8Array): void;
  digest(): bigint;
}

export function fingerprintHasher(): FingerprintHasher {
  const state = xxHash.create64();
  return {
    update(bytes) {
      state.update(bytes);
    },
    digest: () => state.digest(),
  };
}
