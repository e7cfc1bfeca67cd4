import type { Random } from '../base/random.ts';
import { type Collection, expectRecord, putRecord, type Records } from '../store/records.ts';
import { createScope, SCOPE_KEY_BYTES, type Scope, scopePrefix } from './scope.ts';
import { versioned } from './versioned.ts';

/** Subscribers are numbered from 1. */
export const CACHE_SCOPE_NUMBER = 0;

const keys: Collection<Uint8Array> = {
  ...versioned<Uint8Array>(
    'cache_scope',
    (key) => key,
    (bytes) => bytes,
  ),
  indexes: [],
};

/**
 * The scope of what the HTTP cache keeps for no subscriber in particular: shared-cacheable answers
 * to people who have no backup here. No session looks anything up in it.
 */
export async function openCacheScope(records: Records, random: Random): Promise<Scope> {
  const at = scopePrefix(CACHE_SCOPE_NUMBER);
  const [known] = await records.get(keys, [at]);
  const key = known ?? random(SCOPE_KEY_BYTES);
  if (known === undefined) await records.write([expectRecord(keys, at, undefined), putRecord(keys, at, key)]);
  return createScope(CACHE_SCOPE_NUMBER, key);
}
