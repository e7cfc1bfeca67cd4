import { setImmediate as nextTurn } from 'node:timers/promises';
import { WeirError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { treeIdOf } from '../content/tree.ts';
import type { ByteStore, Retention } from '../store/byte-store.ts';
import { createKeyFilter, type KeyFilter } from '../store/key-filter.ts';
import type { Records } from '../store/records.ts';
import { idsIn, proofs, readSurviving } from './contents.ts';
import { listPortions, objects } from './objects.ts';
import type { Scope } from './scope.ts';

/** What the records refer to, as keys of the byte store. May say so of a few others. */
export interface Marks {
  /** Undefined: nothing refers to it. `kept`: something does that the scope's owner has proved. */
  retention(key: Uint8Array): Retention | undefined;
}

export interface MarkParts {
  readonly records: Records;
  readonly bytes: ByteStore;
  readonly scopeOf: (number: number) => Scope | undefined;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Whether a key was leased since before the first mark. */
  readonly isLeased: (key: Uint8Array) => boolean;
}

/** Portions marked in one go: some 10 ms. */
const MARKED_AT_ONCE = 4096;
/** Directories read together: at most 16 MiB. */
const READ_AT_ONCE = 64;

/**
 * Marks what all records of all scopes refer to, twice. What only one of the marks sees stays; but
 * they may differ by what was held meanwhile and nothing else, or WEIR_INTERNAL ends the round:
 * then one of them cannot be trusted. 20 bits in memory for each of `entries`; 1.6 µs of CPU for each
 * portion and mark, so a minute for a terabyte.
 */
export async function markTwice(parts: MarkParts, entries: number): Promise<Marks> {
  const live = createKeyFilter(entries);
  const kept = createKeyFilter(entries);
  await markOnce(parts, live, kept, () => undefined);
  await markOnce(parts, live, kept, (object) => {
    throw new WeirError('WEIR_INTERNAL', 'two marks of the store disagree, so nothing is swept', {
      facts: object,
    });
  });
  return {
    retention: (key) => (kept.has(key) ? 'kept' : live.has(key) ? 'passing' : undefined),
  };
}

/** Keys of the objects that were proved to be had, of any level. */
export async function markProofs(
  parts: Pick<MarkParts, 'records' | 'scopeOf'>,
  marked: KeyFilter,
): Promise<void> {
  for await (const { value } of parts.records.range(proofs)) {
    const scope = scopeAt(parts, value.scope);
    for (const id of idsIn(value.contentIds)) marked.add(scope.contentKey(id));
  }
}

/** `onNew` is told of an object of which something was not marked yet, unless it was leased. */
async function markOnce(
  parts: MarkParts,
  live: KeyFilter,
  kept: KeyFilter,
  onNew: (object: { scope: number; level: string }) => void,
): Promise<void> {
  const { records, signal, isLeased } = parts;
  await markProofs(parts, kept);
  const trees = createTreeMarker(parts, live, kept);
  let portions = 0;
  for await (const { key, value: object } of records.range(objects)) {
    signal.throwIfAborted();
    const scope = scopeAt(parts, object.scope);
    const objectKey = key.subarray(0, KEY_BYTES);
    const isProved = object.isProved || kept.has(objectKey);
    const list = await listPortions(records, key, object);
    let isNew = false;
    for (let index = 0; index < list.count; index++) {
      if (++portions % MARKED_AT_ONCE === 0) await nextTurn();
      const portion = scope.contentKey(list.id(index));
      if (live.add(portion)) isNew = true;
      if (isProved) kept.add(portion);
    }
    if (isNew && !isLeased(objectKey)) onNew({ scope: object.scope, level: object.level });
    if (object.level === 'directory' && list.count > 0) await trees.add(scope, scope.contentKey(list.id(0)));
  }
  await trees.flush();
}

const KEY_BYTES = 32;

/** A tree of one portion has no record: only the attributes it belongs to refer to it, from their beginning. */
function createTreeMarker({ bytes, log }: MarkParts, live: KeyFilter, kept: KeyFilter) {
  let waiting: { readonly scope: Scope; readonly firstPortion: Buffer }[] = [];

  async function flush(): Promise<void> {
    const keys = waiting.map(({ firstPortion }) => firstPortion);
    const read = await readSurviving((some) => bytes.get(some), keys);
    for (const [at, { scope }] of waiting.entries()) {
      const attributes = read[at];
      if (attributes === undefined) log.warn('catalog.room.directory_unreadable', { scope: scope.number });
      const tree = attributes && treeOf(attributes);
      if (tree === undefined) continue;
      const key = scope.contentKey(tree);
      live.add(key);
      kept.add(key);
    }
    waiting = [];
  }

  return {
    async add(scope: Scope, firstPortion: Buffer): Promise<void> {
      waiting.push({ scope, firstPortion });
      if (waiting.length === READ_AT_ONCE) await flush();
    },
    flush,
  };
}

/** The tree that attributes belong to; undefined for what is a tree itself. */
function treeOf(bytes: Uint8Array): Buffer | undefined {
  try {
    return treeIdOf(bytes);
  } catch (error) {
    if (error instanceof WeirError && error.code === 'WEIR_TREE_INVALID') return undefined;
    throw error;
  }
}

/** Scopes are for ever; without its key nothing of it could be marked, and all of it would go. */
function scopeAt({ scopeOf }: Pick<MarkParts, 'scopeOf'>, number: number): Scope {
  const scope = scopeOf(number);
  if (scope === undefined) throw new WeirError('WEIR_INTERNAL', `the scope ${number} of a record is unknown`);
  return scope;
}
