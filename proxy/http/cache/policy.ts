import { type RawHeaders, valuesOf } from '../headers.ts';
import { readDictionary } from './dictionary.ts';
import { type Directive, namedFields, permits, readDirectives } from './directives.ts';
import { combinedValue, firstLine } from './fields.ts';

/** What a response says about its caching. */
export interface Policy {
  readonly directives: readonly Directive[];
  /** The first Expires line, valid or not. */
  readonly expires: string | undefined;
}

/**
 * Cache-Control and Expires, or in their stead the first targeted field that is a valid dictionary
 * (RFC 9213 section 2.2).
 *
 * @param targets names of targeted fields in lower case, the most applicable first
 */
export function policyOf(headers: RawHeaders, targets: readonly string[]): Policy {
  for (const target of targets) {
    const value = combinedValue(headers, target);
    const directives = value === undefined ? undefined : readDictionary(value);
    if (directives !== undefined) return { directives, expires: undefined };
  }
  const directives = readDirectives(valuesOf(headers, 'cache-control'));
  return { directives, expires: firstLine(headers, 'expires') };
}

/** Tells the fields a shared cache must not store: those of `private="…"` (RFC 9111 section 5.2.2.7). */
export function isPrivateField(policy: Policy): (name: string) => boolean {
  const fields = namedFields(policy.directives, 'private');
  return fields === undefined || fields === 'all' ? () => false : (name) => fields.has(name);
}

/**
 * Tells the fields that go to nobody but the client whose request fetched them: private ones, those
 * of `no-cache="…"` (RFC 9111 section 5.2.2.4), and Set-Cookie unless the response is declared to be
 * for everybody.
 */
export function isWithheldField(policy: Policy): (name: string) => boolean {
  const isPrivate = isPrivateField(policy);
  const fields = namedFields(policy.directives, 'no-cache');
  const keepsCookies = isForEverybody(policy);
  return (name) =>
    isPrivate(name) ||
    (name === 'set-cookie' && !keepsCookies) ||
    (fields !== undefined && fields !== 'all' && fields.has(name));
}

/** Whether the response says in so many words that any client may be given it. */
export function isForEverybody({ directives }: Policy): boolean {
  return permits(directives, 'public') || permits(directives, 's-maxage');
}
