import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { systemFiles } from '../../src/base/files.ts';
import { openEmbeddedByteStore } from '../../src/store/embedded/byte-store.ts';
import { entryOf, isWantedKey } from './byte-store-scenario.ts';
import { haveRootTools, run } from './machine.ts';

const KILLS = Number(process.env['WEIR_KILL_CYCLES'] ?? 20);
const POWER_LOSSES = Number(process.env['WEIR_POWER_CYCLES'] ?? 5);
const CHILD = fileURLToPath(new URL('byte-store-child.js', import.meta.url));

describe('byte store, a process that dies', function () {
  this.timeout(30_000 + (KILLS + POWER_LOSSES) * 5000);

  it(`keeps what it acknowledged over ${KILLS} kills -9`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'weir-killed-'));
    const acknowledged = new Set<number>();
    for (let cycle = 0; cycle < KILLS; cycle++) {
      const writer = startWriter(directory, cycle * 100_000, acknowledged);
      await writer.hasWritten(1);
      await sleep(10 + ((cycle * 37) % 90));
      await writer.kill();
      await verify(directory, acknowledged);
    }
    await rm(directory, { recursive: true });
  });

  it('names the process that has the directory open, and lets nobody in', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'weir-locked-'));
    const writer = startWriter(directory, 0, new Set());
    await writer.hasWritten(1);
    const error = await open(directory).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.include({ code: 'WEIR_LOCKED' }).with.nested.property('facts.pid', String(writer.pid));
    await writer.kill();
    await (await open(directory)).close();
    await rm(directory, { recursive: true });
  });

  for (const fileSystem of ['ext4', 'xfs']) {
    it(`keeps what it acknowledged over ${POWER_LOSSES} power losses on ${fileSystem}`, async function () {
      if (!(await haveRootTools(`mkfs.${fileSystem}`, 'xfs_io', 'losetup'))) return this.skip();
      const parent = await mkdtemp(join(tmpdir(), 'weir-power-'));
      const image = join(parent, 'image');
      const mount = join(parent, 'mount');
      try {
        await run('truncate', '-s', '400M', image);
        await run(`mkfs.${fileSystem}`, '-q', image);
        await run('mkdir', mount);
        const acknowledged = new Set<number>();
        for (let cycle = 0; cycle < POWER_LOSSES; cycle++)
          await losePower(image, mount, cycle * 100_000, acknowledged);
      } finally {
        await rm(parent, { recursive: true });
      }
    });
  }
});

/**
 * One life on a mounted image that ends with the file system shut down under the writer. What is
 * acknowledged while that call runs does not count: on ext4 (Linux 6.18) an fdatasync then returns
 * success for bytes that are lost, as a bare loop of write and fdatasync showed in 18 of 200 cycles.
 */
async function losePower(
  image: string,
  mount: string,
  first: number,
  acknowledged: Set<number>,
): Promise<void> {
  const directory = join(mount, 'store');
  await run('mount', '-o', 'loop', image, mount);
  try {
    const acknowledgedNow = new Set<number>();
    const writer = startWriter(directory, first, acknowledgedNow);
    try {
      await writer.hasWritten(200);
      for (const n of acknowledgedNow) acknowledged.add(n);
      await run('xfs_io', '-x', '-c', 'shutdown', mount);
    } finally {
      await writer.kill();
    }
  } finally {
    await run('umount', mount);
  }
  await run('mount', '-o', 'loop', image, mount);
  try {
    await verify(directory, acknowledged);
  } finally {
    await run('umount', mount);
  }
}

interface Writer {
  readonly pid: number | undefined;
  /** Waits for that many acknowledgements, of this writer. */
  hasWritten(count: number): Promise<void>;
  kill(): Promise<void>;
}

function startWriter(directory: string, first: number, acknowledged: Set<number>): Writer {
  const child: ChildProcess = spawn(process.execPath, [CHILD, directory, String(first)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(child, 'close');
  let count = 0;
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) acknowledged.add(Number(line));
    count += lines.length;
  });
  return {
    pid: child.pid,
    async hasWritten(wanted) {
      while (count < wanted) {
        if (child.exitCode !== null) throw new Error(`the writer ended with ${child.exitCode}`);
        await sleep(2);
      }
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function open(directory: string) {
  return openEmbeddedByteStore({ directory, files: systemFiles, reserveBytes: 0 });
}

async function verify(directory: string, acknowledged: ReadonlySet<number>): Promise<void> {
  const store = await open(directory);
  try {
    const numbers = [...acknowledged];
    const found = await store.get(numbers.map((n) => entryOf(n).key));
    const wrong = numbers.filter((n, at) => {
      const bytes = found[at];
      if (bytes === undefined) return isWantedKey(entryOf(n).key);
      return Buffer.compare(bytes, entryOf(n).bytes) !== 0;
    });
    expect(wrong, `of ${numbers.length} acknowledged`).to.deep.equal([]);
    expect((await store.check()).corrupt).to.deep.equal([]);
  } finally {
    await store.close();
  }
}
