import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export async function run(command: string, ...args: string[]): Promise<string> {
  return (await execute(command, args)).stdout;
}

/**
 * Whether this process is root, may mount, and has the commands. A caller skips its test when not,
 * unless the run must be complete (WEIR_REQUIRE_PEERS=1): then this throws.
 */
export async function haveRootTools(...commands: string[]): Promise<boolean> {
  const missing: string[] = process.getuid?.() === 0 ? [] : ['root'];
  for (const command of ['mount', 'umount', ...commands]) {
    await run('sh', '-c', `command -v ${command}`).catch(() => missing.push(command));
  }
  if (missing.length > 0 && process.env['WEIR_REQUIRE_PEERS'] === '1')
    throw new Error(`missing: ${missing.join(', ')}`);
  return missing.length === 0;
}
