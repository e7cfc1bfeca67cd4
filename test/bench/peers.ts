import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TableRow } from './table.ts';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly directory: string;
  /** Added to the environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Where one run of one contender happens. All but `source` is empty at first and removed afterwards. */
export interface Place {
  readonly source: string;
  readonly repository: string;
  readonly state: string;
  readonly target: string;
}

/** A program that backs up `source` to a fresh local repository and restores it to `target`. */
export interface Contender {
  readonly name: string;
  /** How it tells its version. A contender that cannot run this is missing. */
  readonly version: readonly [program: string, ...args: string[]];
  /** Not measured: starts what the program needs to run against. Gives how to stop it. */
  start?(place: Place): Promise<() => Promise<void>>;
  /** Not measured: makes the repository. */
  prepare?(place: Place): Command;
  backup(place: Place): Command;
  restore(place: Place): Command;
}

/** A program's whole life. CPU is user and system time of it and the children it waited for. */
export interface Measurement {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly maxRssBytes: number;
}

/** restic as it comes: zstd "auto" where the version has it, encryption always on. */
const restic: Contender = {
  name: 'restic',
  version: ['restic', 'version'],
  prepare: (place) => resticCommand(place, place.source, ['init']),
  backup: (place) => resticCommand(place, place.source, ['backup', '.']),
  restore: (place) => resticCommand(place, place.target, ['restore', 'latest', '--target', '.']),
};

/** borg as its manual begins: `--encryption=repokey`, lz4. */
const borg: Contender = {
  name: 'borg',
  version: ['borg', '--version'],
  prepare: (place) => borgCommand(place, place.source, ['init', '--encryption=repokey']),
  backup: (place) => borgCommand(place, place.source, ['create', '::one', '.']),
  restore: (place) => borgCommand(place, place.target, ['extract', '::one']),
};

export const PEERS: readonly Contender[] = [restic, borg];

export const COLUMNS = [
  'backup s',
  'backup CPU s',
  'backup MB RSS',
  'restore s',
  'restore CPU s',
  'restore MB RSS',
] as const;

/**
 * Measures each contender `repeats` times in turn (a, b, a, b …), so that a machine that slows
 * down slows all. The page cache is warm; dirty pages are written out between measurements. A
 * contender that is not installed gets a row that says so; one that fails throws.
 */
export async function measureContenders(
  contenders: readonly Contender[],
  source: string,
  repeats: number,
): Promise<TableRow[]> {
  const runs = await Promise.all(
    contenders.map(async (contender) => ({
      contender,
      version: await versionOf(contender),
      samples: Object.fromEntries(COLUMNS.map((column): [string, number[]] => [column, []])),
    })),
  );
  for (let i = 0; i < repeats; i++) {
    for (const { contender, version, samples } of runs) {
      if (version === undefined) continue;
      const values = await measureOnce(contender, source);
      for (const [j, column] of COLUMNS.entries()) samples[column]?.push(values[j] ?? Number.NaN);
    }
  }
  return runs.map(({ contender, version, samples }) => ({
    name: contender.name,
    samples: version === undefined ? {} : samples,
    note: version ?? 'missing: not installed',
  }));
}

/** Runs a command to its end under GNU time. Throws with its last words when it fails. */
export async function measureCommand(command: Command): Promise<Measurement> {
  const startMs = performance.now();
  const { code, stderr } = await run({
    ...command,
    program: '/usr/bin/time',
    args: ['-q', '-f', '\n%U %S %M', command.program, ...command.args],
  });
  const wallMs = performance.now() - startMs;
  if (code !== 0)
    throw new Error(`${command.program} ${command.args.join(' ')} ended with ${code}: ${stderr}`);
  const [userS = 0, systemS = 0, rssKiB = 0] = (stderr.trim().split('\n').at(-1) ?? '')
    .split(' ')
    .map(Number);
  return { wallMs, cpuMs: (userS + systemS) * 1000, maxRssBytes: rssKiB * 1024 };
}

async function measureOnce(contender: Contender, source: string): Promise<number[]> {
  const root = await mkdtemp(join(tmpdir(), 'weir-bench-'));
  try {
    const place = {
      source,
      repository: join(root, 'repository'),
      state: join(root, 'state'),
      target: join(root, 'target'),
    };
    for (const directory of [place.repository, place.state, place.target]) await mkdir(directory);
    const stop = await contender.start?.(place);
    try {
      if (contender.prepare !== undefined) await measureCommand(contender.prepare(place));
      const values: number[] = [];
      for (const command of [contender.backup(place), contender.restore(place)]) {
        await run({ program: 'sync', args: [], directory: root });
        const { wallMs, cpuMs, maxRssBytes } = await measureCommand(command);
        values.push(wallMs / 1000, cpuMs / 1000, maxRssBytes / 1e6);
      }
      return values;
    } finally {
      await stop?.();
    }
  } finally {
    await rm(root, { recursive: true });
  }
}

/** The first line a contender says about its version, or undefined when it is not installed. */
async function versionOf({ version: [program, ...args] }: Contender): Promise<string | undefined> {
  try {
    const { stdout } = await run({ program, args, directory: '/' });
    return stdout.split('\n')[0];
  } catch {
    return undefined;
  }
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const MAX_OUTPUT_CHARACTERS = 4096;

function run(command: Command): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command.program, command.args, {
      cwd: command.directory,
      env: { ...process.env, ...command.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (text: string) => {
        said[stream] = (said[stream] + text).slice(-MAX_OUTPUT_CHARACTERS);
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...said }));
  });
}

function resticCommand(place: Place, directory: string, args: readonly string[]): Command {
  return {
    program: 'restic',
    args,
    directory,
    environment: {
      RESTIC_REPOSITORY: place.repository,
      RESTIC_PASSWORD: 'weir',
      RESTIC_CACHE_DIR: place.state,
    },
  };
}

function borgCommand(place: Place, directory: string, args: readonly string[]): Command {
  return {
    program: 'borg',
    args,
    directory,
    environment: { BORG_REPO: place.repository, BORG_PASSPHRASE: 'weir', BORG_BASE_DIR: place.state },
  };
}
