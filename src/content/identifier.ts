import { hash } from 'node:crypto';

/**
 * Identifiers: the few bytes under which an agent asks for an increment.
 *
 * An identifier is 48 bits. For a file it is the low 48 bits of its fingerprint, and goes with the
 * file's size; for a directory or a portion it is the first 48 bits of its content id. 48 bits and
 * not 64 because an identifier only has to find candidates: among 10 million held objects an
 * unknown file finds a false one once in 28 million, and that costs 16 bytes of downlink, while
 * two more bytes for every file would cost uplink every time.
 */
export type Identifier = number;

export const IDENTIFIER_BYTES = 6;

/** What an identifier names. The numbers are part of the wire format. */
export const LEVELS = { file: 0, directory: 1, portion: 2 } as const;
export type Level = keyof typeof LEVELS;

export function identifierOfFile(fingerprint: bigint): Identifier {
  return Number(fingerprint & 0xffff_ffff_ffffn);
}

export function identifierOfId(contentId: Uint8Array): Identifier {
  return Buffer.from(contentId.buffer, contentId.byteOffset, IDENTIFIER_BYTES).readUIntLE(
    0,
    IDENTIFIER_BYTES,
  );
}

export const SALT_BYTES = 16;
export const DIGEST_BYTES = 16;

/**
 * Candidates go to the agent as SHA-256(salt ‖ content id), cut to 16 bytes: enough for an agent
 * that knows the content id to recognise it, nothing for one that does not. The salt is the
 * session's.
 */
export function createCandidateDigest(salt: Uint8Array): CandidateDigest {
  const input = Buffer.allocUnsafe(SALT_BYTES + 32);
  input.set(salt, 0);
  return (contentId) => {
    input.set(contentId, SALT_BYTES);
    return hash('sha256', input, 'binary').slice(0, DIGEST_BYTES);
  };
}

/** Gives the digest as a byte string of DIGEST_BYTES. */
export type CandidateDigest = (contentId: Uint8Array) => string;
