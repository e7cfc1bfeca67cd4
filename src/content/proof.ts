import { createHmac } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { createHmacSha256 } from '../base/hmac.ts';

/**
 * Proof of possession (Halevi et al., "Proofs of Ownership in Remote Storage Systems", 2011).
 *
 * The server opens a session with a nonce of NONCE_BYTES that it never uses again. A possession
 * tag is HMAC-SHA-256 over all bytes of an increment under that nonce, so nobody can make it who
 * does not hold every byte during this session. The proof of a batch binds the tags of everything
 * the agent chose to the number of the batch, and the server accepts each number once. The agent
 * makes tags in the same pass in which it reads for the content id.
 */
export const NONCE_BYTES = 32;
export const TAG_BYTES = 32;
export const PROOF_BYTES = 32;

/** Makes possession tags under one nonce. */
export interface PossessionTagger {
  /** The tag of bytes that are at hand as a whole. */
  tag(bytes: Uint8Array): Buffer;
  /** The tag of bytes that come piece by piece. */
  stream(): PossessionHasher;
}

export interface PossessionHasher {
  update(bytes: Uint8Array): void;
  tag(): Buffer;
}

export function createPossessionTagger(nonce: Uint8Array): PossessionTagger {
  assert(nonce.length === NONCE_BYTES, 'a nonce has 32 bytes');
  const hmac = createHmacSha256(nonce);
  return {
    tag: (bytes) => hmac.digest(bytes),
    stream() {
      const state = createHmac('sha256', nonce);
      return {
        update(bytes) {
          state.update(bytes);
        },
        tag: () => state.digest(),
      };
    },
  };
}

/** The one proof for a batch: tags in the order of the batch. */
export function batchProof(nonce: Uint8Array, batchNumber: number, tags: readonly Uint8Array[]): Buffer {
  const state = createHmac('sha256', nonce);
  const header = Buffer.alloc(16);
  header.write('weir batch', 'latin1');
  header.writeUInt32LE(batchNumber, 12);
  state.update(header);
  for (const tag of tags) {
    assert(tag.length === TAG_BYTES, 'a possession tag has 32 bytes');
    state.update(tag);
  }
  return state.digest();
}
