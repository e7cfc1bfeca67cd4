import { createHmacSha256 } from '../base/hmac.ts';
import { seededHash64 } from '../content/fingerprint.ts';
import { IDENTIFIER_BYTES, type Identifier, LEVELS, type Level } from '../content/identifier.ts';

/**
 * A scope: whose content it is. All look-ups go under the scope's key, so that two subscribers'
 * private copies of the same bytes are strangers to the store and to the table of candidates:
 * isolation is how the data is kept, not a check somebody may forget.
 */
export interface Scope {
  /** Running number, unique for ever. */
  readonly number: number;
  /** Names the content in the store: HMAC-SHA-256(scope key, content id). */
  readonly contentKey: (contentId: Uint8Array) => Buffer;
  /** Names an identifier in the table of candidates: xxHash64 under a seed only this scope has. */
  readonly candidateKey: (level: Level, identifier: Identifier, sizeBytes: number) => bigint;
}

export const SCOPE_KEY_BYTES = 32;
const SIZE_BYTES = 6;

export function createScope(number: number, key: Uint8Array): Scope {
  const hmac = createHmacSha256(key);
  const seed = hmac.digest(Buffer.from('candidates')).readBigUInt64LE(0);
  const input = Buffer.alloc(1 + IDENTIFIER_BYTES + SIZE_BYTES);
  return {
    number,
    contentKey: (contentId) => hmac.digest(contentId),
    candidateKey(level, identifier, sizeBytes) {
      input[0] = LEVELS[level];
      input.writeUIntLE(identifier, 1, IDENTIFIER_BYTES);
      // Only a file's fingerprint goes with a size; an id already says which bytes.
      input.writeUIntLE(level === 'file' ? sizeBytes : 0, 1 + IDENTIFIER_BYTES, SIZE_BYTES);
      return seededHash64(input, seed);
    },
  };
}

/** A scope's number as key bytes, so that a scope's records stand together. The next number ends their range. */
export function scopePrefix(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number, 0);
  return bytes;
}
