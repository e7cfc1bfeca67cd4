import { randomBytes } from 'node:crypto';

/** A source of unpredictable bytes, passed in so that simulations can replay a run. */
export type Random = (sizeBytes: number) => Buffer;

export const systemRandom: Random = (sizeBytes) => randomBytes(sizeBytes);
