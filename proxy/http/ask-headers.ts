import { validationHeaders } from './cache/conditional.ts';
import { withoutFields } from './cache/fields.ts';
import { passedToOrigin, type RawHeaders, valuesOf } from './headers.ts';
import type { ForwardRequest } from './request.ts';
import type { Stored } from './stored.ts';

/** What the client asks of its own copy or of a part, and what validating the cache's copy replaces. */
const CONDITIONS = new Set([
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'range',
]);

/** What the cache has already, at most one of both. */
export interface Known {
  /** An answer that may not be served unasked. */
  readonly validated?: Stored | undefined;
  /** The beginning of an answer. */
  readonly begun?: { readonly stored: Stored; readonly prefix: Buffer } | undefined;
}

/** The headers of a GET or HEAD for the origin, asking for no more than the cache does not know. */
export function askHeaders(request: ForwardRequest, { validated, begun }: Known): RawHeaders {
  const isOwn = validated !== undefined || begun !== undefined;
  const passed = passedToOrigin(request.rawHeaders);
  const kept = isOwn ? withoutFields(passed, (name) => CONDITIONS.has(name)) : passed;
  const headers = ['Host', request.authority, ...kept];
  if (validated !== undefined) headers.push(...validationHeaders(validated));
  if (begun !== undefined) {
    const [tag = ''] = valuesOf(begun.stored.headers, 'etag');
    headers.push('Range', `bytes=${begun.prefix.length}-`, 'If-Range', tag);
  }
  return headers;
}
