import type { RawHeaders } from '../headers.ts';
import { isStrongTag, isWeaklyEqual } from './entity-tag.ts';
import { firstLine, withoutFields } from './fields.ts';
import { readHttpDate, writeHttpDate } from './http-date.ts';
import { isPrivateField, isWithheldField, policyOf } from './policy.ts';
import type { CacheableResponse } from './response.ts';

/** They describe the bytes that are stored, whatever the answer says (RFC 9111 section 3.2). */
const OF_THE_BYTES = new Set(['content-encoding', 'content-length', 'content-range', 'transfer-encoding']);

/**
 * The stored response with the header fields of the answer that validated it, a 304 or the 200 of a
 * HEAD (RFC 9111 sections 3.2 and 4.3.4). Its times are the answer's, so its age starts anew.
 *
 * The result is for the client whose request it was: fields of the answer that are for nobody else
 * are in it. For others there is `judge(result).headers`; what is stored is its `storedHeaders`, if
 * it is still storable.
 */
export function freshen<R extends CacheableResponse>(
  stored: R,
  answer: CacheableResponse,
  targets: readonly string[] = [],
): R {
  const given = withDate(
    withoutFields(answer.headers, (name) => OF_THE_BYTES.has(name)),
    answer.responseMs,
  );
  const replaced = new Set(['age']);
  for (let at = 0; at < given.length; at += 2) replaced.add((given[at] ?? '').toLowerCase());
  const kept = withoutFields(stored.headers, (name) => replaced.has(name));
  const policy = policyOf([...kept, ...given], targets);
  const headers = [
    ...withoutFields(kept, isWithheldField(policy)),
    ...withoutFields(given, isPrivateField(policy)),
  ];
  return { ...stored, headers, requestMs: answer.requestMs, responseMs: answer.responseMs };
}

/**
 * Whether a 304 is about this stored response (RFC 9111 section 4.3.4): its entity tag is the same,
 * by strong comparison when it is strong, or else its Last-Modified. A 304 without validators can
 * only mean the one response whose validators were sent, so send those of one response alone.
 */
export function agreesWith304(stored: CacheableResponse, answerHeaders: RawHeaders): boolean {
  const tag = firstLine(answerHeaders, 'etag');
  const storedTag = firstLine(stored.headers, 'etag');
  if (tag !== undefined && storedTag !== undefined) {
    return isStrongTag(tag) ? storedTag === tag : isWeaklyEqual(storedTag, tag);
  }
  const modified = firstLine(answerHeaders, 'last-modified');
  if (modified !== undefined) return isSameTime(modified, firstLine(stored.headers, 'last-modified'), stored);
  return tag === undefined;
}

/** Whether a HEAD's answer is about the stored 200, whose content has this size (RFC 9111 section 4.3.5). */
export function headAgrees(stored: CacheableResponse, sizeBytes: number, answer: CacheableResponse): boolean {
  if (stored.status !== 200 || answer.status !== 200) return false;
  const tag = firstLine(answer.headers, 'etag');
  const modified = firstLine(answer.headers, 'last-modified');
  const length = firstLine(answer.headers, 'content-length');
  return (
    (tag === undefined || tag === firstLine(stored.headers, 'etag')) &&
    (modified === undefined || isSameTime(modified, firstLine(stored.headers, 'last-modified'), stored)) &&
    (length === undefined || Number(length) === sizeBytes)
  );
}

/** RFC 9110 section 6.6.1. The Date that is stored belongs to another reception. */
function withDate(headers: RawHeaders, responseMs: number): RawHeaders {
  const date = firstLine(headers, 'date');
  if (date !== undefined && readHttpDate(date, responseMs) !== undefined) return headers;
  return [...withoutFields(headers, (name) => name === 'date'), 'Date', writeHttpDate(responseMs)];
}

function isSameTime(one: string, other: string | undefined, { responseMs }: CacheableResponse): boolean {
  if (other === undefined || one === other) return other !== undefined;
  const timeMs = readHttpDate(one, responseMs);
  return timeMs !== undefined && timeMs === readHttpDate(other, responseMs);
}
