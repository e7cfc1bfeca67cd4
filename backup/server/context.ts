import type { Contents } from '../../src/catalog/contents.ts';
import type { Scope } from '../../src/catalog/scope.ts';
import type { CandidateDigest } from '../../src/content/identifier.ts';

/** What the parts of one backup share. Nonce and salt are the session's. */
export interface BackupContext {
  readonly contents: Contents;
  readonly scope: Scope;
  readonly nonce: Uint8Array;
  readonly digestOf: CandidateDigest;
  readonly tally: Tally;
}

/** Bytes by the source they came from, counted as they are matched. */
export interface Tally {
  knownBytes: number;
  passedBytes: number;
  portionBytes: number;
  uploadedBytes: number;
}

export function newTally(): Tally {
  return { knownBytes: 0, passedBytes: 0, portionBytes: 0, uploadedBytes: 0 };
}
