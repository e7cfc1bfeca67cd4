import { execFile } from 'node:child_process';
import { systemCode, WeirError } from '../../base/errors.ts';

const TIMEOUT_MS = 10_000;
/** Where distributions keep them, also for those whose PATH leaves it out. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/**
 * Runs `nft` or `ip` and gives its output. WEIR_NFT_MISSING, WEIR_NFT_DENIED, or WEIR_NFT_FAILED
 * with what the program said.
 */
export function run(program: 'nft' | 'ip', args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: TIMEOUT_MS, env: { ...process.env, PATH, LC_ALL: 'C' } };
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(failureOf(program, args, error, stderr));
    });
    child.stdin?.on('error', () => {
      // A program that ended without reading tells why by its exit.
    });
    child.stdin?.end(input);
  });
}

function failureOf(program: string, args: readonly string[], cause: Error, stderr: string): WeirError {
  const command = [program, ...args].join(' ');
  if (systemCode(cause) === 'ENOENT')
    return new WeirError('WEIR_NFT_MISSING', `the program ${program} is not installed`, { cause });
  if (/not permitted|permission denied/i.test(stderr))
    return new WeirError('WEIR_NFT_DENIED', `'${command}' needs rights that this user lacks`, { cause });
  const said = stderr.trim().split('\n').slice(0, 2).join(' ');
  return new WeirError('WEIR_NFT_FAILED', `'${command}' failed: ${said || cause.message}`, {
    facts: { command, stderr },
    cause,
  });
}
