import type { RawHeaders } from '../headers.ts';
import { delayMs, namedFields, permits, readSeconds, states } from './directives.ts';
import { combinedValue, firstLine, splitList, withoutFields } from './fields.ts';
import { readHttpDate, writeHttpDate } from './http-date.ts';
import { type Policy, policyOf } from './policy.ts';
import type { CacheableResponse } from './response.ts';
import { isHeuristicallyCacheable } from './status.ts';
import { storedHeaders } from './storable.ts';

/** All that a response's own headers say about its reuse, worked out once. */
export interface Judgement {
  readonly freshnessLifetimeMs: number;
  /** corrected_initial_age of RFC 9111 section 4.2.3, and the moment it is the age of. */
  readonly initialAgeMs: number;
  readonly responseMs: number;
  /** Date, or else the time of reception. Of several responses that suit, the latest is used. */
  readonly sentMs: number;
  /** Says `no-cache`: never to be used without validation. */
  readonly isAlwaysValidated: boolean;
  /** Never to be used stale: `must-revalidate`, `proxy-revalidate` or `s-maxage`. */
  readonly isNeverStale: boolean;
  /** While fresh, not to be validated for a client's `max-age` (RFC 8246 section 2). */
  readonly isImmutable: boolean;
  /** How long after its lifetime it may be used (RFC 5861); negative for not at all. */
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  /** What any client is given, but Age. Never without Date. */
  readonly headers: RawHeaders;
}

const MAX_HEURISTIC_LIFETIME_MS = 7 * 24 * 60 * 60 * 1000;
const HEURISTIC_FRACTION = 0.1;
const NEVER_MS = -1;

export function judge(response: CacheableResponse, targets: readonly string[] = []): Judgement {
  const policy = policyOf(response.headers, targets);
  const { directives } = policy;
  const sentMs = dateOf(response.headers, 'date', response.responseMs);
  return {
    freshnessLifetimeMs: freshnessLifetimeMs(response, policy, sentMs ?? response.responseMs),
    initialAgeMs: initialAgeMs(response, sentMs),
    responseMs: response.responseMs,
    sentMs: sentMs ?? response.responseMs,
    isAlwaysValidated: namedFields(directives, 'no-cache') === 'all',
    isNeverStale: ['must-revalidate', 'proxy-revalidate', 's-maxage'].some((name) =>
      states(directives, name),
    ),
    isImmutable: permits(directives, 'immutable'),
    staleWhileRevalidateMs: delayMs(directives, 'stale-while-revalidate', NEVER_MS) ?? NEVER_MS,
    staleIfErrorMs: delayMs(directives, 'stale-if-error', NEVER_MS) ?? NEVER_MS,
    headers: headersForAnyone(response, targets, sentMs),
  };
}

/** RFC 9111 section 4.2.3. A clock set back makes nothing younger than it arrived. */
export function currentAgeMs(judgement: Judgement, nowMs: number): number {
  return judgement.initialAgeMs + Math.max(0, nowMs - judgement.responseMs);
}

/** RFC 9111 sections 4.2.1 and 4.2.2. Explicit freshness that cannot be read is none left. */
function freshnessLifetimeMs(response: CacheableResponse, policy: Policy, sentMs: number): number {
  const { directives, expires } = policy;
  const explicitMs = delayMs(directives, 's-maxage', 0) ?? delayMs(directives, 'max-age', 0);
  if (explicitMs !== undefined) return explicitMs;
  if (expires !== undefined) {
    return Math.max(0, (readHttpDate(expires, response.responseMs) ?? sentMs) - sentMs);
  }
  if (!isHeuristicallyCacheable(response.status) && !permits(directives, 'public')) return 0;
  const modifiedMs = dateOf(response.headers, 'last-modified', response.responseMs) ?? sentMs;
  return Math.min(Math.max(0, (sentMs - modifiedMs) * HEURISTIC_FRACTION), MAX_HEURISTIC_LIFETIME_MS);
}

/**
 * RFC 9111 section 4.2.3: corrected_age_value, which owes nothing to the origin's clock. What passed a
 * cache of HTTP/1.0, which need not know Age, is also no younger than its Date.
 */
function initialAgeMs({ headers, requestMs, responseMs }: CacheableResponse, sentMs?: number): number {
  const [first = ''] = splitList(combinedValue(headers, 'age') ?? '');
  const correctedMs = (readSeconds(first) ?? 0) * 1000 + Math.max(0, responseMs - requestMs);
  const hops = splitList(combinedValue(headers, 'via') ?? '');
  const isOld = hops.some((hop) => /^(?:http\/)?(?:1\.0|0\.9) /i.test(hop));
  return isOld ? Math.max(correctedMs, responseMs - (sentMs ?? responseMs)) : correctedMs;
}

/** RFC 9110 section 6.6.1: a Date that is missing or no date becomes the time of reception. */
function headersForAnyone(
  { headers, responseMs }: CacheableResponse,
  targets: readonly string[],
  sentMs?: number,
): string[] {
  const kept = withoutFields(
    storedHeaders(headers, targets),
    (name) => name === 'age' || (name === 'date' && sentMs === undefined),
  );
  if (sentMs === undefined) kept.push('Date', writeHttpDate(responseMs));
  return kept;
}

function dateOf(headers: RawHeaders, name: string, nowMs: number): number | undefined {
  const value = firstLine(headers, name);
  return value === undefined ? undefined : readHttpDate(value, nowMs);
}
