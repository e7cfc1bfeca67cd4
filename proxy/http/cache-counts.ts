/** How GET and HEAD were answered. */
export interface CacheCounts {
  /** Answered from the cache, unasked. */
  hits: number;
  /** Asked of an origin. */
  misses: number;
  /** Answered with what was on its way for another client. */
  joined: number;
  /** Answered from the cache after the origin had said that it holds still. */
  validated: number;
  /** Answered from the cache because the origin failed. */
  stale: number;
}
