import { expect } from 'chai';
import { systemCode } from '../../src/base/errors.ts';
import type { ByteStore } from '../../src/store/byte-store.ts';
import { entryOf, openSimulated, sweepNumbers } from './byte-store-scenario.ts';
import {
  createChance,
  createSimulatedFiles,
  type Fault,
  type Operation,
  type SimulatedFiles,
} from './simulated-files.ts';

/** Open, enough puts to seal twice, a sweep, reads, close, open again, one more put, another sweep. */
const PUTS = [[1, 2], [3], [4, 5, 6], [7], [8, 9, 10], [11, 1], [12, 13]];
const LAST_PUT = [14, 2];
const SWEPT = [new Set([2, 5, 8]), new Set([3, 4, 13])] as const;
const PASSING_BELOW = 7;

describe('byte store, every file operation fails', function () {
  this.timeout(60_000);

  for (const fault of ['EIO', 'ENOSPC', 'kill', 'power'] as const) {
    it(`${fault} once, for every operation`, () => forEveryOperation(fault, false));
  }
  it('a sync fails and what it left cannot be taken back', () => forEveryOperation('EIO', false, 'truncate'));

  for (const fault of ['EIO', 'ENOSPC'] as const) {
    it(`${fault} from an operation on, for every operation`, () => forEveryOperation(fault, true));
  }
});

/** `alsoFails`: what fails besides, the next time it comes. */
async function forEveryOperation(
  fault: Fault,
  isPersistent: boolean,
  alsoFails?: Operation['name'],
): Promise<void> {
  const operations = await countOperations();
  expect(operations).to.be.greaterThan(60);
  for (let nth = 0; nth < operations; nth++) {
    const files = createSimulatedFiles(createChance(0));
    let isDue = alsoFails !== undefined;
    files.plan = ({ number, name }) => {
      if (number === nth || (isPersistent && number > nth)) return fault;
      if (!isDue || number < nth || name !== alsoFails) return undefined;
      isDue = false;
      return fault;
    };
    try {
      const promised = await scenario(files);
      await verify(files, promised);
    } catch (error) {
      throw new Error(`${fault} at operation ${nth}`, { cause: error });
    }
  }
}

async function countOperations(): Promise<number> {
  const files = createSimulatedFiles(createChance(0));
  const promised = await scenario(files);
  expect(promised.size).to.equal(14 - SWEPT[1].size);
  return files.operations;
}

/** Runs to the end whatever fails; what was acknowledged. */
async function scenario(files: SimulatedFiles): Promise<Set<number>> {
  const chance = createChance(1);
  const promised = new Set<number>();
  const first = await tolerant(() => openSimulated(files, chance));
  for (const chosen of PUTS) await put(first, chosen, promised);
  await sweep(first, SWEPT[0], promised);
  await tolerant(async () => first?.close());
  const second = await tolerant(() => openSimulated(files, chance));
  await put(second, LAST_PUT, promised);
  // What is there by chance is acknowledged too, and so must be durable.
  for (const chosen of PUTS) await put(second, chosen, promised);
  await sweep(second, SWEPT[1], promised);
  await tolerant(async () => second?.get([entryOf(3).key]));
  return promised;
}

async function sweep(
  store: ByteStore | undefined,
  gone: ReadonlySet<number>,
  promised: Set<number>,
): Promise<void> {
  if (store === undefined) return;
  for (const n of gone) promised.delete(n);
  const fateOf = (n: number) => (gone.has(n) ? 'gone' : n < PASSING_BELOW ? 'passing' : 'kept');
  await tolerant(() => sweepNumbers(store, 20, fateOf));
}

async function put(
  store: ByteStore | undefined,
  chosen: readonly number[],
  promised: Set<number>,
): Promise<void> {
  if (store === undefined) return;
  await tolerant(async () => {
    await store.put(chosen.map(entryOf), 'kept');
    for (const n of chosen) promised.add(n);
  });
}

/** Operating errors are the point; anything without a code is a defect. */
async function tolerant<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}

/** After a power loss everything promised is there, and the store works again. */
async function verify(files: SimulatedFiles, promised: ReadonlySet<number>): Promise<void> {
  files.plan = () => undefined;
  if (!files.isDown) files.powerLoss();
  files.restart();
  const store = await openSimulated(files, createChance(2));
  const keys = [...promised].map((n) => entryOf(n).key);
  for (const [at, bytes] of (await store.get(keys)).entries()) {
    const wanted = entryOf([...promised][at] ?? 0).bytes;
    expect(bytes !== undefined && Buffer.compare(bytes, wanted) === 0, `entry ${[...promised][at]}`).to.equal(
      true,
    );
  }
  await store.put([entryOf(15)], 'kept');
  expect((await store.check()).corrupt).to.deep.equal([]);
  const report = await sweepNumbers(store, 20, (n) => (promised.has(n) ? 'kept' : 'gone'));
  expect(report.isComplete).to.equal(true);
  expect(await store.has(keys)).to.deep.equal(keys.map(() => true));
  await store.close();
}
