import { setImmediate as nextTurn } from 'node:timers/promises';
import { assert } from '../../base/assert.ts';
import type { Collection, Range, Record as StoredRecord } from '../records.ts';
import type { Names } from './record-names.ts';
import { decodeEntries } from './record-row.ts';
import { type Entry, FIRST_KEY, keyAfter, LAST_KEY, type Rows } from './record-rows.ts';

export interface RecordSource {
  readonly names: Names;
  readonly rows: Rows;
  /** Runs what touches the database, giving its errors their codes. */
  readonly read: <T>(body: () => T) => T;
}

/** The event loop gets a turn after as many records. */
const PAGE_ROWS = 1_000;

/** The records whose keys are in the range, page by page; no statement is open between pages. */
export async function* rangeByKey<V>(
  { names, rows, read }: RecordSource,
  collection: Collection<V>,
  range: Range,
): AsyncGenerator<StoredRecord<V>, void, undefined> {
  const to = range.to ?? LAST_KEY;
  let from = range.from ?? FIRST_KEY;
  let remaining = range.limit ?? Number.POSITIVE_INFINITY;
  while (remaining > 0) {
    const page = read(() => {
      const numbers = names.find(collection);
      return numbers === undefined
        ? []
        : rows.page(numbers.collection, from, to, Math.min(PAGE_ROWS, remaining));
    });
    for (const { key, value } of page) yield { key, value: collection.decode(value) };
    const last = page.at(-1);
    if (last === undefined) return;
    remaining -= page.length;
    from = keyAfter(last.key);
    await nextTurn();
  }
}

/** As `rangeByKey`, in the order of an index. Records are read one by one as they are yielded. */
export async function* rangeByIndex<V>(
  { names, rows, read }: RecordSource,
  collection: Collection<V>,
  range: Range,
  index: string,
): AsyncGenerator<StoredRecord<V>, void, undefined> {
  assert(
    collection.indexes.some(({ name }) => name === index),
    `${collection.name} declares no index ${index}`,
  );
  const start = range.from ?? FIRST_KEY;
  let from: Entry = { indexKey: start, recordKey: FIRST_KEY };
  let remaining = range.limit ?? Number.POSITIVE_INFINITY;
  while (remaining > 0) {
    const { numbers, page } = read(() => {
      const numbers = names.find(collection);
      const number = numbers?.indexes.get(index);
      if (numbers === undefined || number === undefined) return { numbers, page: [] };
      return { numbers, page: rows.entryPage(number, from, range.to ?? LAST_KEY, PAGE_ROWS) };
    });
    const last = page.at(-1);
    if (numbers === undefined || last === undefined) return;
    for (const entry of page) {
      const row = read(() => rows.get(numbers.collection, entry.recordKey));
      if (row === undefined || !isFirstIn(start, entry, numbers.indexes.get(index), row.entries)) continue;
      yield { key: row.key, value: collection.decode(row.value) };
      remaining -= 1;
      if (remaining === 0) return;
    }
    from = { indexKey: last.indexKey, recordKey: keyAfter(last.recordKey) };
    await nextTurn();
  }
}

/**
 * Whether the record still has this index key and none before it in the range: a record with
 * several keys is yielded at the least of them.
 */
function isFirstIn(start: Uint8Array, entry: Entry, index: number | undefined, entries: Uint8Array): boolean {
  const keys = decodeEntries(entries).filter((candidate) => candidate.index === index);
  const inRange = keys.map(({ key }) => key).filter((key) => Buffer.compare(key, start) >= 0);
  const first = inRange.sort(Buffer.compare)[0];
  return first !== undefined && Buffer.compare(first, entry.indexKey) === 0;
}
