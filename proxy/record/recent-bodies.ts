import type { Identifier, Level } from '../../src/content/identifier.ts';
import type { Passing } from './recording.ts';

/**
 * Bodies recorded lately, by subscriber and URL, so that one which passes again unchanged is not
 * recorded again.
 */
export interface RecentBodies {
  /** The body of this content recorded from this URL. */
  find(scope: number, passing: Passing, contentId: Uint8Array): RecentBody | undefined;
  /** The body whose length and strong validator (RFC 9110 section 8.8) are those that pass now. */
  findByValidator(scope: number, passing: Passing): WitnessedBody | undefined;
  /**
   * Whether a witness of the body that passes now is of use later. Not without a validator; and what
   * the cache keeps comes back as a hit or a 304, until it passes whole a second time after all.
   */
  isWitnessWanted(scope: number, passing: Passing): boolean;
  remember(scope: number, passing: Passing, body: RecentBody | WitnessedBody): void;
  forget(scope: number, passing: Passing): void;
}

export interface RecentBody {
  readonly level: Level;
  readonly contentId: Uint8Array;
  readonly identifier: Identifier;
  readonly sizeBytes: number;
}

export interface WitnessedBody extends RecentBody {
  readonly nonce: Buffer;
  readonly witness: Buffer;
}

export const MAX_RECENT_BODIES = 20_000;

export function createRecentBodies(): RecentBodies {
  const bodies = new Map<string, { body: RecentBody | WitnessedBody; validator: string | undefined }>();
  return {
    find(scope, passing, contentId) {
      const body = bodies.get(keyOf(scope, passing))?.body;
      return body !== undefined && Buffer.compare(body.contentId, contentId) === 0 ? body : undefined;
    },
    findByValidator(scope, passing) {
      const validator = validatorOf(passing);
      const key = keyOf(scope, passing);
      const found = bodies.get(key);
      if (validator === undefined || found?.validator !== validator) return undefined;
      const { body } = found;
      if (body.sizeBytes !== passing.sizeBytes || !('witness' in body)) return undefined;
      bodies.delete(key);
      bodies.set(key, found);
      return body;
    },
    isWitnessWanted(scope, passing) {
      if (validatorOf(passing) === undefined) return false;
      return passing.keep === undefined || bodies.has(keyOf(scope, passing));
    },
    remember(scope, passing, body) {
      const key = keyOf(scope, passing);
      bodies.delete(key);
      const [oldest] = bodies.keys();
      if (bodies.size === MAX_RECENT_BODIES && oldest !== undefined) bodies.delete(oldest);
      bodies.set(key, { body, validator: validatorOf(passing) });
    },
    forget(scope, passing) {
      bodies.delete(keyOf(scope, passing));
    },
  };
}

/** A strong entity tag or a modification time; a weak tag promises no bytes. */
function validatorOf({ etag, lastModified }: Passing): string | undefined {
  return etag !== undefined && !etag.startsWith('W/') ? `"${etag}` : lastModified;
}

function keyOf(scope: number, { url }: Passing): string {
  return `${scope} ${url}`;
}
