import { assert } from '../base/assert.ts';
import { WeirError } from '../base/errors.ts';
import type { AnyCollection, Operation } from './records.ts';
import { MAX_GROUP_OPERATIONS, MAX_RECORD_BYTES, MAX_RECORD_KEY_BYTES } from './records.ts';

export type Expectation = Extract<Operation, { kind: 'expect' }>;
export type Change = Extract<Operation, { kind: 'put' | 'delete' }>;

/** A group as a driver applies it: what must hold before, then what each record becomes. */
export interface Group {
  readonly expectations: readonly Expectation[];
  /** At most one for each record: the last one of the group, which is the one that stands. */
  readonly changes: readonly Change[];
  readonly operations: number;
  /** Keys and values, without overhead. */
  readonly sizeBytes: number;
}

/** Sorts the operations out and holds them to the bounds of the interface. */
export function readGroup(operations: readonly Operation[]): Group {
  assert(operations.length <= MAX_GROUP_OPERATIONS, `a group of ${operations.length} operations`);
  const expectations: Expectation[] = [];
  const changes = new Map<string, Change>();
  let sizeBytes = 0;
  for (const operation of operations) {
    sizeBytes += checkedSize(operation);
    if (operation.kind === 'expect') expectations.push(operation);
    else changes.set(recordId(operation.collection, operation.key), operation);
  }
  return { expectations, changes: [...changes.values()], operations: operations.length, sizeBytes };
}

/** A string that names one record among all collections, or one index key among all indexes. */
export function recordId(collection: { readonly name: string }, key: Uint8Array): string {
  return `${collection.name}/${bytesId(key)}`;
}

/** The bytes as a string, one code unit each; strings compare as the bytes do. */
export function bytesId(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

export function expectationFailed(collection: AnyCollection): WeirError {
  return new WeirError(
    'WEIR_RECORD_CONFLICT',
    `a record of ${collection.name} is not what the write expects`,
    {
      facts: { collection: collection.name },
    },
  );
}

export function indexKeyTaken(collection: AnyCollection, index: string): WeirError {
  return new WeirError(
    'WEIR_RECORD_CONFLICT',
    `another record of ${collection.name} has this key of ${index}`,
    {
      facts: { collection: collection.name, index },
    },
  );
}

function checkedSize(operation: Operation): number {
  const { key } = operation;
  assert(key.length <= MAX_RECORD_KEY_BYTES, `a record key of ${key.length} bytes`);
  if (operation.kind === 'delete' || operation.value === undefined) return key.length;
  assert(operation.value.length <= MAX_RECORD_BYTES, `a record of ${operation.value.length} bytes`);
  if (operation.kind === 'expect') return key.length + operation.value.length;
  const indexKeyBytes = operation.indexKeys.reduce((sum, indexKey) => {
    assert(indexKey.key.length <= MAX_RECORD_KEY_BYTES, `an index key of ${indexKey.key.length} bytes`);
    return sum + indexKey.key.length;
  }, 0);
  return key.length + operation.value.length + indexKeyBytes;
}
