import { expect } from 'chai';
import fc from 'fast-check';
import type { ByteStore, Retention } from '../../src/store/byte-store.ts';
import { entryOf, openSimulated, sweepNumbers } from './byte-store-scenario.ts';
import { createChance, createSimulatedFiles, type SimulatedFiles } from './simulated-files.ts';

const RUNS = Number(process.env['WEIR_MODEL_RUNS'] ?? 2000);
const KEYS = 40;

/** What is there, and how its payload was last corrupted: a plain Map beside the real store. */
interface Real {
  readonly files: SimulatedFiles;
  store: ByteStore;
  open(): Promise<ByteStore>;
}

type Model = Set<number>;
type Command = fc.AsyncCommand<Model, Real>;

const numbers = fc.array(fc.nat(KEYS - 1), { minLength: 1, maxLength: 6 });
const retentions = fc.constantFrom<Retention>('passing', 'kept');

const commands = [
  fc.tuple(numbers, retentions).map(([chosen, retention]) => putCommand(chosen, retention)),
  fc.array(numbers, { minLength: 2, maxLength: 4 }).map(putAtOnceCommand),
  numbers.map(getCommand),
  fc
    .tuple(fc.array(fc.nat(KEYS - 1), { maxLength: KEYS }), fc.nat(KEYS))
    .map(([gone, keptBelow]) => sweepCommand(gone, keptBelow)),
  fc.constant(checkCommand()),
  fc.constantFrom('close', 'kill', 'powerLoss').map(reopenCommand),
  numbers.map(fullCommand),
];

describe('byte store, against a model', () => {
  it(`answers as a plain Map does, over ${RUNS} runs`, async function () {
    this.timeout(30_000 + RUNS * 10);
    const property = fc.asyncProperty(
      fc.nat(),
      fc.commands(commands, { maxCommands: 20, size: 'max' }),
      async (seed, run) => {
        const chance = createChance(seed);
        const files = createSimulatedFiles(chance);
        const open = () => openSimulated(files, chance);
        await fc.asyncModelRun(
          async () => ({ model: new Set<number>(), real: { files, store: await open(), open } }),
          run,
        );
      },
    );
    // A failure prints its seed and path.
    await fc.assert(property, { numRuns: RUNS });
  });
});

function putCommand(chosen: readonly number[], retention: Retention): Command {
  return command(`put(${chosen.join()}, ${retention})`, async (model, real) => {
    await real.store.put(chosen.map(entryOf), retention);
    for (const n of chosen) model.add(n);
  });
}

function putAtOnceCommand(puts: readonly (readonly number[])[]): Command {
  return command(`putAtOnce(${JSON.stringify(puts)})`, async (model, real) => {
    const retention = (at: number) => (at % 2 === 0 ? 'kept' : 'passing');
    await Promise.all(puts.map((chosen, at) => real.store.put(chosen.map(entryOf), retention(at))));
    for (const n of puts.flat()) model.add(n);
  });
}

function getCommand(chosen: readonly number[]): Command {
  return command(`get(${chosen.join()})`, async (model, { store }) => {
    const keys = chosen.map((n) => entryOf(n).key);
    expect(await store.has(keys)).to.deep.equal(chosen.map((n) => model.has(n)));
    for (const [at, bytes] of (await store.get(keys)).entries()) {
      const n = chosen[at] ?? 0;
      const wanted = model.has(n) ? entryOf(n).bytes : undefined;
      expect(bytes && Buffer.from(bytes)).to.deep.equal(wanted && Buffer.from(wanted));
    }
  });
}

/** What is gone may be passed over, and then stays; everything else is there as before. */
function sweepCommand(gone: readonly number[], keptBelow: number): Command {
  return command(`sweep(${gone.join()}; ${keptBelow})`, async (model, { store }) => {
    const retention = (n: number) => (n < keptBelow ? 'kept' : 'passing');
    const before = store.stats();
    const report = await sweepNumbers(store, KEYS, (n) => (gone.includes(n) ? 'gone' : retention(n)));
    expect(report.isComplete).to.equal(true);
    const told = gone.filter((n) => model.has(n));
    const isThere = await store.has(told.map((n) => entryOf(n).key));
    for (const [at, n] of told.entries()) if (isThere[at] !== true) model.delete(n);
    expect(store.stats().entries).to.equal(model.size);
    expect(before.storedBytes - store.stats().storedBytes).to.be.at.most(report.freedBytes);
  });
}

function checkCommand(): Command {
  return command('check', async (model, { store }) => {
    const report = await store.check();
    expect(report.corrupt).to.deep.equal([]);
    // A key put at once under both retentions may have a record in each, and counts once.
    expect([report.entries, store.stats().entries]).to.deep.equal([model.size, model.size]);
  });
}

function reopenCommand(how: 'close' | 'kill' | 'powerLoss'): Command {
  return command(how, async (_model, real) => {
    if (how === 'close') await real.store.close();
    else real.files[how]();
    real.files.restart();
    real.store = await real.open();
  });
}

function fullCommand(chosen: readonly number[]): Command {
  return command(`putWhileFull(${chosen.join()})`, async (model, real) => {
    real.files.plan = ({ name }) => (name === 'write' ? 'ENOSPC' : undefined);
    const isNew = chosen.some((n) => !model.has(n));
    const outcome = await real.store.put(chosen.map(entryOf), 'kept').then(
      () => 'done',
      (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
    );
    real.files.plan = () => undefined;
    expect(outcome).to.equal(isNew ? 'WEIR_STORE_FULL' : 'done');
  });
}

function command(text: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => text };
}
