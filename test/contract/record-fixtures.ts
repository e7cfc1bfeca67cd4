import { type ErrorCode, WeirError } from '../../src/base/errors.ts';
import type { Collection, Range, Records } from '../../src/store/records.ts';

/** A document with one unique key and any number of others. */
export interface Thing {
  readonly text: string;
  readonly serial?: number;
  readonly days?: readonly number[];
}

export const things: Collection<Thing> = {
  name: 'things',
  encode: (thing) => Buffer.from(JSON.stringify(thing)),
  decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()) as Thing,
  indexes: [
    { name: 'serial', unique: true, keys: ({ serial }) => (serial === undefined ? [] : [key(serial)]) },
    { name: 'day', unique: false, keys: ({ days }) => (days ?? []).map((day) => key(day)) },
  ],
};

export const blobs: Collection<Uint8Array> = {
  name: 'blobs',
  encode: (bytes) => bytes,
  decode: (bytes) => new Uint8Array(bytes),
  indexes: [],
};

export function key(...bytes: number[]): Uint8Array {
  return new Uint8Array(bytes);
}

export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | 'resolved'> {
  return (await weirErrorOf(promise))?.code ?? 'resolved';
}

export async function weirErrorOf(promise: Promise<unknown>): Promise<WeirError | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    if (error instanceof WeirError) return error;
    throw error;
  }
}

export async function keysOf<V>(
  records: Records,
  collection: Collection<V>,
  range?: Range,
): Promise<string[]> {
  const keys: string[] = [];
  for await (const record of records.range(collection, range))
    keys.push(Buffer.from(record.key).toString('hex'));
  return keys;
}
