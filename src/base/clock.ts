/**
 * Time, passed in wherever a decision depends on it.
 *
 * `wallMs` is for people (timestamps shown and stored) and may jump either way; `monotonicMs`
 * never goes back and is for measuring durations. No safety decision reads `wallMs`.
 */
export interface Clock {
  wallMs(): number;
  monotonicMs(): number;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
