import { validationHeaders } from './cache/conditional.ts';
import type { CacheableResponse } from './cache/response.ts';
import { headersForOrigin, type RawHeaders } from './headers.ts';
import type { ForwardRequest } from './request.ts';

/** What the client asks of its own copy or of a part, and what validating the cache's copy replaces. */
const CONDITIONS = new Set([
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'range',
]);

/** The headers of a GET or HEAD for the origin; with validators when it is to say whether `validated` holds. */
export function askHeaders(request: ForwardRequest, validated: CacheableResponse | undefined): RawHeaders {
  const headers = ['Host', request.authority];
  const passed = headersForOrigin(request.rawHeaders, {});
  for (const [name, value] of Object.entries(passed)) {
    if (validated !== undefined && CONDITIONS.has(name.toLowerCase())) continue;
    for (const one of [value].flat()) headers.push(name, one);
  }
  return validated === undefined ? headers : [...headers, ...validationHeaders(validated)];
}
