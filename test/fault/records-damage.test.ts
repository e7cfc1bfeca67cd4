import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DatabaseSync } from '@photostructure/sqlite';
import { expect } from 'chai';
import { silentLog } from '../../src/base/log.ts';
import { openEmbeddedRecords } from '../../src/store/embedded/records.ts';
import { putRecord, type Records } from '../../src/store/records.ts';
import { blobs, codeOf, key, keysOf } from '../contract/record-fixtures.ts';

const run = promisify(execFile);

describe('records: a damaged database', () => {
  let directory: string;
  let path: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weir-records-damage-'));
    path = join(directory, 'records.db');
  });
  afterEach(() => rm(directory, { recursive: true }));

  const open = () => openEmbeddedRecords({ path, log: silentLog });

  async function fill(): Promise<void> {
    const records = await open();
    await records.write(
      Array.from({ length: 500 }, (_, n) => putRecord(blobs, key(n >> 8, n & 255), Buffer.alloc(100, n))),
    );
    await records.close();
  }

  it('is refused as it is, whatever is there instead', async () => {
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from('x'),
      Buffer.alloc(4096),
      Buffer.alloc(100_000, 'garbage '),
    ]) {
      await writeFile(path, bytes);
      expect(await codeOf(open()), `${bytes.length} bytes`).to.equal('WEIR_STORE_CORRUPT');
      expect((await readFile(path)).equals(bytes)).to.equal(true);
      expect(await readdir(directory)).to.deep.equal(['records.db']);
    }
  });

  it('is refused as it is when its end is missing', async () => {
    await fill();
    const { size } = await stat(path);
    for (const sizeBytes of [size - 1, size - 4096, 4096, 4095, 100, 17]) {
      await truncate(path, sizeBytes);
      const before = await digest(path);
      expect(await codeOf(open()), `${sizeBytes} bytes`).to.equal('WEIR_STORE_CORRUPT');
      expect(await digest(path)).to.equal(before);
    }
  });

  it('is not begun anew when only its log is left', async () => {
    await writeFile(`${path}-wal`, 'the log of a database that is gone');
    expect(await codeOf(open())).to.equal('WEIR_STORE_CORRUPT');
    expect(await readdir(directory)).to.deep.equal(['records.db-wal']);
  });

  it('is refused as another layout, or as a database of something else', async () => {
    await fill();
    alter(path, 'PRAGMA user_version = 2');
    expect(await codeOf(open())).to.equal('WEIR_STORE_FORMAT');
    await unlink(path);
    alter(path, 'CREATE TABLE other (column INTEGER)');
    expect(await codeOf(open())).to.equal('WEIR_STORE_FORMAT');
  });

  it('never answers with other bytes than were written, whichever bits flip', async () => {
    await fill();
    const whole = await readFile(path);
    for (let n = 0; n < 60; n += 1) {
      const bytes = Buffer.from(whole);
      const at = 4096 + ((n * 7_919 * 131) % (bytes.length - 4096));
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (n & 7));
      await writeFile(path, bytes);
      await codeOf(readAll(open));
    }
  });
});

/** Fails on a record that is not as it was written; one that is refused or missing is none. */
async function readAll(open: () => Promise<Records>): Promise<void> {
  const records = await open();
  try {
    for await (const record of records.range(blobs)) {
      const n = ((record.key[0] ?? 0) << 8) | (record.key[1] ?? 0);
      expect(record.value.length === 100 && record.value.every((byte) => byte === (n & 255))).to.equal(true);
    }
  } finally {
    await records.close();
  }
}

function alter(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

async function digest(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/** Skips without the means, but never where a release depends on it. */
function unavailable(context: Mocha.Context, means: string): never {
  if (process.env['WEIR_REQUIRE_PEERS'] === '1') throw new Error(`this test needs ${means}`);
  return context.skip();
}

describe('records: a full disk', () => {
  it('refuses groups, serves reads, and writes again when there is room', async function () {
    const directory = await mkdtemp(join(tmpdir(), 'weir-records-full-'));
    try {
      await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory]);
    } catch {
      await rm(directory, { recursive: true });
      return unavailable(this, 'the right to mount a tmpfs');
    }
    try {
      await fillUp(directory);
    } finally {
      await run('umount', ['--lazy', directory]);
      await rm(directory, { recursive: true });
    }
  });
});

async function fillUp(directory: string): Promise<void> {
  const path = join(directory, 'records.db');
  const ballast = join(directory, 'ballast');
  await writeFile(ballast, Buffer.alloc(2 * 1024 * 1024));
  const records = await openEmbeddedRecords({ path, log: silentLog });
  const kept: string[] = [];
  const write = async (n: number, sizeBytes: number) => {
    const parts = [key(n, 0), key(n, 1)];
    const code = await codeOf(
      records.write(parts.map((part) => putRecord(blobs, part, Buffer.alloc(sizeBytes, n)))),
    );
    if (code === 'resolved') kept.push(...parts.map((part) => Buffer.from(part).toString('hex')));
    return code;
  };
  const codes = new Set<string>();
  for (let n = 0; n < 60; n += 1) codes.add(await write(n, 40_000));
  expect([...codes]).to.deep.equal(['resolved', 'WEIR_STORE_FULL']);
  expect(await keysOf(records, blobs)).to.deep.equal(kept);
  await unlink(ballast);
  expect(await write(100, 40_000)).to.equal('resolved');
  await records.close();
  const after = await openEmbeddedRecords({ path, log: silentLog });
  expect(await keysOf(after, blobs)).to.deep.equal(kept);
  await after.close();
}

describe('records: a failed sync', () => {
  it('ends writing for good, and reads go on', async function () {
    const directory = await mkdtemp(join(tmpdir(), 'weir-records-sync-'));
    try {
      await run('strace', ['-V']).catch(() => unavailable(this, 'strace'));
      const program = fileURLToPath(new URL('./records-child.js', import.meta.url));
      await run(process.execPath, [program, 'none', join(directory, 'records.db')]);
      const inject = [
        '-f',
        '-qq',
        '-o',
        '/dev/null',
        '-e',
        'trace=fsync,fdatasync',
        '-e',
        'inject=fsync,fdatasync:error=EIO:when=8+',
      ];
      const { stdout } = await run('strace', [
        ...inject,
        process.execPath,
        program,
        'ten',
        join(directory, 'records.db'),
      ]);
      const lines = stdout.trim().split('\n');
      const refused = lines.findIndex((line) => line.startsWith('refused'));
      expect(refused).to.be.greaterThan(1);
      expect(lines.slice(refused, -1)).to.deep.equal(
        Array(12 - refused - 1).fill('refused WEIR_STORE_FAILED'),
      );
      expect(lines.at(-1)).to.equal('read 200');
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
