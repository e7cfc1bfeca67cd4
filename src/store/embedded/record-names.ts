import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { assert } from '../../base/assert.ts';
import { WeirError } from '../../base/errors.ts';
import type { AnyCollection } from '../records.ts';
import { inTransaction, readInteger, readText } from './sqlite-value.ts';

/** The numbers that stand for a collection and its indexes in the tables. */
export interface Numbers {
  readonly collection: number;
  readonly indexes: ReadonlyMap<string, number>;
  /** The names of the unique ones. */
  readonly unique: ReadonlyMap<number, string>;
}

export interface Names {
  /** Undefined when nothing was ever written to the collection. */
  find(collection: AnyCollection): Numbers | undefined;
  /** As `find`, but numbers a new collection, durably. Outside of a transaction. */
  enter(collection: AnyCollection): Numbers;
}

/** Index numbers are kept in two bytes. */
const MAX_NUMBER = 65_535;

/**
 * Reads the table `name`. A collection is there as `name`, an index as `name.index` or
 * `name.index unique`; numbers are never used again. Both calls throw WEIR_STORE_FORMAT when a
 * collection that holds records declares an index it was not written with: a range over it would
 * pass those records over in silence.
 */
export function openNames(database: DatabaseSyncInstance): Names {
  const numbers = new Map<string, number>();
  for (const row of database.prepare('SELECT name, id FROM name').all()) {
    numbers.set(readText(row, 'name'), readInteger(row, 'id'));
  }
  const known = new WeakMap<AnyCollection, Numbers>();
  const insert = database.prepare('INSERT INTO name (id, name) VALUES (?, ?)');
  const anyRecord = database.prepare('SELECT EXISTS (SELECT 1 FROM record WHERE collection = ?) AS found');

  function find(collection: AnyCollection): Numbers | undefined {
    const found = known.get(collection);
    if (found !== undefined) return found;
    const number = numbers.get(collection.name);
    if (number === undefined) return undefined;
    const missing = namesOf(collection).filter((name) => !numbers.has(name));
    if (missing.length > 0) {
      if (readInteger(anyRecord.get(number), 'found') === 0) return undefined;
      throw new WeirError(
        'WEIR_STORE_FORMAT',
        `the records of ${collection.name} lack ${missing.join(', ')}`,
        {
          facts: { collection: collection.name, missing },
        },
      );
    }
    const entered = numbersOf(collection, numbers);
    known.set(collection, entered);
    return entered;
  }

  return {
    find,
    enter(collection) {
      const found = find(collection);
      if (found !== undefined) return found;
      const added = namesOf(collection).filter((name) => !numbers.has(name));
      const first = numbers.size + 1;
      assert(first + added.length - 1 <= MAX_NUMBER, 'collections and indexes are numbered in two bytes');
      inTransaction(database, () => added.forEach((name, index) => void insert.run(first + index, name)));
      added.forEach((name, index) => numbers.set(name, first + index));
      return numbersOf(collection, numbers);
    },
  };
}

function namesOf(collection: AnyCollection): string[] {
  return [collection.name, ...collection.indexes.map((index) => indexName(collection, index))];
}

function indexName(collection: AnyCollection, index: AnyCollection['indexes'][number]): string {
  return `${collection.name}.${index.name}${index.unique ? ' unique' : ''}`;
}

function numbersOf(collection: AnyCollection, numbers: ReadonlyMap<string, number>): Numbers {
  const numberOf = (name: string): number => {
    const number = numbers.get(name);
    assert(number !== undefined, `${name} is numbered`);
    return number;
  };
  const indexes = collection.indexes.map((index) => ({
    ...index,
    number: numberOf(indexName(collection, index)),
  }));
  return {
    collection: numberOf(collection.name),
    indexes: new Map(indexes.map(({ name, number }) => [name, number])),
    unique: new Map(indexes.filter(({ unique }) => unique).map(({ name, number }) => [number, name])),
  };
}
