import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The program a person runs, compiled. */
export const WEIR = fileURLToPath(new URL('../../src/app/weir.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of stdout as JSON; only to be read of a run with `--json`. */
  readonly json: readonly Record<string, unknown>[];
}

/** Runs `weir` to its end. `uid` runs it as another user, which takes root. */
export async function weir(
  args: readonly string[],
  options: { uid?: number; input?: string } = {},
): Promise<Ended> {
  const { uid, input } = options;
  const user = uid === undefined ? {} : { uid, gid: uid };
  const child = spawn(process.execPath, [WEIR, ...args], { stdio: 'pipe', cwd: '/', ...user });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr.on('data', (bytes: Buffer) => err.push(bytes));
  await once(child, 'close');
  const stdout = Buffer.concat(out).toString();
  return {
    code: child.exitCode,
    stdout,
    stderr: Buffer.concat(err).toString(),
    get json() {
      return stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    },
  };
}
