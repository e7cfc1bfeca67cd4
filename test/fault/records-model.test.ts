import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { silentLog } from '../../src/base/log.ts';
import { openEmbeddedRecords } from '../../src/store/embedded/records.ts';
import { openMemoryRecords } from '../../src/store/memory/records.ts';
import {
  deleteRecord,
  expectRecord,
  type Operation,
  putRecord,
  type Range,
  type Records,
} from '../../src/store/records.ts';
import { codeOf, key, type Thing, things } from '../contract/record-fixtures.ts';

const RUNS = Number(process.env['WEIR_MODEL_RUNS'] ?? 120);

/** Few keys, so that commands meet. */
const keys = fc.uint8Array({ minLength: 0, maxLength: 1, max: 5 });
const thing: fc.Arbitrary<Thing> = fc.record(
  {
    text: fc.constantFrom('', 'a', 'b', 'c'.repeat(5_000)),
    serial: fc.integer({ min: 0, max: 3 }),
    days: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
  },
  { requiredKeys: ['text'] },
);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(keys, thing).map(([key, value]) => putRecord(things, key, value)) },
  { weight: 2, arbitrary: keys.map((key) => deleteRecord(things, key)) },
  { weight: 1, arbitrary: keys.map((key) => expectRecord(things, key, undefined)) },
);
const group = fc.array(operation, { maxLength: 4 });
const range: fc.Arbitrary<Range> = fc.record(
  { index: fc.constantFrom('serial', 'day'), from: keys, to: keys, limit: fc.integer({ min: 0, max: 4 }) },
  { requiredKeys: [] },
);

type Command =
  | { readonly kind: 'write'; readonly groups: readonly Operation[][] }
  | { readonly kind: 'touch'; readonly key: Uint8Array; readonly value: Thing }
  | { readonly kind: 'range'; readonly range: Range }
  | { readonly kind: 'reopen' };

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .array(group, { minLength: 1, maxLength: 4 })
      .map((groups) => ({ kind: 'write' as const, groups })),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(keys, thing).map(([key, value]) => ({ kind: 'touch' as const, key, value })),
  },
  { weight: 3, arbitrary: range.map((range) => ({ kind: 'range' as const, range })) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
);

describe('records: the embedded driver against the memory driver', () => {
  it('answers every sequence of commands alike, over reopenings', async () => {
    await fc.assert(fc.asyncProperty(fc.array(command, { maxLength: 30 }), runBoth), {
      numRuns: RUNS,
      verbose: fc.VerbosityLevel.Verbose,
    });
  }).timeout(60_000);
});

async function runBoth(commands: readonly Command[]): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-records-model-'));
  const open = () => openEmbeddedRecords({ path: join(directory, 'records.db'), log: silentLog });
  const model = openMemoryRecords();
  let records = await open();
  try {
    for (const command of commands) {
      if (command.kind === 'reopen') {
        await records.close();
        records = await open();
      } else {
        expect(await run(records, command)).to.deep.equal(await run(model, command));
      }
    }
    expect(await everything(records)).to.deep.equal(await everything(model));
  } finally {
    await records.close();
    await rm(directory, { recursive: true });
  }
}

/** What the store says to a command: outcomes of writes that run at once, or the records found. */
async function run(records: Records, command: Exclude<Command, { kind: 'reopen' }>): Promise<unknown> {
  switch (command.kind) {
    case 'write':
      return Promise.all(command.groups.map((group) => codeOf(records.write(group))));
    case 'touch': {
      const [before] = await records.get(things, [command.key]);
      const write = [
        expectRecord(things, command.key, before),
        putRecord(things, command.key, command.value),
      ];
      return [before, await codeOf(records.write(write))];
    }
    case 'range':
      return found(records, command.range);
  }
}

async function everything(records: Records): Promise<unknown> {
  const one = Array.from({ length: 6 }, (_, byte) => key(byte));
  return [
    await records.get(things, [key(), ...one]),
    await found(records, {}),
    await found(records, { index: 'serial' }),
    await found(records, { index: 'day' }),
  ];
}

async function found(records: Records, range: Range): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const { key, value } of records.range(things, range)) all.push([[...key], value]);
  return all;
}
