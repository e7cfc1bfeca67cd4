import { type RawHeaders, valuesOf } from './headers.ts';

/**
 * RFC 9111 section 3, on the careful side: an answer to a request with credentials or cookies, or
 * one that sets a cookie, counts as somebody's own whatever else it says.
 */
export function isSharedCacheable(request: RawHeaders, answer: RawHeaders): boolean {
  if (valuesOf(request, 'authorization').length > 0 || valuesOf(request, 'cookie').length > 0) return false;
  if (valuesOf(answer, 'set-cookie').length > 0) return false;
  if (valuesOf(answer, 'vary').some((value) => value.includes('*'))) return false;
  if (valuesOf(request, 'cache-control').some((value) => /\bno-store\b/i.test(value))) return false;
  return !valuesOf(answer, 'cache-control').some((value) => /\b(?:private|no-store)\b/i.test(value));
}
