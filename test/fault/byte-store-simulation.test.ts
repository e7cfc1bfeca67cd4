import { expect } from 'chai';
import { systemCode, WeirError } from '../../src/base/errors.ts';
import type { ByteStore } from '../../src/store/byte-store.ts';
import { entryOf, openSimulated } from './byte-store-scenario.ts';
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

/** Makes a bug of the store out of a file system that forgets an operation. */
type Sabotage = (files: SimulatedFiles) => void;

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
    expect(await firstFailure(PLANTED_SEEDS, (files) => (files.syncDirectory = async () => {}))).to.not.equal(
      undefined,
    );
  });
});

function withoutDatasync(files: SimulatedFiles): void {
  const { open } = files;
  files.open = async (path, mode) => ({ ...(await open(path, mode)), datasync: async () => {} });
}

async function firstFailure(seeds: number, sabotage: Sabotage = () => {}): Promise<Failure | undefined> {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + seeds; seed++) {
    try {
      await runSeed(seed, sabotage);
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
async function runSeed(seed: number, sabotage: Sabotage): Promise<void> {
  const chance = createChance(seed);
  const files = createSimulatedFiles(chance);
  sabotage(files);
  /** Acknowledged by a put, or seen by a read: must be there ever after. */
  const promised = new Set<number>();
  for (let generation = 0; generation < GENERATIONS; generation++) {
    files.plan = randomPlan(chance, files.operations);
    await live(files, chance, promised);
    files.plan = () => undefined;
    if (!files.isDown && chance() < 0.5) files.kill();
    else if (!files.isDown) files.powerLoss();
    files.restart();
    if (chance() < 0.5) await verify(files, chance, promised);
  }
  await verify(files, chance, promised);
}

function randomPlan(chance: Chance, from: number): SimulatedFiles['plan'] {
  const crashAt = from + Math.floor(chance() * 150);
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

async function live(files: SimulatedFiles, chance: Chance, promised: Set<number>): Promise<void> {
  try {
    const store = await openSimulated(files, chance);
    for (let round = 0; round < ROUNDS && !files.isDown; round++) {
      const puts = Array.from({ length: 1 + Math.floor(chance() * 3) }, () =>
        putSome(store, chance, promised),
      );
      await Promise.all([...puts, lookAround(store, chance, promised)]);
    }
    if (chance() < 0.5) await store.close();
  } catch (error) {
    if (!isExpected(error)) throw error;
  }
}

async function putSome(store: ByteStore, chance: Chance, promised: Set<number>): Promise<void> {
  const chosen = Array.from({ length: 1 + Math.floor(chance() * 4) }, () => Math.floor(chance() * KEYS));
  try {
    await store.put(chosen.map(entryOf), chance() < 0.5 ? 'kept' : 'passing');
    for (const n of chosen) promised.add(n);
  } catch (error) {
    if (!isExpected(error)) throw error;
  }
}

async function lookAround(store: ByteStore, chance: Chance, promised: Set<number>): Promise<void> {
  const n = Math.floor(chance() * KEYS);
  const wasPromised = promised.has(n);
  try {
    const [bytes] = await store.get([entryOf(n).key]);
    if (bytes !== undefined) expect(Buffer.compare(bytes, entryOf(n).bytes), `bytes of ${n}`).to.equal(0);
    if (bytes === undefined && wasPromised) expect.fail(`${n} was promised and is not there`);
    if (bytes !== undefined) promised.add(n);
  } catch (error) {
    if (!isExpected(error)) throw error;
  }
}

/** Opens once more without faults: everything promised is there, and nothing is wrong. */
async function verify(files: SimulatedFiles, chance: Chance, promised: Set<number>): Promise<void> {
  const store = await openSimulated(files, chance);
  const all = Array.from({ length: KEYS }, (_, n) => n);
  const found = await store.get(all.map((n) => entryOf(n).key));
  for (const n of all) {
    const bytes = found[n];
    if (bytes === undefined) expect(promised.has(n), `${n} was promised and is lost`).to.equal(false);
    else expect(Buffer.compare(bytes, entryOf(n).bytes), `bytes of ${n}`).to.equal(0);
    if (bytes !== undefined) promised.add(n);
  }
  expect((await store.check()).corrupt).to.deep.equal([]);
  await store.close();
}

function isExpected(error: unknown): boolean {
  if (systemCode(error) === 'EDOWN') return true;
  return (
    error instanceof WeirError && (error.code === 'WEIR_STORE_FULL' || error.code === 'WEIR_STORE_FAILED')
  );
}
