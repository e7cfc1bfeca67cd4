import { WeirError } from '../base/errors.ts';
import { CONTENT_ID_BYTES, contentId } from '../content/content-id.ts';
import { type Identifier, LEVELS, type Level } from '../content/identifier.ts';
import type { PortionList } from '../content/portion-list.ts';
import type { ByteStore, EncodedEntry, Entry, Retention } from '../store/byte-store.ts';
import {
  type Collection,
  MAX_GROUP_OPERATIONS,
  type Operation,
  putRecord,
  type Records,
} from '../store/records.ts';
import { Candidates, type Found, type ObjectName } from './candidates.ts';
import { createLeases, type Lease, type Leases } from './leases.ts';
import {
  dropObject,
  type HeldObject,
  holdObject,
  listPortions,
  type NewObject,
  objectKey,
  objects,
} from './objects.ts';
import { type Scope, scopePrefix } from './scope.ts';
import { versioned } from './versioned.ts';

/**
 * What the provider holds, scope by scope: finds objects by identifier, reads their bytes, takes
 * new ones in. It never looks outside the scope it is given.
 */
export interface Contents {
  /** Objects the identifier may mean, at most `limit`. From memory, without waiting. */
  find(scope: Scope, level: Level, identifier: Identifier, sizeBytes: number, limit: number): Found[];
  /** Whether the object is held. From memory, without waiting. */
  isHeld(scope: Scope, object: ObjectName): boolean;
  /** Whether the scope holds any directory. */
  hasDirectories(scope: Scope): boolean;
  /** The portions of each object in order, or undefined for one that is not held. */
  portionsOf(scope: Scope, level: Level, ids: readonly Uint8Array[]): Promise<(PortionList | undefined)[]>;
  /** Plain bytes of portions, verified by SHA-256; undefined for one that is missing or corrupt. */
  portions(scope: Scope, ids: readonly Uint8Array[]): Promise<(Buffer | undefined)[]>;
  /** Whether the store has each portion, without reading it. */
  holds(scope: Scope, ids: readonly Uint8Array[]): Promise<boolean[]>;
  /** As `portions`, but only the store's checksum was verified: for a caller that hashes the whole object. */
  uncheckedPortions(scope: Scope, ids: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** As `uncheckedPortions`, in the encoding of the store. */
  encodedPortions(scope: Scope, ids: readonly Uint8Array[]): Promise<(EncodedEntry | undefined)[]>;
  /** A whole object in memory. Only for directories: `maxBytes` bounds it. */
  load(scope: Scope, id: Uint8Array, maxBytes: number): Promise<Buffer | undefined>;
  /** Protects content until it is recorded: see leases.ts. */
  lease(): Lease;
  /**
   * Makes portions durable. They are found only through an object that lists them, and may be swept
   * until one does: lease them first, and release when the object is held.
   */
  putPortions(scope: Scope, portions: readonly Portion[], retention: Retention): Promise<void>;
  /**
   * Records that objects are held, whose portions are durable. `alongside` is written in the last
   * group, so that it never refers to an object that is not there.
   */
  hold(scope: Scope, held: readonly NewObject[], alongside?: readonly Operation[]): Promise<void>;
  /** Remembers that the scope's owner has shown to have these, which are held. */
  markProved(scope: Scope, level: ProvableLevel, found: readonly Found[]): Promise<void>;
  /**
   * Lets captured objects go, with what `alongside` deletes, unless one is proved or `isLeased` by
   * then; returns those that went. Their bytes go when the store is swept.
   */
  evict(objects: readonly Leaving[], isLeased: (key: Uint8Array) => boolean): Promise<readonly Leaving[]>;
  /** For a round of making room. */
  readonly leases: Leases;
  readonly entries: number;
  readonly memoryBytes: number;
}

/** An object to be evicted. */
export interface Leaving {
  readonly scope: Scope;
  readonly object: HeldObject;
  readonly alongside: readonly Operation[];
}

/** Directories are built by the provider and need no proof. */
export type ProvableLevel = 'file' | 'portion';

export interface Portion {
  readonly id: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Content ids of one level proved together, packed, keyed by scope and their hash, so that a repeated proof is one. */
export const proofs: Collection<Proofs> = { ...versioned('proofs', encodeProofs, decodeProofs), indexes: [] };

function encodeProofs({ scope, level, contentIds }: Proofs): Buffer {
  return Buffer.concat([scopePrefix(scope), Buffer.of(LEVELS[level]), contentIds]);
}

function decodeProofs(bytes: Buffer): Proofs {
  const level = bytes[4] === LEVELS.file ? 'file' : 'portion';
  return { scope: bytes.readUInt32BE(0), level, contentIds: bytes.subarray(5) };
}

export interface Proofs {
  readonly scope: number;
  readonly level: ProvableLevel;
  readonly contentIds: Buffer;
}

/** Opens the contents: makes all that the records hold findable. `scopeOf` resolves their scopes. */
export async function openContents(
  records: Records,
  store: ByteStore,
  scopeOf: (number: number) => Scope | undefined,
): Promise<Contents> {
  const candidates = new Candidates();
  for await (const { value } of records.range(objects)) {
    const scope = scopeOf(value.scope);
    if (scope !== undefined) candidates.enter(scope, value, await listOf(records, scope, value));
  }
  for await (const { value } of records.range(proofs)) {
    const scope = scopeOf(value.scope);
    if (scope !== undefined) await enterProofs(records, candidates, scope, value);
  }
  return new StoredContents(records, store, candidates);
}

async function enterProofs(
  records: Records,
  candidates: Candidates,
  scope: Scope,
  { level, contentIds }: Proofs,
): Promise<void> {
  const ids = idsIn(contentIds);
  if (level === 'portion') {
    for (const id of ids) candidates.enterProvedPortion(scope, id);
    return;
  }
  const held = await records.get(
    objects,
    ids.map((id) => objectKey(scope, level, id)),
  );
  for (const object of held) {
    if (object === undefined) continue;
    candidates.enter(scope, { ...object, isProved: true }, await listOf(records, scope, object));
  }
}

export function idsIn(packed: Buffer): Buffer[] {
  return Array.from({ length: packed.length / CONTENT_ID_BYTES }, (_, index) =>
    packed.subarray(index * CONTENT_ID_BYTES, (index + 1) * CONTENT_ID_BYTES),
  );
}

/** The portions of an object; looked up only when the record does not have them. */
function listOf(records: Records, scope: Scope, object: HeldObject): Promise<PortionList> | PortionList {
  return object.pages === 0
    ? object.portions
    : listPortions(records, objectKey(scope, object.level, object.contentId), object);
}

class StoredContents implements Contents {
  readonly #records: Records;
  readonly #store: ByteStore;
  readonly #candidates: Candidates;
  readonly leases: Leases = createLeases();
  /** Objects that are being recorded as proved: a capture of one at the same time must not undo it. */
  readonly #proving = new Set<string>();

  constructor(records: Records, store: ByteStore, candidates: Candidates) {
    this.#records = records;
    this.#store = store;
    this.#candidates = candidates;
  }

  find(scope: Scope, level: Level, identifier: Identifier, sizeBytes: number, limit: number): Found[] {
    return this.#candidates.find(scope, level, identifier, sizeBytes, limit);
  }

  isHeld(scope: Scope, object: ObjectName): boolean {
    return this.#candidates.has(scope, { ...object, isProved: false });
  }

  hasDirectories(scope: Scope): boolean {
    return this.#candidates.hasDirectories(scope);
  }

  async portionsOf(
    scope: Scope,
    level: Level,
    ids: readonly Uint8Array[],
  ): Promise<(PortionList | undefined)[]> {
    const keys = ids.map((id) => objectKey(scope, level, id));
    const held = await this.#records.get(objects, keys);
    const lists: (PortionList | undefined)[] = [];
    for (const [index, key] of keys.entries()) {
      const object = held[index];
      lists.push(object && (await listPortions(this.#records, key, object)));
    }
    return lists;
  }

  async portions(scope: Scope, ids: readonly Uint8Array[]): Promise<(Buffer | undefined)[]> {
    const read = await this.uncheckedPortions(scope, ids);
    return read.map((bytes, index) => {
      const id = ids[index];
      if (bytes === undefined || id === undefined || !contentId(bytes).equals(id)) return undefined;
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    });
  }

  holds(scope: Scope, ids: readonly Uint8Array[]): Promise<boolean[]> {
    return this.#store.has(ids.map(scope.contentKey));
  }

  uncheckedPortions(scope: Scope, ids: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return readSurviving((keys) => this.#store.get(keys), ids.map(scope.contentKey));
  }

  encodedPortions(scope: Scope, ids: readonly Uint8Array[]): Promise<(EncodedEntry | undefined)[]> {
    return readSurviving((keys) => this.#store.getEncoded(keys), ids.map(scope.contentKey));
  }

  async load(scope: Scope, id: Uint8Array, maxBytes: number): Promise<Buffer | undefined> {
    const [whole] = await this.portions(scope, [id]);
    if (whole !== undefined) return whole;
    const [list] = await this.portionsOf(scope, 'directory', [id]);
    if (list === undefined || list.count < 2 || list.sizeBytes > maxBytes) return undefined;
    const pieces = await this.portions(
      scope,
      Array.from({ length: list.count }, (_, index) => list.id(index)),
    );
    const bytes = Buffer.concat(pieces.map((piece) => piece ?? Buffer.alloc(0)));
    return contentId(bytes).equals(id) ? bytes : undefined;
  }

  lease(): Lease {
    return this.leases.lease();
  }

  putPortions(scope: Scope, portions: readonly Portion[], retention: Retention): Promise<void> {
    const entries: Entry[] = portions.map(({ id, bytes }) => ({ key: scope.contentKey(id), bytes }));
    return this.#store.put(entries, retention);
  }

  async hold(scope: Scope, held: readonly NewObject[], alongside: readonly Operation[] = []): Promise<void> {
    // Neither one that is taken for held may go meanwhile, nor one that cannot be found yet.
    const lease = this.leases.lease();
    lease.add(
      scope,
      held.map(({ contentId }) => contentId),
    );
    const keys: string[] = [];
    const fresh: NewObject[] = [];
    for (const object of held) {
      if (this.#candidates.has(scope, object)) continue;
      const key = objectKey(scope, object.level, object.contentId).toString('latin1');
      if (object.isProved) this.#proving.add(key);
      keys.push(key);
      fresh.push(this.#proving.has(key) ? { ...object, isProved: true } : object);
    }
    try {
      const operations = [...fresh.flatMap((object) => holdObject(scope, object)), ...alongside];
      for (let from = 0; from < operations.length; from += MAX_GROUP_OPERATIONS) {
        await this.#records.write(operations.slice(from, from + MAX_GROUP_OPERATIONS));
      }
      for (const object of fresh) this.#candidates.enter(scope, object, object.portions);
    } finally {
      for (const key of keys) this.#proving.delete(key);
      lease.release();
    }
  }

  async markProved(scope: Scope, level: ProvableLevel, found: readonly Found[]): Promise<void> {
    if (found.length === 0) return;
    const contentIds = Buffer.concat(found.map(({ contentId: id }) => id));
    const key = Buffer.concat([
      scopePrefix(scope.number),
      contentId(Buffer.concat([Buffer.of(LEVELS[level]), contentIds])),
    ]);
    await this.#records.write([putRecord(proofs, key, { scope: scope.number, level, contentIds })]);
    this.#candidates.markProved(found);
  }

  async evict(
    leaving: readonly Leaving[],
    isLeased: (key: Uint8Array) => boolean,
  ): Promise<readonly Leaving[]> {
    const listed: { readonly one: Leaving; readonly list: PortionList }[] = [];
    for (const one of leaving) listed.push({ one, list: await listOf(this.#records, one.scope, one.object) });
    // In one turn: who looks from now on does not find it, and who has found it has leased it.
    const going = listed.filter(({ one }) => !this.#isProved(one) && !isLeased(contentKey(one)));
    const found = going.filter(({ one }) => this.#candidates.leave(one.scope, one.object));
    const operations = going.flatMap(({ one }) => [...dropObject(one.scope, one.object), ...one.alongside]);
    let isGone = false;
    try {
      await this.#records.write(operations);
      isGone = true;
    } finally {
      for (const { one, list } of found) {
        await this.#candidates.dropPortions(one.scope, list);
        if (!isGone) this.#candidates.enter(one.scope, one.object, list);
      }
    }
    return going.map(({ one }) => one);
  }

  #isProved({ scope, object }: Leaving): boolean {
    return object.isProved || this.#candidates.has(scope, { ...object, isProved: true });
  }

  get entries(): number {
    return this.#candidates.entries;
  }

  get memoryBytes(): number {
    return this.#candidates.memoryBytes;
  }
}

function contentKey({ scope, object }: Leaving): Buffer {
  return scope.contentKey(object.contentId);
}

/** Reads a batch; when one entry is corrupt, reads one by one so that only that entry is missing. */
export async function readSurviving<T>(
  read: (keys: readonly Uint8Array[]) => Promise<(T | undefined)[]>,
  keys: readonly Uint8Array[],
): Promise<(T | undefined)[]> {
  try {
    return await read(keys);
  } catch (error) {
    if (!isCorrupt(error)) throw error;
  }
  const entries: (T | undefined)[] = [];
  for (const key of keys) {
    entries.push(
      await read([key]).then(
        ([entry]) => entry,
        (error: unknown) => {
          if (isCorrupt(error)) return undefined;
          throw error;
        },
      ),
    );
  }
  return entries;
}

function isCorrupt(error: unknown): boolean {
  return error instanceof WeirError && error.code === 'WEIR_STORE_CORRUPT';
}
