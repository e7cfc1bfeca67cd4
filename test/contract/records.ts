import { expect } from 'chai';
import { AssertionError } from '../../src/base/assert.ts';
import {
  type Collection,
  deleteRecord,
  expectRecord,
  MAX_GROUP_OPERATIONS,
  MAX_RECORD_BYTES,
  MAX_RECORD_KEY_BYTES,
  putRecord,
  type Range,
  type Records,
} from '../../src/store/records.ts';
import { blobs, codeOf, key, keysOf, things, weirErrorOf } from './record-fixtures.ts';

/** What every driver of Records must do. `open` gives an empty store, closed by the contract. */
export function recordsContract(name: string, open: () => Promise<Records>): void {
  describe(`records: ${name}`, () => {
    let records: Records;
    beforeEach(async () => {
      records = await open();
    });
    afterEach(() => records.close());

    const contexts = [reading, atomicity, compareAndSet, uniqueness, order, indexes, paging, bounds, closing];
    for (const context of contexts) describe(context.name, () => context(() => records));
  });
}

type Open = () => Records;

function reading(records: Open): void {
  it('reads what was written, in the order asked, undefined where there is none', async () => {
    await records().write([
      putRecord(things, key(1), { text: 'one' }),
      putRecord(things, key(2), { text: 'two' }),
    ]);
    expect(await records().get(things, [key(2), key(9), key(1), key(2)])).to.deep.equal([
      { text: 'two' },
      undefined,
      { text: 'one' },
      { text: 'two' },
    ]);
  });

  it('has nothing in a collection that was never written', async () => {
    expect(await records().get(things, [key(1)])).to.deep.equal([undefined]);
    expect(await keysOf(records(), things)).to.deep.equal([]);
    expect(await keysOf(records(), things, { index: 'day' })).to.deep.equal([]);
    expect(await records().get(things, [])).to.deep.equal([]);
  });

  it('replaces and deletes; deleting none is no error', async () => {
    await records().write([putRecord(things, key(1), { text: 'one' })]);
    await records().write([putRecord(things, key(1), { text: 'other' })]);
    expect(await records().get(things, [key(1)])).to.deep.equal([{ text: 'other' }]);
    await records().write([deleteRecord(things, key(1)), deleteRecord(things, key(7))]);
    expect(await records().get(things, [key(1)])).to.deep.equal([undefined]);
  });

  it('keeps collections apart', async () => {
    await records().write([putRecord(things, key(1), { text: 'thing' }), putRecord(blobs, key(1), key(7))]);
    await records().write([deleteRecord(things, key(1))]);
    expect(await records().get(blobs, [key(1)])).to.deep.equal([key(7)]);
  });

  it('keeps its own copy of what it is given', async () => {
    const recordKey = key(1);
    const value = key(1, 2, 3);
    await records().write([putRecord(blobs, recordKey, value)]);
    recordKey.fill(9);
    value.fill(9);
    expect(await records().get(blobs, [key(1)])).to.deep.equal([key(1, 2, 3)]);
  });

  it('keeps empty keys and values', async () => {
    await records().write([putRecord(blobs, key(), key()), putRecord(blobs, key(0), key(0))]);
    expect(await records().get(blobs, [key(), key(0)])).to.deep.equal([key(), key(0)]);
    expect(await keysOf(records(), blobs)).to.deep.equal(['', '00']);
  });
}

function atomicity(records: Open): void {
  it('applies all of a group or none of it', async () => {
    await records().write([putRecord(things, key(1), { text: 'one', days: [1] })]);
    const write = records().write([
      putRecord(things, key(2), { text: 'two', days: [2] }),
      deleteRecord(things, key(1)),
      putRecord(blobs, key(3), key(3)),
      expectRecord(things, key(9), { text: 'not there' }),
    ]);
    expect(await codeOf(write)).to.equal('WEIR_RECORD_CONFLICT');
    expect(await keysOf(records(), things)).to.deep.equal(['01']);
    expect(await keysOf(records(), things, { index: 'day' })).to.deep.equal(['01']);
    expect(await keysOf(records(), blobs)).to.deep.equal([]);
  });

  it('undoes a group that conflicts among others that are written at the same time', async () => {
    const codes = await Promise.all([
      codeOf(records().write([putRecord(things, key(1), { text: 'one', serial: 1 })])),
      codeOf(
        records().write([
          putRecord(things, key(2), { text: 'two', days: [2] }),
          putRecord(things, key(3), { text: 'three', serial: 1 }),
        ]),
      ),
      codeOf(records().write([putRecord(things, key(4), { text: 'four', serial: 4 })])),
    ]);
    expect(codes).to.deep.equal(['resolved', 'WEIR_RECORD_CONFLICT', 'resolved']);
    expect(await keysOf(records(), things)).to.deep.equal(['01', '04']);
    expect(await keysOf(records(), things, { index: 'day' })).to.deep.equal([]);
  });

  it('undoes of a group that conflicts only its own, also where the others cannot conflict', async () => {
    const codes = await Promise.all([
      codeOf(records().write([putRecord(blobs, key(1), key(1)), putRecord(blobs, key(2), key(1))])),
      codeOf(
        records().write([
          putRecord(blobs, key(1), key(2)),
          deleteRecord(blobs, key(2)),
          putRecord(blobs, key(3), key(2)),
          putRecord(things, key(1), { text: 'one', serial: 1 }),
          putRecord(things, key(2), { text: 'two', serial: 1 }),
        ]),
      ),
      codeOf(records().write([putRecord(blobs, key(2), key(3)), putRecord(blobs, key(4), key(3))])),
    ]);
    expect(codes).to.deep.equal(['resolved', 'WEIR_RECORD_CONFLICT', 'resolved']);
    expect(await keysOf(records(), things)).to.deep.equal([]);
    expect(await keysOf(records(), blobs)).to.deep.equal(['01', '02', '04']);
    expect(await records().get(blobs, [key(1), key(2)])).to.deep.equal([key(1), key(3)]);
  });

  it('lets the last operation on a record stand', async () => {
    await records().write([
      putRecord(things, key(1), { text: 'first', serial: 1, days: [1] }),
      deleteRecord(things, key(1)),
      putRecord(things, key(1), { text: 'last', serial: 2, days: [2] }),
    ]);
    expect(await records().get(things, [key(1)])).to.deep.equal([{ text: 'last', serial: 2, days: [2] }]);
    expect(await keysOf(records(), things, { index: 'day', to: key(2) })).to.deep.equal([]);
    await records().write([putRecord(things, key(2), { text: 'takes the first serial', serial: 1 })]);
  });

  it('takes an empty group', () => records().write([]));

  it('applies concurrent groups one after another', async () => {
    const counter = key(0);
    await records().write([putRecord(blobs, counter, key(0))]);
    let conflicts = 0;
    async function increment(): Promise<void> {
      for (;;) {
        const [before] = await records().get(blobs, [counter]);
        const write = records().write([
          expectRecord(blobs, counter, before),
          putRecord(blobs, counter, key((before?.[0] ?? 0) + 1)),
        ]);
        if ((await codeOf(write)) === 'resolved') return;
        conflicts += 1;
      }
    }
    await Promise.all(Array.from({ length: 20 }, increment));
    expect(await records().get(blobs, [counter])).to.deep.equal([key(20)]);
    expect(conflicts).to.be.greaterThan(0);
  });
}

function compareAndSet(records: Open): void {
  it('lets a group through whose expectations hold', async () => {
    await records().write([expectRecord(blobs, key(1), undefined), putRecord(blobs, key(1), key(1))]);
    await records().write([expectRecord(blobs, key(1), key(1)), putRecord(blobs, key(1), key(2))]);
    expect(await records().get(blobs, [key(1)])).to.deep.equal([key(2)]);
  });

  it('rejects when a record differs, is absent, or is there', async () => {
    await records().write([putRecord(blobs, key(1), key(1))]);
    const expectations = [
      expectRecord(blobs, key(1), key(2)),
      expectRecord(blobs, key(1), key(1, 0)),
      expectRecord(blobs, key(1), key()),
      expectRecord(blobs, key(2), key()),
      expectRecord(blobs, key(1), undefined),
    ];
    for (const expectation of expectations) {
      expect(await codeOf(records().write([expectation]))).to.equal('WEIR_RECORD_CONFLICT');
    }
  });

  it('evaluates expectations against the state before the group, wherever they stand in it', async () => {
    const put = putRecord(blobs, key(1), key(1));
    expect(await codeOf(records().write([put, expectRecord(blobs, key(1), key(1))]))).to.equal(
      'WEIR_RECORD_CONFLICT',
    );
    await records().write([put, expectRecord(blobs, key(1), undefined)]);
  });
}

function uniqueness(records: Open): void {
  beforeEach(() => records().write([putRecord(things, key(1), { text: 'one', serial: 1 })]));

  it('rejects a second record under a unique key and names the index', async () => {
    const error = await weirErrorOf(records().write([putRecord(things, key(2), { text: 'two', serial: 1 })]));
    expect(error?.code).to.equal('WEIR_RECORD_CONFLICT');
    expect(error?.facts['index']).to.equal('serial');
  });

  it('rejects two records of one group under a unique key', async () => {
    const write = records().write([
      putRecord(things, key(2), { text: 'two', serial: 2 }),
      putRecord(things, key(3), { text: 'three', serial: 2 }),
    ]);
    expect(await codeOf(write)).to.equal('WEIR_RECORD_CONFLICT');
    expect(await keysOf(records(), things)).to.deep.equal(['01']);
  });

  it('lets a record keep its key, and frees the key it gives up', async () => {
    await records().write([putRecord(things, key(1), { text: 'one again', serial: 1 })]);
    await records().write([putRecord(things, key(1), { text: 'one moved', serial: 5 })]);
    await records().write([putRecord(things, key(2), { text: 'two', serial: 1 })]);
    await records().write([deleteRecord(things, key(2))]);
    await records().write([putRecord(things, key(3), { text: 'three', serial: 1 })]);
  });

  it('judges the state after the group: two records may exchange their keys', async () => {
    await records().write([putRecord(things, key(2), { text: 'two', serial: 2 })]);
    await records().write([
      putRecord(things, key(1), { text: 'one', serial: 2 }),
      putRecord(things, key(2), { text: 'two', serial: 1 }),
    ]);
    expect(await keysOf(records(), things, { index: 'serial' })).to.deep.equal(['02', '01']);
  });
}

function order(records: Open): void {
  const sorted = [
    key(),
    key(0),
    key(0, 0),
    key(0, 255),
    key(1),
    key(127),
    key(128),
    key(128, 0),
    key(255),
    key(255, 255),
  ];
  const hex = sorted.map((k) => Buffer.from(k).toString('hex'));

  beforeEach(() => records().write(sorted.toReversed().map((k) => putRecord(blobs, k, k))));

  it('compares keys as unsigned bytes', async () => {
    expect(await keysOf(records(), blobs)).to.deep.equal(hex);
  });

  it('starts at `from` and ends before `to`', async () => {
    expect(await keysOf(records(), blobs, { from: key(1) })).to.deep.equal(hex.slice(4));
    expect(await keysOf(records(), blobs, { to: key(1) })).to.deep.equal(hex.slice(0, 4));
    expect(await keysOf(records(), blobs, { from: key(0, 1), to: key(128, 0) })).to.deep.equal(
      hex.slice(3, 7),
    );
    expect(await keysOf(records(), blobs, { from: key(2), to: key(2) })).to.deep.equal([]);
    expect(await keysOf(records(), blobs, { from: key(3), to: key(2) })).to.deep.equal([]);
  });

  it('stops at the limit', async () => {
    expect(await keysOf(records(), blobs, { limit: 3 })).to.deep.equal(hex.slice(0, 3));
    expect(await keysOf(records(), blobs, { from: key(1), limit: 100 })).to.deep.equal(hex.slice(4));
    expect(await keysOf(records(), blobs, { limit: 0 })).to.deep.equal([]);
  });
}

function indexes(records: Open): void {
  const byDay = (range: Omit<Range, 'index'> = {}) => keysOf(records(), things, { index: 'day', ...range });

  it('yields in index order, ties by record key, leaving out records without a key', async () => {
    await records().write([
      putRecord(things, key(5), { text: '', days: [1] }),
      putRecord(things, key(4), { text: '', days: [2] }),
      putRecord(things, key(3), { text: '', days: [1] }),
      putRecord(things, key(2), { text: '' }),
      putRecord(things, key(1), { text: '', days: [200] }),
    ]);
    expect(await byDay()).to.deep.equal(['03', '05', '04', '01']);
    expect(await byDay({ from: key(2), to: key(200) })).to.deep.equal(['04']);
    expect(await byDay({ limit: 1 })).to.deep.equal(['03']);
  });

  it('yields a record with several keys once, at the least one in the range', async () => {
    await records().write([
      putRecord(things, key(1), { text: '', days: [1, 5, 5, 3] }),
      putRecord(things, key(2), { text: '', days: [2] }),
      putRecord(things, key(3), { text: '', days: [4] }),
    ]);
    expect(await byDay()).to.deep.equal(['01', '02', '03']);
    expect(await byDay({ from: key(2) })).to.deep.equal(['02', '01', '03']);
    expect(await byDay({ from: key(4) })).to.deep.equal(['03', '01']);
  });

  it('forgets the keys of a record that is replaced or deleted', async () => {
    await records().write([putRecord(things, key(1), { text: '', days: [1, 2] })]);
    await records().write([putRecord(things, key(1), { text: '', days: [2, 3] })]);
    expect(await byDay({ to: key(2) })).to.deep.equal([]);
    expect(await byDay({ from: key(3) })).to.deep.equal(['01']);
    await records().write([deleteRecord(things, key(1))]);
    expect(await byDay()).to.deep.equal([]);
  });

  it('takes a range over an undeclared index for a programmer error', async () => {
    expect(await failure(keysOf(records(), things, { index: 'colour' }))).to.be.instanceOf(AssertionError);
  });
}

function paging(records: Open): void {
  const COUNT = 3_333;
  const numbered = (number: number) => key(number >> 8, number & 255);

  beforeEach(async () => {
    const puts = Array.from({ length: COUNT }, (_, n) =>
      putRecord(things, numbered(n), { text: `${n}`, days: [n % 2] }),
    );
    await records().write(puts);
  });

  it('yields each of many records once', async () => {
    const keys = await keysOf(records(), things);
    expect(keys).to.deep.equal(
      Array.from({ length: COUNT }, (_, n) => Buffer.from(numbered(n)).toString('hex')),
    );
    const byDay = await keysOf(records(), things, { index: 'day' });
    expect(byDay.length).to.equal(COUNT);
    expect(byDay.toSorted()).to.deep.equal(keys);
    expect(await keysOf(records(), things, { from: numbered(10), limit: 2_500 })).to.deep.equal(
      keys.slice(10, 2_510),
    );
  });

  it('gets many at once', async () => {
    const found = await records().get(
      things,
      Array.from({ length: COUNT + 1 }, (_, n) => numbered(n)),
    );
    expect(found.map((thing) => thing?.text)).to.deep.equal([
      ...Array.from({ length: COUNT }, (_, n) => `${n}`),
      undefined,
    ]);
  });

  for (const index of [undefined, 'day']) {
    it(`goes on while what it has yielded is deleted, ${index ?? 'by key'}`, async () => {
      const seen = new Set<string>();
      for await (const record of records().range(things, index === undefined ? {} : { index })) {
        seen.add(record.value.text);
        if (seen.size % 500 === 0) await records().write([deleteRecord(things, record.key)]);
      }
      expect(seen.size).to.equal(COUNT);
    });
  }

  it('can be left early', async () => {
    for await (const record of records().range(things)) {
      expect(record.value.text).to.equal('0');
      break;
    }
    await records().write([deleteRecord(things, numbered(0))]);
  });
}

function bounds(records: Open): void {
  it('takes the largest key, value and group', async () => {
    const largest = new Uint8Array(MAX_RECORD_KEY_BYTES).fill(255);
    await records().write([putRecord(blobs, largest, new Uint8Array(MAX_RECORD_BYTES).fill(7))]);
    expect((await records().get(blobs, [largest]))[0]?.length).to.equal(MAX_RECORD_BYTES);
    expect(await keysOf(records(), blobs)).to.deep.equal(['ff'.repeat(MAX_RECORD_KEY_BYTES)]);
    await records().write(Array.from({ length: MAX_GROUP_OPERATIONS }, () => deleteRecord(blobs, largest)));
  });

  it('takes more for a programmer error', async () => {
    const long = new Uint8Array(MAX_RECORD_KEY_BYTES + 1);
    const wide: Collection<Uint8Array> = {
      ...blobs,
      name: 'wide',
      indexes: [{ name: 'w', unique: false, keys: () => [long] }],
    };
    const groups = [
      [putRecord(blobs, long, key())],
      [deleteRecord(blobs, long)],
      [expectRecord(blobs, long, undefined)],
      [putRecord(wide, key(1), key())],
      [putRecord(blobs, key(1), new Uint8Array(MAX_RECORD_BYTES + 1))],
      Array.from({ length: MAX_GROUP_OPERATIONS + 1 }, () => deleteRecord(blobs, key(1))),
    ];
    for (const group of groups)
      expect(await failure(records().write(group))).to.be.instanceOf(AssertionError);
  });
}

function closing(records: Open): void {
  it('finishes what was accepted, then refuses', async () => {
    const write = records().write([putRecord(blobs, key(1), key(1))]);
    await Promise.all([records().close(), records().close()]);
    await write;
    expect(await codeOf(records().write([]))).to.equal('WEIR_STORE_CLOSED');
    expect(await codeOf(records().get(blobs, [key(1)]))).to.equal('WEIR_STORE_CLOSED');
    expect(await codeOf(keysOf(records(), blobs))).to.equal('WEIR_STORE_CLOSED');
  });
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}
