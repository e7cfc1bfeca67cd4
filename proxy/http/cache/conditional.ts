import { type RawHeaders, valuesOf } from '../headers.ts';
import { isWeaklyEqual, readTags } from './entity-tag.ts';
import { combinedValue, firstLine } from './fields.ts';
import { readHttpDate } from './http-date.ts';
import type { CacheableResponse } from './response.ts';
import { isSuccessful } from './status.ts';

/** Which of the fields that make an answer depend on what the client has already a request carries. */
export interface Preconditions {
  readonly ifMatch: boolean;
  readonly ifNoneMatch: boolean;
  readonly ifModifiedSince: boolean;
  readonly ifUnmodifiedSince: boolean;
  readonly ifRange: boolean;
  readonly range: boolean;
}

const NAMES: ReadonlyMap<string, keyof Preconditions> = new Map([
  ['if-match', 'ifMatch'],
  ['if-none-match', 'ifNoneMatch'],
  ['if-modified-since', 'ifModifiedSince'],
  ['if-unmodified-since', 'ifUnmodifiedSince'],
  ['if-range', 'ifRange'],
  ['range', 'range'],
]);

const NONE: Preconditions = Object.freeze({
  ifMatch: false,
  ifNoneMatch: false,
  ifModifiedSince: false,
  ifUnmodifiedSince: false,
  ifRange: false,
  range: false,
});

/** What a 304 carries of the 200 it stands for, beside Last-Modified. */
const OF_NOT_MODIFIED = new Set([
  'age',
  'cache-control',
  'content-location',
  'date',
  'etag',
  'expires',
  'vary',
]);

export function hasOwnPreconditions(requestHeaders: RawHeaders): Preconditions {
  let found: Partial<Record<keyof Preconditions, boolean>> | undefined;
  for (let at = 0; at < requestHeaders.length; at += 2) {
    const name = requestHeaders[at] ?? '';
    if (name.length < 5 || !'iIrR'.includes(name.charAt(0))) continue;
    const key = NAMES.get(name.toLowerCase());
    if (key !== undefined) (found ??= {})[key] = true;
  }
  return found === undefined ? NONE : { ...NONE, ...found };
}

/**
 * The preconditions that validate a stored response, as raw pairs (RFC 9111 section 4.3.1). None
 * without a validator, and none for an answer other than 2xx: an origin ignores them where it would
 * give the same again, and a 304 would be about another representation.
 */
export function validationHeaders({ status, headers, responseMs }: CacheableResponse): string[] {
  if (!isSuccessful(status)) return [];
  const pairs: string[] = [];
  const tag = firstLine(headers, 'etag');
  if (tag !== undefined) pairs.push('If-None-Match', tag);
  const modified = firstLine(headers, 'last-modified');
  if (modified !== undefined && readHttpDate(modified, responseMs) !== undefined) {
    pairs.push('If-Modified-Since', modified);
  }
  return pairs;
}

/**
 * Whether the client has the stored 200 already (RFC 9111 section 4.3.2, RFC 9110 section 13.2.2).
 * Only for GET and HEAD; If-Match and If-Unmodified-Since are for the origin.
 */
export function isNotModified(requestHeaders: RawHeaders, response: CacheableResponse): boolean {
  if (response.status !== 200) return false;
  const wanted = combinedValue(requestHeaders, 'if-none-match');
  if (wanted === undefined) return isUnmodifiedSince(requestHeaders, response);
  if (wanted.trim() === '*') return true;
  const tag = firstLine(response.headers, 'etag');
  return tag !== undefined && readTags(wanted).some((one) => isWeaklyEqual(one, tag));
}

function isUnmodifiedSince(requestHeaders: RawHeaders, { headers, responseMs }: CacheableResponse): boolean {
  const [since, ...others] = valuesOf(requestHeaders, 'if-modified-since');
  if (since === undefined || others.length > 0) return false;
  const sinceMs = readHttpDate(since, responseMs);
  if (sinceMs === undefined) return false;
  const modifiedMs = ['last-modified', 'date']
    .map((name) => readHttpDate(firstLine(headers, name) ?? '', responseMs))
    .find((timeMs) => timeMs !== undefined);
  return (modifiedMs ?? responseMs) <= sinceMs;
}

/** Of the headers a 200 would be served with, those of a 304 in its place (RFC 9110 section 15.4.5). */
export function notModifiedHeaders(headers: RawHeaders): string[] {
  const hasTag = firstLine(headers, 'etag') !== undefined;
  const kept: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = (headers[at] ?? '').toLowerCase();
    if (OF_NOT_MODIFIED.has(name) || (name === 'last-modified' && !hasTag)) {
      kept.push(headers[at] ?? '', headers[at + 1] ?? '');
    }
  }
  return kept;
}
