import type { RawHeaders } from '../headers.ts';
import { valuesOf } from '../headers.ts';
import { delayMs, readDirectives, states } from './directives.ts';
import { currentAgeMs, type Judgement } from './judge.ts';

/** What a request says about the response it would take (RFC 9111 section 5.2.1, RFC 5861 section 4). */
export interface RequestDirectives {
  readonly isNoCache: boolean;
  /** Concerns what this request fetches, not what is stored already. */
  readonly isNoStore: boolean;
  /** What cannot be answered from the cache is answered 504. */
  readonly isOnlyIfCached: boolean;
  /** Infinity for any age. */
  readonly maxAgeMs: number;
  readonly minFreshMs: number;
  /** Negative for not at all. */
  readonly maxStaleMs: number;
  readonly staleIfErrorMs: number;
}

/**
 * - `fresh`: answer with what is stored, stale or not.
 * - `stale-while-revalidate`: the same, and validate it beside that.
 * - `validate`: forward first.
 */
export type Reuse = 'fresh' | 'stale-while-revalidate' | 'validate';

const NOTHING_SAID: RequestDirectives = Object.freeze({
  isNoCache: false,
  isNoStore: false,
  isOnlyIfCached: false,
  maxAgeMs: Number.POSITIVE_INFINITY,
  minFreshMs: 0,
  maxStaleMs: -1,
  staleIfErrorMs: -1,
});

/** Malformed directives are advice nobody can follow. Pragma counts when there is no Cache-Control. */
export function requestDirectives(headers: RawHeaders): RequestDirectives {
  let hasCacheControl = false;
  let hasPragma = false;
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at];
    if (name?.length === 13) hasCacheControl ||= name.toLowerCase() === 'cache-control';
    else if (name?.length === 6) hasPragma ||= name.toLowerCase() === 'pragma';
  }
  if (hasCacheControl) return readRequestDirectives(valuesOf(headers, 'cache-control'));
  if (!hasPragma || !states(readDirectives(valuesOf(headers, 'pragma')), 'no-cache')) return NOTHING_SAID;
  return { ...NOTHING_SAID, isNoCache: true };
}

function readRequestDirectives(lines: readonly string[]): RequestDirectives {
  const directives = readDirectives(lines);
  const maxStale = directives.find(({ name }) => name === 'max-stale');
  const acceptsAnyAge = maxStale?.isValid === true && maxStale.argument === undefined;
  return {
    isNoCache: states(directives, 'no-cache'),
    isNoStore: states(directives, 'no-store'),
    isOnlyIfCached: states(directives, 'only-if-cached'),
    maxAgeMs: delayMs(directives, 'max-age', Number.POSITIVE_INFINITY) ?? Number.POSITIVE_INFINITY,
    minFreshMs: delayMs(directives, 'min-fresh', 0) ?? 0,
    maxStaleMs: acceptsAnyAge ? Number.POSITIVE_INFINITY : (delayMs(directives, 'max-stale', -1) ?? -1),
    staleIfErrorMs: delayMs(directives, 'stale-if-error', -1) ?? -1,
  };
}

/** RFC 9111 section 4, last condition, for a response that is selected by the request. */
export function decideReuse(directives: RequestDirectives, judgement: Judgement, nowMs: number): Reuse {
  if (judgement.isAlwaysValidated || directives.isNoCache) return 'validate';
  const ageMs = currentAgeMs(judgement, nowMs);
  const stalenessMs = ageMs - judgement.freshnessLifetimeMs;
  const isFresh = stalenessMs < 0;
  if (ageMs > directives.maxAgeMs && !(isFresh && judgement.isImmutable)) return 'validate';
  if (directives.minFreshMs > 0 && stalenessMs + directives.minFreshMs > 0) return 'validate';
  if (isFresh) return 'fresh';
  if (judgement.isNeverStale) return 'validate';
  const isStaleWanted = directives.maxStaleMs >= 0 || directives.maxAgeMs === Number.POSITIVE_INFINITY;
  if (isStaleWanted && stalenessMs <= judgement.staleWhileRevalidateMs) return 'stale-while-revalidate';
  return stalenessMs <= directives.maxStaleMs ? 'fresh' : 'validate';
}

/**
 * Whether the stored response may stand in for an answer that did not come.
 *
 * @param cause 'disconnected' when no origin could be reached, which permits staleness by itself
 *   (RFC 9111 section 4.2.4); 'error' for an answer 500, 502, 503 or 504, which needs
 *   `stale-if-error` of either side (RFC 5861 section 4)
 */
export function mayServeOnError(
  directives: RequestDirectives,
  judgement: Judgement,
  nowMs: number,
  cause: 'disconnected' | 'error',
): boolean {
  if (judgement.isAlwaysValidated || directives.isNoCache) return false;
  const stalenessMs = currentAgeMs(judgement, nowMs) - judgement.freshnessLifetimeMs;
  if (stalenessMs < 0) return true;
  if (judgement.isNeverStale) return false;
  if (stalenessMs <= Math.max(directives.staleIfErrorMs, directives.maxStaleMs)) return true;
  if (directives.maxAgeMs !== Number.POSITIVE_INFINITY) return false;
  return cause === 'disconnected' || stalenessMs <= judgement.staleIfErrorMs;
}
