import { randomBytes } from 'node:crypto';
import { WeirError } from '../base/errors.ts';
import { CONTENT_ID_BYTES, contentId } from '../content/content-id.ts';
import { type Identifier, identifierOfId, type Level } from '../content/identifier.ts';
import type { PortionList } from '../content/portion-list.ts';
import type { ByteStore, EncodedEntry, Entry, Retention } from '../store/byte-store.ts';
import {
  type Collection,
  MAX_GROUP_OPERATIONS,
  type Operation,
  putRecord,
  type Records,
} from '../store/records.ts';
import { type CandidateTable, createCandidateTable, MAX_CANDIDATES, PROVED } from './candidate-table.ts';
import { holdObject, listPortions, type NewObject, objects } from './objects.ts';
import type { Scope } from './scope.ts';

/**
 * What the provider holds, scope by scope: finds objects by identifier, reads their bytes, takes
 * new ones in. It never looks outside the scope it is given.
 */
export interface Contents {
  /** Objects the identifier may mean, at most `limit`. From memory, without waiting. */
  find(scope: Scope, level: Level, identifier: Identifier, sizeBytes: number, limit: number): Found[];
  /** Whether the scope holds any directory. */
  hasDirectories(scope: Scope): boolean;
  /** The portions of each object in order, or undefined for one that is not held. */
  portionsOf(scope: Scope, wanted: readonly Wanted[]): Promise<(PortionList | undefined)[]>;
  /** Plain bytes of portions, verified by SHA-256; undefined for one that is missing or corrupt. */
  portions(scope: Scope, ids: readonly Uint8Array[]): Promise<(Buffer | undefined)[]>;
  /** As `portions`, but only the store's checksum was verified: for a caller that hashes the whole object. */
  uncheckedPortions(scope: Scope, ids: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** As `uncheckedPortions`, in the encoding of the store. */
  encodedPortions(scope: Scope, ids: readonly Uint8Array[]): Promise<(EncodedEntry | undefined)[]>;
  /** A whole object in memory. Only for directories: `maxBytes` bounds it. */
  load(scope: Scope, id: Uint8Array, maxBytes: number): Promise<Buffer | undefined>;
  /** Makes portions durable. They are found only through an object that lists them. */
  putPortions(scope: Scope, portions: readonly Portion[], retention: Retention): Promise<void>;
  /**
   * Records that objects are held, whose portions are durable. `alongside` is written in the last
   * group, so that it never refers to an object that is not there.
   */
  hold(scope: Scope, held: readonly NewObject[], alongside?: readonly Operation[]): Promise<void>;
  /** Remembers that the scope's owner has shown to have these. */
  markProved(scope: Scope, found: readonly Found[]): Promise<void>;
  readonly entries: number;
  readonly memoryBytes: number;
}

export interface Found {
  readonly contentId: Uint8Array;
  readonly isProved: boolean;
  /** Where the candidate stands in the table. */
  readonly ordinal: number;
}

export interface Wanted {
  readonly contentId: Uint8Array;
  readonly sizeBytes: number;
}

export interface Portion {
  readonly id: Uint8Array;
  readonly bytes: Uint8Array;
}

const LOW = 0xffff_ffffn;

/** Content ids proved together, packed, keyed by scope and a random number. */
const proofs: Collection<Proofs> = {
  name: 'proofs',
  indexes: [],
  encode: (value) => Buffer.concat([numberBytes(value.scope), value.contentIds]),
  decode: (bytes) => ({
    scope: Buffer.from(bytes).readUInt32LE(0),
    contentIds: Buffer.from(bytes.subarray(4)),
  }),
};

interface Proofs {
  readonly scope: number;
  readonly contentIds: Buffer;
}

/** Opens the contents: fills the table of candidates from the records. `scopeOf` resolves their scopes. */
export async function openContents(
  records: Records,
  store: ByteStore,
  scopeOf: (number: number) => Scope | undefined,
): Promise<Contents> {
  const table = createCandidateTable();
  const ordinals = new Uint32Array(MAX_CANDIDATES);
  const directories = new Set<number>();
  for await (const { value } of records.range(objects)) {
    const scope = scopeOf(value.scope);
    if (scope === undefined) continue;
    const list =
      value.pages > 0
        ? await listPortions(records, scope.contentKey(value.contentId), value)
        : value.portions;
    enter(scope, { ...value, portions: list });
  }
  for await (const { value } of records.range(proofs)) {
    const scope = scopeOf(value.scope);
    if (scope !== undefined) await restoreProofs(scope, value.contentIds);
  }

  /** Makes an object and the portions it lists findable. */
  function enter(scope: Scope, object: NewObject): void {
    const flags = object.isProved ? PROVED : 0;
    add(
      table,
      scope.candidateKey(object.level, object.identifier, object.sizeBytes),
      object.contentId,
      flags,
    );
    if (object.level === 'directory') directories.add(scope.number);
    enterPortions(scope, object.portions, flags);
  }

  function enterPortions(scope: Scope, list: PortionList, flags: number): void {
    if (list.count < 2) return;
    for (let index = 0; index < list.count; index++) {
      const id = list.id(index);
      add(table, scope.candidateKey('portion', identifierOfId(id), 0), id, flags);
    }
  }

  async function restoreProofs(scope: Scope, packed: Buffer): Promise<void> {
    const ids = Array.from({ length: packed.length / CONTENT_ID_BYTES }, (_, index) =>
      packed.subarray(index * CONTENT_ID_BYTES, (index + 1) * CONTENT_ID_BYTES),
    );
    const held = await records.get(objects, ids.map(scope.contentKey));
    for (const [index, id] of ids.entries()) {
      const object = held[index];
      if (object === undefined) flagPortion(scope, id);
      else
        enter(scope, {
          ...object,
          portions: await listPortions(records, scope.contentKey(id), object),
          isProved: true,
        });
    }
  }

  function flagPortion(scope: Scope, id: Uint8Array): void {
    add(table, scope.candidateKey('portion', identifierOfId(id), 0), id, PROVED);
  }

  const contents: Contents = {
    find(scope, level, identifier, sizeBytes, limit) {
      const key = scope.candidateKey(level, identifier, sizeBytes);
      const count = table.find(Number(key >> 32n), Number(key & LOW), ordinals);
      const found: Found[] = [];
      for (const ordinal of ordinals.subarray(0, Math.min(count, limit))) {
        const isProved = (table.flags(ordinal) & PROVED) !== 0;
        found.push({ contentId: table.contentId(ordinal), isProved, ordinal });
      }
      return found;
    },
    hasDirectories: (scope) => directories.has(scope.number),
    async portionsOf(scope, wanted) {
      const keys = wanted.map(({ contentId: id }) => scope.contentKey(id));
      const held = await records.get(objects, keys);
      return Promise.all(
        held.map((object, index) => {
          const key = keys[index];
          return object === undefined || key === undefined ? undefined : listPortions(records, key, object);
        }),
      );
    },
    async portions(scope, ids) {
      const read = await contents.uncheckedPortions(scope, ids);
      return read.map((bytes, index) => {
        const id = ids[index];
        if (bytes === undefined || id === undefined || !contentId(bytes).equals(id)) return undefined;
        return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      });
    },
    uncheckedPortions: (scope, ids) => readSurviving((keys) => store.get(keys), ids.map(scope.contentKey)),
    encodedPortions: (scope, ids) =>
      readSurviving((keys) => store.getEncoded(keys), ids.map(scope.contentKey)),
    async load(scope, id, maxBytes) {
      const [whole] = await contents.portions(scope, [id]);
      if (whole !== undefined) return whole;
      const [list] = await contents.portionsOf(scope, [{ contentId: id, sizeBytes: 0 }]);
      if (list === undefined || list.count < 2 || list.sizeBytes > maxBytes) return undefined;
      const ids = Array.from({ length: list.count }, (_, index) => list.id(index));
      const pieces = await contents.portions(scope, ids);
      const bytes = Buffer.concat(pieces.map((piece) => piece ?? Buffer.alloc(0)));
      return contentId(bytes).equals(id) ? bytes : undefined;
    },
    putPortions(scope, portions, retention) {
      const entries: Entry[] = portions.map(({ id, bytes }) => ({ key: scope.contentKey(id), bytes }));
      return store.put(entries, retention);
    },
    async hold(scope, held, alongside = []) {
      const operations = [...held.flatMap((object) => holdObject(scope, object)), ...alongside];
      for (let from = 0; from < operations.length; from += MAX_GROUP_OPERATIONS) {
        await records.write(operations.slice(from, from + MAX_GROUP_OPERATIONS));
      }
      for (const object of held) enter(scope, object);
    },
    async markProved(scope, found) {
      if (found.length === 0) return;
      const contentIds = Buffer.concat(found.map(({ contentId: id }) => id));
      const key = Buffer.concat([numberBytes(scope.number), randomBytes(16)]);
      await records.write([putRecord(proofs, key, { scope: scope.number, contentIds })]);
      for (const { ordinal } of found) table.setFlags(ordinal, table.flags(ordinal) | PROVED);
    },
    get entries() {
      return table.entries;
    },
    get memoryBytes() {
      return table.sizeBytes;
    },
  };
  return contents;
}

/** Reads a batch; when one entry is corrupt, reads one by one so that only that entry is missing. */
async function readSurviving<T>(
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

function add(table: CandidateTable, key: bigint, id: Uint8Array, flags: number): void {
  table.add(Number(key >> 32n), Number(key & LOW), id, flags);
}

function numberBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value, 0);
  return bytes;
}
