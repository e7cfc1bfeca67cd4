import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** A directory in which a client works, with nothing of this user's own set-up. */
export interface Workplace extends AsyncDisposable {
  readonly path: string;
  /** Runs a program there and gives its standard output. Rejects, with what it said, unless it ends with 0. */
  run(program: string, ...args: readonly string[]): Promise<Buffer>;
}

/** `environment` is all the programs get besides PATH; HOME is the directory. */
export async function openWorkplace(environment: Readonly<Record<string, string>> = {}): Promise<Workplace> {
  const path = await mkdtemp(join(tmpdir(), 'weir-peer-'));
  const env = { PATH: process.env['PATH'] ?? '', HOME: path, LC_ALL: 'C', ...environment };
  return {
    path,
    async run(program, ...args) {
      const options = { cwd: path, env, timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES };
      const { stdout } = await run(program, args, { ...options, encoding: 'buffer' });
      return stdout;
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}
