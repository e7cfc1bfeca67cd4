import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DatabaseSync } from '@photostructure/sqlite';
import { expect } from 'chai';
import { silentLog } from '../../../src/base/log.ts';
import { openEmbeddedRecords } from '../../../src/store/embedded/records.ts';
import { type Collection, putRecord } from '../../../src/store/records.ts';
import { blobs, codeOf, key, keysOf, type Thing, things } from '../../contract/record-fixtures.ts';
import { recordsContract } from '../../contract/records.ts';

describe('embedded records', () => {
  let directory: string;
  let path: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weir-records-'));
    path = join(directory, 'records.db');
  });
  afterEach(() => rm(directory, { recursive: true }));

  const open = () => openEmbeddedRecords({ path, log: silentLog });

  recordsContract('embedded', open);

  it('keeps records, indexes and names over a reopening', async () => {
    const before = await open();
    await before.write([
      putRecord(things, key(1), { text: 'one', serial: 1, days: [3] }),
      putRecord(blobs, key(1), key(9)),
    ]);
    await before.close();
    const after = await open();
    expect(await after.get(things, [key(1)])).to.deep.equal([{ text: 'one', serial: 1, days: [3] }]);
    expect(await after.get(blobs, [key(1)])).to.deep.equal([key(9)]);
    expect(await keysOf(after, things, { index: 'day' })).to.deep.equal(['01']);
    expect(await codeOf(after.write([putRecord(things, key(2), { text: 'two', serial: 1 })]))).to.equal(
      'WEIR_RECORD_CONFLICT',
    );
    await after.close();
  });

  it('refuses an index that the records there were not written with', async () => {
    const records = await open();
    await records.write([putRecord(things, key(1), { text: 'one' })]);
    const changed: Collection<Thing>[] = [
      {
        ...things,
        indexes: [
          ...things.indexes,
          { name: 'text', unique: false, keys: ({ text }) => [Buffer.from(text)] },
        ],
      },
      { ...things, indexes: [{ name: 'day', unique: true, keys: () => [] }] },
    ];
    for (const collection of changed) {
      expect(await codeOf(records.get(collection, [key(1)]))).to.equal('WEIR_STORE_FORMAT');
      expect(await codeOf(records.write([putRecord(collection, key(2), { text: 'two' })]))).to.equal(
        'WEIR_STORE_FORMAT',
      );
    }
    expect(await keysOf(records, things)).to.deep.equal(['01']);
    await records.close();
  });

  it('serves no row that does not match its checksum, and reads and writes the others', async () => {
    const before = await open();
    await before.write([1, 2, 3].map((n) => putRecord(things, key(n), { text: `${n}`, serial: n })));
    await before.close();
    const database = new DatabaseSync(path);
    database.exec("UPDATE record SET row = CAST(REPLACE(row, '2', '7') AS BLOB) WHERE key = x'02'");
    database.close();
    const after = await open();
    expect(await codeOf(after.get(things, [key(2)]))).to.equal('WEIR_STORE_CORRUPT');
    expect(await codeOf(keysOf(after, things))).to.equal('WEIR_STORE_CORRUPT');
    expect(await after.get(things, [key(1), key(3)])).to.deep.equal([
      { text: '1', serial: 1 },
      { text: '3', serial: 3 },
    ]);
    await after.write([putRecord(things, key(4), { text: '4' })]);
    await after.close();
  });

  it('reads large records in pages of a few', async () => {
    const records = await open();
    const value = new Uint8Array(1024 * 1024);
    for (let n = 0; n < 12; n += 1) await records.write([putRecord(blobs, key(n), value)]);
    const views: Collection<Uint8Array> = { ...blobs, decode: (bytes) => bytes };
    let count = 0;
    for await (const record of records.range(views)) {
      expect(record.value.buffer.byteLength).to.be.lessThan(5 * 1024 * 1024);
      count += 1;
    }
    expect(count).to.equal(12);
    await records.close();
  });

  it('lets the event loop turn while many writes are queued, and commits them all', async () => {
    const records = await open();
    let turns = 0;
    let isDone = false;
    const count = (async () => {
      while (!isDone) {
        await nextTurn();
        turns += 1;
      }
    })();
    await Promise.all(
      Array.from({ length: 3_000 }, (_, n) =>
        records.write([putRecord(blobs, key(n >> 8, n & 255), key(n & 255))]),
      ),
    );
    isDone = true;
    await count;
    expect(turns).to.be.greaterThan(20);
    expect((await keysOf(records, blobs)).length).to.equal(3_000);
    await records.close();
  });
});
