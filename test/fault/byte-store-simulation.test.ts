import { expect } from 'chai';
import { systemCode, WeirError } from '../../src/base/errors.ts';
import type { ByteStore } from '../../src/store/byte-store.ts';
import { entryOf, openSimulated, sweepNumbers } from './byte-store-scenario.ts';
import {
  type Chance,
  createChance,
  createSimulatedFiles,
  type Fault,
  type SimulatedFiles,
} from './simulated-files.ts';

const SEEDS = Number(process.env['WEIR_SIMULATION_SEEDS'] ?? 2000);
const FIRST_SEED = Number(process.env['WEIR_SIMULATION_FIRST'] ?? 1);
const PLANTED_SEEDS = 100;
const GENERATIONS = 4;
const KEYS = 24;
const ROUNDS = 6;

/** What a run knows of its store. */
interface World {
  readonly files: SimulatedFiles;
  readonly chance: Chance;
  /** Acknowledged by a put, or seen: must be there ever after, unless a sweep is told that it is gone. */
  readonly promised: Set<number>;
  /** What the sweep under way was told, and how many have begun. */
  gone: ReadonlySet<number>;
  sweeps: number;
  isSweeping: boolean;
  /** Nothing is put while a sweep runs. */
  readonly sweepsAlone: boolean;
}

/** Makes a bug of the store out of a file system that forgets an operation. */
type Sabotage = (world: World) => void;

describe('byte store, simulated crashes', function () {
  this.timeout(60_000 + SEEDS * 10);

  it(`keeps what it acknowledged or showed, over ${SEEDS} seeds`, async () => {
    const failure = await firstFailure(SEEDS);
    if (failure === undefined) return;
    const { seed, error } = failure;
    throw new Error(`WEIR_SIMULATION_FIRST=${seed} WEIR_SIMULATION_SEEDS=1 repeats it`, { cause: error });
  });

  it('finds a store that does not sync its segments', async () => {
    expect(await firstFailure(PLANTED_SEEDS, withoutDatasync)).to.not.equal(undefined);
  });

  it('finds a store that does not sync its directories', async () => {
    const forget: Sabotage = ({ files }) => (files.syncDirectory = async () => {});
    expect(await firstFailure(PLANTED_SEEDS, forget)).to.not.equal(undefined);
  });

  it('finds a sweep that removes segments before their copies are durable', async () => {
    expect(await firstFailure(PLANTED_SEEDS, withoutDatasyncInSweeps, true)).to.not.equal(undefined);
    expect(await firstFailure(PLANTED_SEEDS, () => {}, true)).to.equal(undefined);
  });
});

function withoutDatasync({ files }: World): void {
  const { open } = files;
  files.open = async (path, mode) => ({ ...(await open(path, mode)), datasync: async () => {} });
}

function withoutDatasyncInSweeps(world: World): void {
  const { open } = world.files;
  world.files.open = async (path, mode) => {
    const file = await open(path, mode);
    return { ...file, datasync: async () => (world.isSweeping ? undefined : file.datasync()) };
  };
}

async function firstFailure(
  seeds: number,
  sabotage: Sabotage = () => {},
  sweepsAlone = false,
): Promise<Failure | undefined> {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + seeds; seed++) {
    try {
      await runSeed(seed, sabotage, sweepsAlone);
    } catch (error) {
      return { seed, error };
    }
  }
  return undefined;
}

interface Failure {
  readonly seed: number;
  readonly error: unknown;
}

/** Several lives of one store; each ends in a kill or a power loss, at any operation. */
async function runSeed(seed: number, sabotage: Sabotage, sweepsAlone: boolean): Promise<void> {
  const chance = createChance(seed);
  const files = createSimulatedFiles(chance);
  const world: World = {
    files,
    chance,
    promised: new Set(),
    gone: new Set(),
    sweeps: 0,
    isSweeping: false,
    sweepsAlone,
  };
  sabotage(world);
  for (let generation = 0; generation < GENERATIONS; generation++) {
    files.plan = randomPlan(chance, files.operations);
    await live(world);
    files.plan = () => undefined;
    if (!files.isDown && chance() < 0.5) files.kill();
    else if (!files.isDown) files.powerLoss();
    files.restart();
    if (chance() < 0.5) await verify(world);
  }
  await verify(world);
}

function randomPlan(chance: Chance, from: number): SimulatedFiles['plan'] {
  const crashAt = from + Math.floor(chance() * 250);
  const crash: Fault = chance() < 0.5 ? 'kill' : 'power';
  const faultRate = chance() < 0.5 ? 0 : 0.03;
  return ({ number, name }) => {
    if (number === crashAt) return crash;
    if (chance() >= faultRate) return undefined;
    if (name === 'write') return chance() < 0.7 ? 'ENOSPC' : 'EIO';
    return name === 'sync' || name === 'syncdir' || name === 'truncate' || name === 'open'
      ? 'EIO'
      : undefined;
  };
}

async function live(world: World): Promise<void> {
  const { files, chance, sweepsAlone } = world;
  try {
    const store = await openSimulated(files, chance);
    for (let round = 0; round < ROUNDS && !files.isDown; round++) {
      const puts = Array.from({ length: 1 + Math.floor(chance() * 3) }, () => putSome(store, world));
      if (sweepsAlone) await Promise.all(puts);
      const sweeping = chance() < 0.4 ? [sweepSome(store, world)] : [];
      await Promise.all([...puts, ...sweeping, lookAround(store, world), lookAround(store, world)]);
    }
    if (chance() < 0.5) await store.close();
  } catch (error) {
    if (!isExpected(error)) throw error;
  }
}

async function putSome(store: ByteStore, world: World): Promise<void> {
  const { chance } = world;
  const chosen = Array.from({ length: 1 + Math.floor(chance() * 4) }, () => Math.floor(chance() * KEYS));
  for (let turns = Math.floor(chance() * 40); turns > 0; turns--) await Promise.resolve();
  const promise = promising(world);
  await tolerant(async () => {
    await store.put(chosen.map(entryOf), chance() < 0.5 ? 'kept' : 'passing');
    for (const n of chosen) promise(n);
  });
}

/** Says that some are gone, and of the others which are kept. */
async function sweepSome(store: ByteStore, world: World): Promise<void> {
  const { chance, promised } = world;
  for (let turns = Math.floor(chance() * 40); turns > 0; turns--) await Promise.resolve();
  const gone = new Set(Array.from({ length: KEYS / 2 }, () => Math.floor(chance() * KEYS)));
  const keptBelow = Math.floor(chance() * KEYS);
  for (const n of gone) promised.delete(n);
  Object.assign(world, { gone, isSweeping: true, sweeps: world.sweeps + 1 });
  await tolerant(() =>
    sweepNumbers(store, KEYS, (n) => (gone.has(n) ? 'gone' : n < keptBelow ? 'kept' : 'passing')),
  );
  Object.assign(world, { gone: new Set(), isSweeping: false });
}

async function lookAround(store: ByteStore, world: World): Promise<void> {
  const { chance, promised } = world;
  for (let turns = Math.floor(chance() * 40); turns > 0; turns--) await Promise.resolve();
  const n = Math.floor(chance() * KEYS);
  const wasPromised = promised.has(n);
  const promise = promising(world);
  const { sweeps } = world;
  await tolerant(async () => {
    if (chance() < 0.5) {
      const [isThere] = await store.has([entryOf(n).key]);
      if (isThere) promise(n);
      return;
    }
    const [bytes] = await store.get([entryOf(n).key]);
    if (bytes !== undefined) expect(Buffer.compare(bytes, entryOf(n).bytes), `bytes of ${n}`).to.equal(0);
    // A sweep that began meanwhile may have taken it.
    const isDoomed = world.sweeps > sweeps && !promised.has(n);
    if (bytes === undefined && wasPromised && !isDoomed) expect.fail(`${n} was promised and is not there`);
    if (bytes !== undefined && !world.gone.has(n)) promise(n);
  });
}

/** Promises what is asked for from now on; a sweep that begins later may still take it. */
function promising(world: World): (n: number) => void {
  const { sweeps } = world;
  return (n) => {
    if (world.sweeps === sweeps || !world.gone.has(n)) world.promised.add(n);
  };
}

/** Opens once more without faults: everything promised is there, and nothing is wrong. */
async function verify({ files, chance, promised }: World): Promise<void> {
  const store = await openSimulated(files, chance);
  const all = Array.from({ length: KEYS }, (_, n) => n);
  const found = await store.get(all.map((n) => entryOf(n).key));
  for (const n of all) {
    const bytes = found[n];
    if (bytes === undefined) expect(promised.has(n), `${n} was promised and is lost`).to.equal(false);
    else expect(Buffer.compare(bytes, entryOf(n).bytes), `bytes of ${n}`).to.equal(0);
    if (bytes !== undefined) promised.add(n);
  }
  const report = await store.check();
  expect(report.corrupt).to.deep.equal([]);
  const there = found.filter((bytes) => bytes !== undefined).length;
  expect([report.entries, store.stats().entries], 'each key counts once').to.deep.equal([there, there]);
  await store.close();
}

async function tolerant(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isExpected(error)) throw error;
  }
}

function isExpected(error: unknown): boolean {
  if (systemCode(error) === 'EDOWN') return true;
  return (
    error instanceof WeirError && (error.code === 'WEIR_STORE_FULL' || error.code === 'WEIR_STORE_FAILED')
  );
}
