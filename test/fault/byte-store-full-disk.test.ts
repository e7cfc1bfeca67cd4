import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { systemFiles } from '../../src/base/files.ts';
import type { ByteStore, Entry } from '../../src/store/byte-store.ts';
import { openEmbeddedByteStore } from '../../src/store/embedded/byte-store.ts';
import { haveRootTools, run } from './machine.ts';

const DISK = '24m';
const FILLER_BYTES = 8 * 1024 * 1024;

describe('byte store, a full disk', function () {
  this.timeout(30_000);
  let mount: string;

  before(async function () {
    if (!(await haveRootTools())) return this.skip();
    mount = await mkdtemp(join(tmpdir(), 'weir-full-'));
    await run('mount', '-t', 'tmpfs', '-o', `size=${DISK}`, 'tmpfs', mount);
  });

  after(async () => {
    if (mount === undefined) return;
    await run('umount', mount);
    await rm(mount, { recursive: true });
  });

  it('refuses what does not fit, loses nothing, also opened while full, and goes on when there is room', async () => {
    const filler = join(mount, 'filler');
    await writeFile(filler, Buffer.alloc(FILLER_BYTES));
    const open = () =>
      openEmbeddedByteStore({ directory: join(mount, 'a'), files: systemFiles, reserveBytes: 0 });
    let store = await open();
    const kept = await fill(store);
    expect(kept.length).to.be.greaterThan(10);
    await expectAll(store, kept);
    await store.close();
    store = await open();
    await expectAll(store, kept);
    await rm(filler);
    const more = await fill(store);
    expect(more.length).to.be.greaterThan(5);
    await expectAll(store, [...kept, ...more]);
    expect((await store.check()).corrupt).to.deep.equal([]);
    await store.close();
    await rm(join(mount, 'a'), { recursive: true });
  });

  it('leaves the reserve free', async () => {
    const reserveBytes = 10 * 1024 * 1024;
    const store = await openEmbeddedByteStore({
      directory: join(mount, 'b'),
      files: systemFiles,
      reserveBytes,
    });
    const kept = await fill(store);
    expect(kept.length).to.be.greaterThan(5);
    expect((await systemFiles.space(mount)).freeBytes).to.be.at.least(reserveBytes);
    await expectAll(store, kept);
    await store.close();
  });
});

/** Puts until one is refused; what was acknowledged. */
async function fill(store: ByteStore): Promise<Entry[]> {
  const kept: Entry[] = [];
  for (;;) {
    const entries = Array.from({ length: 3 }, () => ({ key: randomBytes(32), bytes: randomBytes(300_001) }));
    const error = await store.put(entries, 'kept').then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) {
      kept.push(...entries);
      continue;
    }
    expect(error).to.include({ code: 'WEIR_STORE_FULL' });
    return kept;
  }
}

async function expectAll(store: ByteStore, entries: readonly Entry[]): Promise<void> {
  const found = await store.get(entries.map(({ key }) => key));
  for (const [at, { bytes }] of entries.entries()) {
    expect(Buffer.compare(found[at] ?? Buffer.from('lost'), bytes), `entry ${at}`).to.equal(0);
  }
}
