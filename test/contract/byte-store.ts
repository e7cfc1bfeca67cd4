import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { zstdDecompress } from '../../src/base/compress.ts';
import { type ErrorCode, WeirError } from '../../src/base/errors.ts';
import { type ByteStore, type Entry, MAX_ENTRY_BYTES, MAX_PUT_BYTES } from '../../src/store/byte-store.ts';

/** A store under test, and what can be done to it from outside. */
export interface OpenedByteStore {
  readonly store: ByteStore;
  /** From now on there is room for nothing, or for anything again. */
  readonly setFull: (isFull: boolean) => void;
  /** Closes whatever is open and removes it. */
  readonly remove: () => Promise<void>;
}

/** A store that outlives its process, on a disk that can fail. */
export interface OpenedDiskByteStore extends OpenedByteStore {
  /** Closes the store and opens it over the same bytes. */
  readonly reopen: () => Promise<ByteStore>;
  /** Flips a bit of what is kept under `key`. */
  readonly corrupt: (key: Uint8Array) => Promise<void>;
  /** From now on every sync fails. */
  readonly failSyncs: () => void;
}

/** What src/store/byte-store.ts promises of every store. */
export function byteStoreContract(name: string, open: () => Promise<OpenedByteStore>): void {
  describe(`${name}: byte store contract`, () => {
    const opened = openedForEach(open);
    readingTests(() => opened().store);
    boundsTests(() => opened().store);
    roomTests(opened);
  });
}

/** What it promises of stores on a disk. */
export function diskByteStoreContract(name: string, open: () => Promise<OpenedDiskByteStore>): void {
  byteStoreContract(name, open);
  describe(`${name}: byte store contract on a disk`, () => failureTests(openedForEach(open)));
}

function openedForEach<T extends OpenedByteStore>(open: () => Promise<T>): () => T {
  let opened: T;
  beforeEach(async () => {
    opened = await open();
  });
  afterEach(() => opened.remove());
  return () => opened;
}

function readingTests(store: () => ByteStore): void {
  it('gives back the bytes that were put, in the order asked', async () => {
    const entries = sampleEntries();
    await store().put(entries, 'kept');
    const keys = entries.map(({ key }) => key).reverse();
    expectBytes(await store().get(keys), entries.map(({ bytes }) => bytes).reverse());
    expect(await store().has(keys)).to.deep.equal(keys.map(() => true));
  });

  it('answers undefined and false for keys that are not there, also those that differ in one bit', async () => {
    const [entry] = await putOne(store());
    const near = Buffer.from(entry.key);
    near[31] = (near[31] ?? 0) ^ 1;
    const keys = [near, entry.key, randomBytes(32)];
    expectBytes(await store().get(keys), [undefined, entry.bytes, undefined]);
    expect(await store().has(keys)).to.deep.equal([false, true, false]);
    expect(await store().get([])).to.deep.equal([]);
    expect(await store().has([])).to.deep.equal([]);
  });

  it('tells apart keys that share their first bytes', async () => {
    const entries = Array.from({ length: 20 }, (_, n) =>
      entryOf(Buffer.alloc(32, 7).fill(n, 31), `entry ${n}`),
    );
    await store().put(entries, 'kept');
    for (const { key, bytes } of entries) expectBytes(await store().get([key]), [bytes]);
    expect(await store().has([Buffer.alloc(32, 7).fill(99, 31)])).to.deep.equal([false]);
  });

  it('answers a key asked twice twice', async () => {
    const [entry] = await putOne(store());
    expectBytes(await store().get([entry.key, entry.key]), [entry.bytes, entry.bytes]);
  });

  it('keeps both retentions', async () => {
    const [passing, kept] = [entryOf(randomBytes(32), 'passing'), entryOf(randomBytes(32), 'kept')];
    await Promise.all([store().put([passing], 'passing'), store().put([kept], 'kept')]);
    expectBytes(await store().get([passing.key, kept.key]), [passing.bytes, kept.bytes]);
  });

  it('keeps what is there when a key is put again, in one call, at once or later', async () => {
    const entry = entryOf(randomBytes(32), 'the bytes');
    await store().put([entry, entry], 'kept');
    await Promise.all(Array.from({ length: 20 }, () => store().put([entry], 'kept')));
    await store().put([entry], 'passing');
    expect(store().stats()).to.include({ entries: 1, plainBytes: 9 });
    expectBytes(await store().get([entry.key]), [entry.bytes]);
  });

  it('takes many puts at once', async () => {
    const entries = Array.from({ length: 500 }, () => entryOf(randomBytes(32), randomBytes(300)));
    await Promise.all(entries.map((entry, n) => store().put([entry], n % 2 === 0 ? 'kept' : 'passing')));
    expectBytes(
      await store().get(entries.map(({ key }) => key)),
      entries.map(({ bytes }) => bytes),
    );
    expect(store().stats().entries).to.equal(500);
  });

  it('hands out encodings that decode to the bytes', async () => {
    const entries = sampleEntries();
    await store().put(entries, 'kept');
    const encoded = await store().getEncoded([...entries.map(({ key }) => key), randomBytes(32)]);
    expect(encoded.pop()).to.equal(undefined);
    const plain = encoded.map((one) => {
      if (one === undefined || one.codec === 'raw') return one?.bytes;
      return zstdDecompress(one.bytes, one.sizeBytes);
    });
    expectBytes(
      plain,
      entries.map(({ bytes }) => bytes),
    );
    expect(encoded.map((one) => one?.sizeBytes)).to.deep.equal(entries.map(({ bytes }) => bytes.length));
  });

  it('checks what it has and counts it', async () => {
    const entries = sampleEntries();
    await store().put(entries, 'kept');
    expect(await store().check()).to.deep.equal({ entries: entries.length, corrupt: [] });
    expect(store().stats().plainBytes).to.equal(entries.reduce((sum, { bytes }) => sum + bytes.length, 0));
  });

  it('refuses everything after close, which may be called again', async () => {
    const [entry] = await putOne(store());
    await Promise.all([store().close(), store().close()]);
    await store().close();
    await expectCode('WEIR_STORE_CLOSED', store().put([entry], 'kept'));
    await expectCode('WEIR_STORE_CLOSED', store().get([entry.key]));
    await expectCode('WEIR_STORE_CLOSED', store().getEncoded([entry.key]));
    await expectCode('WEIR_STORE_CLOSED', store().has([entry.key]));
    await expectCode('WEIR_STORE_CLOSED', store().check());
  });

  it('finishes what it accepted before it closes', async () => {
    const entry = entryOf(randomBytes(32), 'accepted');
    const put = store().put([entry], 'kept');
    const got = store().get([entry.key]);
    await store().close();
    await Promise.all([put, got]);
  });
}

function boundsTests(store: () => ByteStore): void {
  it('takes an entry and a put of the largest size and an empty entry', async () => {
    const largest = randomBytes(MAX_ENTRY_BYTES);
    const count = MAX_PUT_BYTES / MAX_ENTRY_BYTES;
    const entries = Array.from({ length: count }, () => entryOf(randomBytes(32), largest));
    await store().put([...entries, entryOf(randomBytes(32), '')], 'kept');
    expectBytes(
      await store().get(entries.map(({ key }) => key)),
      entries.map(() => largest),
    );
    await store().put([], 'kept');
  });

  it('throws at sizes out of bounds and at keys of another length', async () => {
    await expectAssertion(store().put([entryOf(randomBytes(32), Buffer.alloc(MAX_ENTRY_BYTES + 1))], 'kept'));
    const full = entryOf(randomBytes(32), Buffer.alloc(MAX_ENTRY_BYTES));
    const tooMany = new Array<Entry>(MAX_PUT_BYTES / MAX_ENTRY_BYTES).fill(full);
    await expectAssertion(store().put([...tooMany, entryOf(randomBytes(32), 'x')], 'kept'));
    await expectAssertion(store().put([entryOf(randomBytes(31), 'x')], 'kept'));
    await expectAssertion(store().get([randomBytes(33)]));
    await expectAssertion(store().has([randomBytes(8)]));
    expect(store().stats().entries).to.equal(0);
  });
}

function roomTests(opened: () => OpenedByteStore): void {
  it('refuses puts while there is no room, reads on, and takes puts when there is room again', async () => {
    const { store, setFull } = opened();
    const [there] = await putOne(store);
    setFull(true);
    const refused = Array.from({ length: 3 }, (_, n) => entryOf(randomBytes(32), `refused ${n}`));
    for (const entry of refused) await expectCode('WEIR_STORE_FULL', store.put([entry], 'kept'));
    expect(await store.has(refused.map(({ key }) => key))).to.deep.equal([false, false, false]);
    expectBytes(await store.get([there.key]), [there.bytes]);
    setFull(false);
    await store.put(refused, 'kept');
    expectBytes(
      await store.get(refused.map(({ key }) => key)),
      refused.map(({ bytes }) => bytes),
    );
  });
}

function failureTests(opened: () => OpenedDiskByteStore): void {
  it('has after opening again what it had, and the same counts', async () => {
    const { store, reopen } = opened();
    const entries = sampleEntries();
    await store.put(entries.slice(0, 3), 'kept');
    await store.put(entries.slice(3), 'passing');
    const stats = store.stats();
    const again = await reopen();
    expectBytes(
      await again.get(entries.map(({ key }) => key)),
      entries.map(({ bytes }) => bytes),
    );
    expect(again.stats()).to.deep.equal(stats);
    await again.put([entryOf(randomBytes(32), 'more')], 'kept');
    expect((await again.check()).entries).to.equal(entries.length + 1);
  });

  it('never returns corrupt bytes, and a put heals them for good', async () => {
    const { store, corrupt, reopen } = opened();
    const [entry, other] = await putOne(store);
    await corrupt(entry.key);
    await expectCode('WEIR_STORE_CORRUPT', store.get([other.key, entry.key]));
    expect(await store.has([entry.key, other.key])).to.deep.equal([false, true]);
    expectBytes(await store.get([entry.key, other.key]), [undefined, other.bytes]);
    await store.put([entry], 'kept');
    expectBytes(await store.get([entry.key]), [entry.bytes]);
    expectBytes(await (await reopen()).get([entry.key]), [entry.bytes]);
  });

  it('refuses a corrupt encoding too', async () => {
    const { store, corrupt } = opened();
    const [entry] = await putOne(store);
    await corrupt(entry.key);
    await expectCode('WEIR_STORE_CORRUPT', store.getEncoded([entry.key]));
    expect(await store.getEncoded([entry.key])).to.deep.equal([undefined]);
  });

  it('reports corrupt keys in a check, which count as absent from then on', async () => {
    const { store, corrupt } = opened();
    const [entry, other] = await putOne(store);
    await corrupt(entry.key);
    const report = await store.check();
    expectBytes(report.corrupt, [entry.key]);
    expect(report.entries).to.equal(2);
    expect(await store.has([entry.key, other.key])).to.deep.equal([false, true]);
    expect(await store.check()).to.deep.equal({ entries: 1, corrupt: [] });
  });

  it('takes no more after a failed sync, and reads on', async () => {
    const { store, failSyncs } = opened();
    const [there] = await putOne(store);
    failSyncs();
    const refused = entryOf(randomBytes(32), 'refused');
    await expectCode('WEIR_STORE_FAILED', store.put([refused], 'kept'));
    await expectCode('WEIR_STORE_FAILED', store.put([there], 'passing'));
    expectBytes(await store.get([there.key, refused.key]), [there.bytes, undefined]);
  });
}

/** An entry that is there, and another beside it. */
async function putOne(store: ByteStore): Promise<[Entry, Entry]> {
  const entries: [Entry, Entry] = [
    entryOf(randomBytes(32), 'one entry'),
    entryOf(randomBytes(32), 'and another'),
  ];
  await store.put(entries, 'kept');
  return entries;
}

/** Sizes around every limit of the code, some that shrink and some that do not. */
function sampleEntries(): Entry[] {
  const sizes = [0, 1, 127, 128, 4096, 16_384, 65_537, 300_000, MAX_ENTRY_BYTES];
  return sizes.flatMap((sizeBytes) => [
    entryOf(randomBytes(32), randomBytes(sizeBytes)),
    entryOf(randomBytes(32), Buffer.alloc(sizeBytes, 'it shrinks well ')),
  ]);
}

function entryOf(key: Uint8Array, bytes: Uint8Array | string): Entry {
  return { key, bytes: typeof bytes === 'string' ? Buffer.from(bytes) : bytes };
}

function expectBytes(
  found: readonly (Uint8Array | undefined)[],
  wanted: readonly (Uint8Array | undefined)[],
): void {
  expect(found.length).to.equal(wanted.length);
  for (const [at, bytes] of wanted.entries()) {
    const actual = found[at];
    if (bytes === undefined || actual === undefined) expect(actual, `entry ${at}`).to.equal(bytes);
    else expect(Buffer.compare(actual, bytes), `bytes of entry ${at}`).to.equal(0);
  }
}

async function expectCode(code: ErrorCode, promise: Promise<unknown>): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof WeirError)) throw new Error(`expected ${code}`, { cause: error });
  expect(error.code).to.equal(code);
}

async function expectAssertion(promise: Promise<unknown>): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(Error).with.property('name', 'AssertionError');
}
