import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { silentLog } from '../../src/base/log.ts';
import { openEmbeddedRecords } from '../../src/store/embedded/records.ts';
import { putRecord } from '../../src/store/records.ts';
import { blobs, codeOf, key, keysOf, things } from '../contract/record-fixtures.ts';

const CYCLES = Number(process.env['WEIR_KILL_CYCLES'] ?? 10);
const PROGRAM = fileURLToPath(new URL('./records-child.js', import.meta.url));

describe('records: a process that is killed', () => {
  let directory: string;
  let path: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weir-records-kill-'));
    path = join(directory, 'records.db');
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('has kept every group it acknowledged, and no group in part', async () => {
    let acknowledged = -1;
    for (let cycle = 0; cycle < CYCLES; cycle += 1) {
      acknowledged = Math.max(acknowledged, await writeAndKill(path, acknowledged + 1, 20 + cycle * 7));
      const records = await openEmbeddedRecords({ path, log: silentLog });
      const keys = new Set(await keysOf(records, things));
      const byDay = await keysOf(records, things, { index: 'day' });
      await records.close();
      for (let n = 0; n <= acknowledged; n += 1) {
        expect(
          keys.has(recordKey(n, 0)) && keys.has(recordKey(n, 1)),
          `group ${n} in cycle ${cycle}`,
        ).to.equal(true);
      }
      for (const key of keys)
        expect(keys.has(`${key.slice(0, 6)}${key.endsWith('0') ? '01' : '00'}`)).to.equal(true);
      expect(byDay.toSorted()).to.deep.equal([...keys].toSorted());
    }
    expect(acknowledged).to.be.greaterThan(8 * CYCLES);
  }).timeout(30_000);

  it('shuts others out while it lives, and nobody once it is killed', async () => {
    const child = start('hold', path);
    await once(createInterface(child.stdout), 'line');
    expect(await codeOf(openEmbeddedRecords({ path, log: silentLog }))).to.equal('WEIR_LOCKED');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const records = await openEmbeddedRecords({ path, log: silentLog });
    expect(await codeOf(openEmbeddedRecords({ path, log: silentLog }))).to.equal('WEIR_LOCKED');
    await records.write([putRecord(blobs, key(1), key(1))]);
    await records.close();
  });
});

/** The last group that was acknowledged. */
async function writeAndKill(path: string, first: number, afterMs: number): Promise<number> {
  const child = start('forever', path, String(first));
  const lines: string[] = [];
  const reader = createInterface(child.stdout);
  reader.on('line', (line) => lines.push(line));
  await once(reader, 'line');
  await delay(afterMs);
  child.kill('SIGKILL');
  await once(reader, 'close');
  expect(lines.filter((line) => line.startsWith('refused'))).to.deep.equal([]);
  const numbers = lines
    .filter((line) => line.startsWith('acknowledged '))
    .map((line) => Number(line.split(' ')[1]));
  return Math.max(-1, ...numbers);
}

function start(mode: string, path: string, first = '0'): ChildProcessByStdio<null, Readable, null> {
  return spawn(process.execPath, [PROGRAM, mode, path, first], { stdio: ['ignore', 'pipe', 'inherit'] });
}

function recordKey(n: number, part: number): string {
  return Buffer.from([n >> 16, n >> 8, n, part]).toString('hex');
}
