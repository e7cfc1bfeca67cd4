import type { RawHeaders } from '../headers.ts';

/**
 * What the caching rules need to know of a response. Hop-by-hop fields and those named by Connection
 * are removed already. Times are wall-clock milliseconds: when the request went out, and when the
 * header section had arrived.
 */
export interface CacheableResponse {
  readonly status: number;
  readonly headers: RawHeaders;
  readonly requestMs: number;
  readonly responseMs: number;
}
