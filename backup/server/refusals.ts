import NodeCache from 'node-cache';
import { type ErrorCode, WeirError } from '../../src/base/errors.ts';

/** Counts refused credentials by address, so that guessing does not pay. */
export interface Refusals {
  /** WEIR_TOO_MANY_ATTEMPTS when the address was refused too often lately. */
  check(address: string): void;
  /** Notes how an address ended, if it was refused. */
  count(address: string, code: ErrorCode): void;
  close(): void;
}

export const MAX_REFUSALS = 10;
export const REFUSAL_WINDOW_MS = 60_000;
export const MAX_REFUSING_ADDRESSES = 10_000;

const REFUSED: ReadonlySet<ErrorCode> = new Set(['WEIR_TOKEN_REFUSED', 'WEIR_INVITATION_INVALID']);

export function createRefusals(): Refusals {
  const counts = new NodeCache({
    stdTTL: REFUSAL_WINDOW_MS / 1000,
    maxKeys: MAX_REFUSING_ADDRESSES,
    useClones: false,
  });
  return {
    check(address) {
      if ((counts.get<number>(address) ?? 0) < MAX_REFUSALS) return;
      throw new WeirError('WEIR_TOO_MANY_ATTEMPTS', 'too many refused attempts from this address');
    },
    count(address, code) {
      const known = counts.get<number>(address);
      if (!REFUSED.has(code) || (known === undefined && counts.keys().length >= MAX_REFUSING_ADDRESSES))
        return;
      counts.set(address, (known ?? 0) + 1);
    },
    close: () => counts.close(),
  };
}
