import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { zstdDecompress } from '../../src/base/compress.ts';
import { type ErrorCode, WeirError } from '../../src/base/errors.ts';
import {
  type ByteStore,
  type Entry,
  MAX_ENTRY_BYTES,
  MAX_PUT_BYTES,
  type Retention,
  type Verdict,
} from '../../src/store/byte-store.ts';

/** A store under test, and what can be done to it from outside. */
export interface OpenedByteStore {
  readonly store: ByteStore;
  /** What was put can leave in a sweep once as much was put with it and something behind it. Below 24 MiB. */
  readonly sealedAfterBytes: number;
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
    sweepTests(opened);
  });
}

/** What it promises of stores on a disk. */
export function diskByteStoreContract(name: string, open: () => Promise<OpenedDiskByteStore>): void {
  byteStoreContract(name, open);
  describe(`${name}: byte store contract on a disk`, () => {
    const opened = openedForEach(open);
    failureTests(opened);
    diskSweepTests(opened);
  });
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

function sweepTests(opened: () => OpenedByteStore): void {
  it('lets go what is gone and keeps the rest, and gives the room back', async () => {
    const { store } = opened();
    const [gone, kept] = [sampleEntries(), sampleEntries()];
    const filler = await putSealed(opened(), [...gone, ...kept], 'passing');
    const before = store.stats();
    const report = await store.sweep(async () => verdictOf([...gone, ...filler], 'passing'));
    expect(report).to.include({ isComplete: true, goneEntries: gone.length + filler.length });
    await expectThere(store, gone, false);
    await expectThere(store, kept, true);
    const after = store.stats();
    expect(after.entries).to.equal(before.entries - gone.length - filler.length);
    expect(after.plainBytes).to.equal(before.plainBytes - sumBytes([...gone, ...filler]));
    expect(before.storedBytes - after.storedBytes).to.be.within(1, report.freedBytes);
    expect((await store.check()).corrupt).to.deep.equal([]);
  });

  it('takes what was swept anew', async () => {
    const { store } = opened();
    const gone = sampleEntries();
    gone.push(...(await putSealed(opened(), gone, 'passing')));
    await store.sweep(async () => verdictOf(gone, 'passing'));
    await expectThere(store, gone, false);
    await store.put(gone, 'kept');
    await expectThere(store, gone, true);
  });

  it('moves what is kept by now, and counts the two retentions apart', async () => {
    const { store } = opened();
    const entries = sampleEntries();
    entries.push(...(await putSealed(opened(), entries, 'passing')));
    const before = store.stats();
    expect(before.passingBytes).to.equal(before.storedBytes);
    const report = await store.sweep(async () => () => 'kept');
    expect(report.movedEntries).to.be.at.least(entries.length);
    await expectThere(store, entries, true);
    const after = store.stats();
    expect(after).to.include({ entries: before.entries, storedBytes: before.storedBytes });
    expect(after.passingBytes).to.be.lessThan(before.passingBytes);
    const filler = await putSealed(opened(), [], 'kept');
    await store.sweep(async () => verdictOf([...entries, ...filler], 'kept'));
    await expectThere(store, entries, false);
  });

  it('spares what put or has asked for since it was called, before the mark and behind it', async () => {
    const { store } = opened();
    const [put, asked, late, gone] = [sampleEntries(), sampleEntries(), sampleEntries(), sampleEntries()];
    const fresh = sampleEntries();
    gone.push(...(await putSealed(opened(), [...put, ...asked, ...late, ...gone], 'passing')));
    const verdict = verdictOf([...put, ...asked, ...late, ...gone, ...fresh], 'passing');
    const sweeping = store.sweep(async () => {
      await putSealed(opened(), fresh, 'passing');
      await store.put(put, 'passing');
      expect(await store.has(keysOf(asked))).to.deep.equal(asked.map(() => true));
      return verdict;
    });
    expect(await store.has(keysOf(late))).to.deep.equal(late.map(() => true));
    await sweeping;
    for (const spared of [put, asked, late, fresh]) await expectThere(store, spared, true);
    await expectThere(store, gone, false);
  });

  it('answers truly while it runs: what is told to be there stays, what is not can be put', async () => {
    const { store } = opened();
    const entries = Array.from({ length: 60 }, () => entryOf(randomBytes(32), randomBytes(3000)));
    const filler = await putSealed(opened(), entries, 'passing');
    const half = entries.filter((_, n) => n % 2 === 0);
    const others = entries.filter((_, n) => n % 2 === 1);
    const state = { isSwept: false };
    const sweeping = store
      .sweep(async () => verdictOf([...half, ...filler], 'passing'))
      .then(() => (state.isSwept = true));
    const readers = Array.from({ length: 8 }, async () => {
      while (!state.isSwept) {
        await nextTurn();
        const found = await store.get(keysOf(entries));
        const wanted = entries.map(({ bytes }, n) => (n % 2 === 1 || found[n] ? bytes : undefined));
        expectBytes(found, wanted);
      }
    });
    for (let round = 0; !state.isSwept || round < 20; round++) {
      await nextTurn();
      const entry = half[round % half.length] ?? entryOf(randomBytes(32), '');
      const [isThere] = await store.has([entry.key]);
      if (isThere !== true && round % 3 === 0) await store.put([entry], 'passing');
      if (isThere === true || round % 3 === 0) expectBytes(await store.get([entry.key]), [entry.bytes]);
      const [bytes] = await store.get([entry.key]);
      if (bytes !== undefined) expectBytes([bytes], [entry.bytes]);
      await expectThere(store, others, true);
    }
    await Promise.all([sweeping, ...readers]);
    await expectThere(store, others, true);
  });

  it('keeps to what it said of entries that are asked for in the middle of it', async () => {
    const { store } = opened();
    const entries = Array.from({ length: 10_000 }, (_, n) => entryOf(randomBytes(32), `entry ${n}`));
    const filler = await putSealed(opened(), entries, 'passing');
    const verdict = verdictOf([...entries, ...filler], 'passing');
    const asked = entries.filter((_, n) => n % 20 === 0);
    const answers: Promise<boolean[]>[] = [];
    let judged = 0;
    await store.sweep(async () => (key) => {
      if (++judged % 50 === 0) answers.push(store.has(keysOf(asked)));
      return verdict(key);
    });
    const told = (await Promise.all(answers)).at(-1) ?? [];
    const there = asked.filter((_, n) => told[n]);
    await expectThere(store, there, true);
  });

  it('answers who asked before it looks for what is wanted', async () => {
    const { store } = opened();
    const entries = sampleEntries();
    await putSealed(opened(), entries, 'passing');
    const answered: string[] = [];
    void store.has(keysOf(entries)).then(() => answered.push('has'));
    void store.put(entries, 'passing').then(() => answered.push('put'));
    await store.sweep(async () => {
      expect(answered).to.have.members(['has', 'put']);
      return () => 'passing';
    });
  });

  it('lets nothing go when the mark fails, and can be swept again', async () => {
    const { store } = opened();
    const entries = sampleEntries();
    const filler = await putSealed(opened(), entries, 'passing');
    await expectCode(
      'WEIR_INTERNAL',
      store.sweep(async () => Promise.reject(new WeirError('WEIR_INTERNAL', 'no mark'))),
    );
    await expectThere(store, entries, true);
    await store.sweep(async () => verdictOf([...entries, ...filler], 'passing'));
    await expectThere(store, entries, false);
  });

  it('ends when it is told to, at once when it is told before, and when the store is closed', async () => {
    const { store } = opened();
    const entries = sampleEntries();
    await putSealed(opened(), entries, 'passing');
    const signal = AbortSignal.abort();
    const report = await store.sweep(async () => verdictOf(entries, 'passing'), { signal });
    expect(report).to.deep.equal({ isComplete: false, goneEntries: 0, movedEntries: 0, freedBytes: 0 });
    await expectThere(store, entries, true);
    const sweeping = store.sweep(async () => verdictOf([], 'passing'));
    await expectAssertion(store.sweep(async () => verdictOf([], 'passing')));
    await sweeping;
    let closing: Promise<void> | undefined;
    const closed = await store.sweep(async () => {
      closing = store.close();
      return verdictOf(entries, 'passing');
    });
    expect(closed).to.include({ isComplete: false, goneEntries: 0 });
    await closing;
    await expectCode(
      'WEIR_STORE_CLOSED',
      store.sweep(async () => () => 'kept'),
    );
  });
}

function diskSweepTests(opened: () => OpenedDiskByteStore): void {
  it('has after opening again what a sweep left, and the same counts', async () => {
    const { store, reopen } = opened();
    const [gone, kept] = [sampleEntries(), sampleEntries()];
    gone.push(...(await putSealed(opened(), [...gone, ...kept], 'passing')));
    await store.sweep(async () => verdictOf(gone, 'kept'));
    const stats = store.stats();
    const again = await reopen();
    await expectThere(again, gone, false);
    await expectThere(again, kept, true);
    expect(again.stats()).to.deep.equal(stats);
  });

  it('moves into the reserve, and leaves for later what finds no room at all', async () => {
    const { store, setFull } = opened();
    const [gone, kept] = [sampleEntries(), sampleEntries()];
    gone.push(...(await putSealed(opened(), [...gone, ...kept], 'passing')));
    setFull(true);
    const report = await store.sweep(async () => verdictOf(gone, 'passing'));
    expect(report.isComplete).to.equal(false);
    await expectThere(store, kept, true);
    setFull(false);
    expect(await store.sweep(async () => verdictOf(gone, 'passing'))).to.include({ isComplete: true });
    await expectThere(store, kept, true);
    await expectThere(store, gone, false);
    expect((await store.check()).corrupt).to.deep.equal([]);
  });

  it('leaves a segment with a corrupt entry that should stay, until it is met again', async () => {
    const { store, corrupt } = opened();
    const [entry, other] = [entryOf(randomBytes(32), randomBytes(900)), entryOf(randomBytes(32), 'other')];
    const gone = sampleEntries();
    gone.push(...(await putSealed(opened(), [entry, other, ...gone], 'passing')));
    await corrupt(entry.key);
    expect(await store.sweep(async () => verdictOf(gone, 'passing'))).to.include({ isComplete: false });
    expect(await store.has([entry.key, other.key])).to.deep.equal([false, true]);
    await store.put([entry], 'passing');
    expect(await store.sweep(async () => verdictOf(gone, 'passing'))).to.include({ isComplete: true });
    await expectThere(store, [entry, other], true);
  });
}

/** Puts entries, and as much behind them as it takes for a sweep to consider both; what was put behind. */
async function putSealed(
  { store, sealedAfterBytes }: OpenedByteStore,
  entries: readonly Entry[],
  retention: Retention,
): Promise<Entry[]> {
  const filler: Entry[] = [];
  while (sumBytes(filler) < sealedAfterBytes)
    filler.push(entryOf(randomBytes(32), randomBytes(MAX_ENTRY_BYTES)));
  await store.put([...entries, ...filler], retention);
  // A segment is sealed before the put behind it.
  if (filler.length > 0) await store.put([entryOf(randomBytes(32), 'the next')], retention);
  return filler;
}

/** These are gone, all others of the retention. */
function verdictOf(gone: readonly Entry[], retention: Retention): Verdict {
  const names = new Set(keysOf(gone).map((key) => Buffer.from(key).toString('hex')));
  return (key) => (names.has(Buffer.from(key).toString('hex')) ? 'gone' : retention);
}

function keysOf(entries: readonly Entry[]): Uint8Array[] {
  return entries.map(({ key }) => key);
}

function sumBytes(entries: readonly Entry[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

async function expectThere(store: ByteStore, entries: readonly Entry[], isThere: boolean): Promise<void> {
  const keys = keysOf(entries);
  expectBytes(
    await store.get(keys),
    entries.map(({ bytes }) => (isThere ? bytes : undefined)),
  );
  expect(await store.has(keys)).to.deep.equal(entries.map(() => isThere));
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
