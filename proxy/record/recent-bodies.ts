import type { Scope } from '../../src/catalog/scope.ts';
import type { Passing } from './recording.ts';

/**
 * Bodies recorded lately, by subscriber and URL, so that one which passes again unchanged is not
 * recorded again. Only a body whose length and strong validator (RFC 9110 section 8.8) are the
 * same is even looked at.
 */
export interface RecentBodies {
  find(scope: Scope, passing: Passing): RecentBody | undefined;
  remember(scope: Scope, passing: Passing, body: RecentBody): void;
  forget(scope: Scope, passing: Passing): void;
}

export interface RecentBody {
  readonly sizeBytes: number;
  readonly nonce: Buffer;
  readonly witness: Buffer;
}

export const MAX_RECENT_BODIES = 20_000;

export function createRecentBodies(): RecentBodies {
  const bodies = new Map<string, { body: RecentBody; validator: string }>();
  return {
    find(scope, passing) {
      const key = keyOf(scope, passing);
      const found = bodies.get(key);
      if (found === undefined) return undefined;
      const isSame = found.validator === validatorOf(passing) && found.body.sizeBytes === passing.sizeBytes;
      if (!isSame) return undefined;
      bodies.delete(key);
      bodies.set(key, found);
      return found.body;
    },
    remember(scope, passing, body) {
      const validator = validatorOf(passing);
      if (validator === undefined) return;
      const key = keyOf(scope, passing);
      bodies.delete(key);
      const [oldest] = bodies.keys();
      if (bodies.size === MAX_RECENT_BODIES && oldest !== undefined) bodies.delete(oldest);
      bodies.set(key, { body, validator });
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

function keyOf(scope: Scope, { url }: Passing): string {
  return `${scope.number} ${url}`;
}
