import { currentAgeMs, type Judgement } from './judge.ts';

/**
 * The headers of a stored response for a client whose request did not validate it: Age is the current
 * age (RFC 9111 section 4), and what is not for everybody is left out.
 */
export function servedHeaders(judgement: Judgement, nowMs: number): string[] {
  return [...judgement.headers, 'Age', String(Math.floor(currentAgeMs(judgement, nowMs) / 1000))];
}
