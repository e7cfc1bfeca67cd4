import { writeSync } from 'node:fs';
import { silentLog } from '../../src/base/log.ts';
import { openEmbeddedRecords } from '../../src/store/embedded/records.ts';
import { putRecord, type Records } from '../../src/store/records.ts';
import { codeOf, things } from '../contract/record-fixtures.ts';

/**
 * The program of the fault tests: `node records-child.js MODE PATH FIRST`. It says on stdout, one
 * line each: `open`, `acknowledged N` after group N is durable, `refused CODE` when it is not.
 */
const [mode, path = '', first = '0'] = process.argv.slice(2);

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

/** Group `n` is two records and their index keys; `text` is long so that pages overflow. */
async function writeGroup(records: Records, n: number): Promise<void> {
  const key = (part: number) => Buffer.from([n >> 16, n >> 8, n, part]);
  const value = { text: `${n}`.repeat(200), days: [n & 255] };
  const code = await codeOf(
    records.write([putRecord(things, key(0), value), putRecord(things, key(1), value)]),
  );
  say(code === 'resolved' ? `acknowledged ${n}` : `refused ${code}`);
}

/** Until killed, eight groups at a time. */
async function writeForever(records: Records): Promise<void> {
  for (let n = Number(first); ; n += 8) {
    await Promise.all(Array.from({ length: 8 }, (_, i) => writeGroup(records, n + i)));
  }
}

/** Ten groups one by one, then reads back the first. */
async function writeTen(records: Records): Promise<void> {
  for (let n = 0; n < 10; n += 1) await writeGroup(records, n);
  const [found] = await records.get(things, [Buffer.from([0, 0, 0, 0])]);
  say(`read ${found?.text.length}`);
}

const records = await openEmbeddedRecords({ path, log: silentLog });
say('open');
if (mode === 'forever') await writeForever(records);
if (mode === 'ten') await writeTen(records);
if (mode === 'hold') setInterval(() => undefined, 1_000);
