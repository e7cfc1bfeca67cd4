import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { systemFiles } from '../../src/base/files.ts';
import { silentLog } from '../../src/base/log.ts';
import type { ByteStore, Entry } from '../../src/store/byte-store.ts';
import { openEmbeddedByteStore } from '../../src/store/embedded/byte-store.ts';
import { entryOf } from './byte-store-scenario.ts';
import { type Chance, createChance } from './simulated-files.ts';

const FLIPS = Number(process.env['WEIR_BIT_FLIPS'] ?? 400);
const ENTRIES = 60;

/** Sealed segments of some 8 KiB, and one that is open. */
describe('byte store, damaged files', function () {
  this.timeout(60_000);
  const seed = Number(process.env['WEIR_SEED'] ?? Date.now() % 1_000_000);
  const chance = createChance(seed);
  const entries = Array.from({ length: ENTRIES }, (_, n) => entryOf(n));
  let parent: string;
  let logged: string[];
  /** The segment files as they were written. */
  let pristine: Map<string, Buffer>;

  before(async () => {
    parent = await mkdtemp(join(tmpdir(), 'weir-damage-'));
    const store = await open();
    for (let at = 0; at < ENTRIES; at += 3) await store.put(entries.slice(at, at + 3), 'kept');
    await store.close();
    pristine = await segmentFiles();
    expect(pristine.size).to.be.greaterThan(3);
  });

  beforeEach(async () => {
    logged = [];
    for (const [path, bytes] of pristine) await writeFile(path, bytes);
  });

  after(() => rm(parent, { recursive: true }));

  async function open(): Promise<ByteStore> {
    const log = {
      ...silentLog,
      warn: (event: string) => logged.push(event),
      error: (event: string) => logged.push(event),
    };
    return openEmbeddedByteStore({
      directory: parent,
      files: systemFiles,
      log,
      segmentBytes: 8192,
      reserveBytes: 0,
    });
  }

  async function segmentFiles(): Promise<Map<string, Buffer>> {
    const directory = join(parent, 'segments');
    const names = (await readdir(directory)).sort();
    return new Map(
      await Promise.all(
        names.map(async (name) => [join(directory, name), await readFile(join(directory, name))] as const),
      ),
    );
  }

  it(`finds each of ${FLIPS} flipped bits and serves none, found before opening (seed ${seed})`, async () => {
    for (let flip = 0; flip < FLIPS; flip++) {
      const { path, bytes } = flipped(pristine, chance);
      await writeFile(path, bytes);
      logged = [];
      const store = await open();
      await expectNoneWrong(store, entries);
      expect(logged, `seed ${seed}, flip ${flip} in ${path}`).to.not.deep.equal([]);
      await store.put(entries, 'kept');
      expect(await countRight(store, entries)).to.equal(ENTRIES);
      await store.close();
      for (const [file] of await segmentFiles()) if (!pristine.has(file)) await rm(file);
      for (const [file, whole] of pristine) await writeFile(file, whole);
    }
  });

  it('finds bits that flip while it is open, by reading and by a check', async () => {
    for (let flip = 0; flip < 50; flip++) {
      const store = await open();
      const { path, bytes } = flipped(pristine, chance);
      await writeFile(path, bytes);
      logged = [];
      if (flip % 2 === 0) await expectNoneWrong(store, entries);
      await store.check();
      // A header is read at opening only, so its damage shows at the next.
      const reopened = (await store.close(), await open());
      await reopened.check();
      expect(logged, `seed ${seed}, flip ${flip} in ${path}`).to.not.deep.equal([]);
      await reopened.close();
      for (const [file, whole] of pristine) await writeFile(file, whole);
    }
  });

  it('loses no other record than those a cut took', async () => {
    for (const [path, bytes] of pristine) {
      const keepBytes = Math.floor(bytes.length * chance());
      await truncate(path, keepBytes);
      const whole = entries.filter(({ key }) => recordIsWithin(path, key, keepBytes));
      const store = await open();
      await expectNoneWrong(store, entries);
      expect(await countRight(store, whole), `seed ${seed}, ${path} cut to ${keepBytes}`).to.equal(
        whole.length,
      );
      await store.close();
      for (const [file, before] of pristine) await writeFile(file, before);
    }
  });

  function recordIsWithin(cutPath: string, key: Uint8Array, keepBytes: number): boolean {
    for (const [path, bytes] of pristine) {
      const keyAt = bytes.indexOf(key);
      if (keyAt < 0 || path !== cutPath) continue;
      // Below a whole header nothing of a segment can be trusted.
      return keyAt + 32 + bytes.readUInt32LE(keyAt - 4) <= keepBytes && keepBytes >= 64;
    }
    return true;
  }

  it('opens over garbage, leaves it alone and does not give its number away', async () => {
    const directory = join(parent, 'segments');
    const garbage = Buffer.from(Array.from({ length: 5000 }, () => Math.floor(chance() * 256)));
    const planted = ['00000777.kept', '00000778.passing', 'README'].map((name) => join(directory, name));
    for (const path of planted) await writeFile(path, garbage);
    const store = await open();
    await store.put([entryOf(ENTRIES + 1)], 'passing');
    expect(await countRight(store, [...entries, entryOf(ENTRIES + 1)])).to.equal(ENTRIES + 1);
    await store.close();
    for (const path of planted) expect((await readFile(path)).equals(garbage)).to.equal(true);
    expect(await readdir(directory)).to.include('00000779.passing');
    await Promise.all([...planted, join(directory, '00000779.passing')].map((path) => rm(path)));
  });

  it('refuses a directory of another version', async () => {
    const path = join(parent, 'format');
    const format = await readFile(path);
    await writeFile(path, 'weir-byte-store 2\n');
    const error = await open().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.include({ code: 'WEIR_STORE_FORMAT' });
    await writeFile(path, format);
    await (await open()).close();
  });
});

function flipped(files: ReadonlyMap<string, Buffer>, chance: Chance): { path: string; bytes: Buffer } {
  const [path, before] = [...files][Math.floor(chance() * files.size)] ?? ['', Buffer.alloc(0)];
  const bytes = Buffer.from(before);
  const at = Math.floor(chance() * bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(chance() * 8));
  return { path, bytes };
}

async function expectNoneWrong(store: ByteStore, entries: readonly Entry[]): Promise<void> {
  for (const { key, bytes } of entries) {
    const [found] = await store.get([key]).catch(() => []);
    if (found !== undefined) expect(Buffer.compare(found, bytes)).to.equal(0);
  }
}

async function countRight(store: ByteStore, entries: readonly Entry[]): Promise<number> {
  const found = await store.get(entries.map(({ key }) => key));
  return entries.filter(({ bytes }, at) => Buffer.compare(found[at] ?? Buffer.alloc(1), bytes) === 0).length;
}
