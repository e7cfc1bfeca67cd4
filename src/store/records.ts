/**
 * Where documents are kept: small values in typed collections with declared secondary indexes.
 *
 * What every driver promises, and test/contract/records.ts shows:
 *
 * - **Atomicity.** A `write` is one group: all of it is applied and durable when it resolves, or
 *   none of it ever is. Writes are applied one after another (serialisable).
 * - **Compare-and-set.** Every `expect` of the group is evaluated against the state the group is
 *   applied to. One that does not hold rejects the group with WEIR_RECORD_CONFLICT.
 * - **Read your writes.** Reads after a resolved write see it.
 * - **Uniqueness.** A unique index admits one record per index key; a second one rejects its group
 *   with WEIR_RECORD_CONFLICT and the fact `index`.
 * - **Order.** Keys compare as unsigned bytes. `range` yields in that order, each record once, and
 *   may miss or include records written while it runs.
 * - **Failure.** No room: WEIR_STORE_FULL, the group not applied. A failed sync: WEIR_STORE_FAILED
 *   from then on for every write; reads go on.
 * - **Bounds.** A key is at most MAX_RECORD_KEY_BYTES, a value at most MAX_RECORD_BYTES, a group at
 *   most MAX_GROUP_OPERATIONS; beyond is a programmer error.
 */
export interface Records {
  /** The values under each key, in the order asked; undefined where there is none. */
  get<V>(collection: Collection<V>, keys: readonly Uint8Array[]): Promise<(V | undefined)[]>;
  write(operations: readonly Operation[]): Promise<void>;
  /** Records in key order, or in index order when `index` is named. Reads in pages; bounded memory. */
  range<V>(collection: Collection<V>, range?: Range): AsyncIterable<Record<V>>;
  close(): Promise<void>;
}

export const MAX_RECORD_KEY_BYTES = 512;
export const MAX_RECORD_BYTES = 8 * 1024 * 1024;
export const MAX_GROUP_OPERATIONS = 65_536;

/**
 * A kind of document. `name` is permanent ([a-z_]+). `encode` and `decode` are exact inverses;
 * `decode` throws on bytes it does not know.
 */
export interface Collection<V> {
  readonly name: string;
  readonly encode: (value: V) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => V;
  readonly indexes: readonly Index<V>[];
}

export interface Index<V> {
  readonly name: string;
  readonly unique: boolean;
  /** Keys under which the record is found, none to leave it out. Pure. */
  readonly keys: (value: V) => readonly Uint8Array[];
}

export interface Record<V> {
  readonly key: Uint8Array;
  readonly value: V;
}

/** From `from` (inclusive) up to `to` (exclusive) of the key or of the named index's key. */
export interface Range {
  readonly index?: string;
  readonly from?: Uint8Array;
  readonly to?: Uint8Array;
  readonly limit?: number;
}

/** Built by `putRecord`, `deleteRecord` and `expectRecord`, which hold key and value to one type. */
export type Operation =
  | {
      readonly kind: 'put';
      readonly collection: AnyCollection;
      readonly key: Uint8Array;
      readonly value: Uint8Array;
      readonly indexKeys: readonly IndexKey[];
    }
  | { readonly kind: 'delete'; readonly collection: AnyCollection; readonly key: Uint8Array }
  | {
      readonly kind: 'expect';
      readonly collection: AnyCollection;
      readonly key: Uint8Array;
      readonly value: Uint8Array | undefined;
    };

/** What a driver needs of a collection when it writes: values are encoded by then. */
export interface AnyCollection {
  readonly name: string;
  readonly indexes: readonly { readonly name: string; readonly unique: boolean }[];
}

export interface IndexKey {
  readonly index: string;
  readonly key: Uint8Array;
}

/** Inserts the record or replaces the one under its key. */
export function putRecord<V>(collection: Collection<V>, key: Uint8Array, value: V): Operation {
  const indexKeys = collection.indexes.flatMap((index) =>
    index.keys(value).map((indexKey) => ({ index: index.name, key: indexKey })),
  );
  return { kind: 'put', collection, key, value: collection.encode(value), indexKeys };
}

/** Removes the record; none under the key is no error. */
export function deleteRecord<V>(collection: Collection<V>, key: Uint8Array): Operation {
  return { kind: 'delete', collection, key };
}

/** Lets the group through only if the record is exactly this one, or absent when undefined. */
export function expectRecord<V>(collection: Collection<V>, key: Uint8Array, value: V | undefined): Operation {
  return {
    kind: 'expect',
    collection,
    key,
    value: value === undefined ? undefined : collection.encode(value),
  };
}
