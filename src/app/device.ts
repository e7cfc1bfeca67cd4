import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Enrolment } from '../../backup/agent/session.ts';
import { replaceFile } from '../base/durable-write.ts';
import { systemCode, WeirError } from '../base/errors.ts';
import { systemFiles } from '../base/files.ts';
import { decodeInvitation, encodeInvitation } from '../wire/invitation.ts';

/** The subscriber's side of this machine: its enrolment and what its backups remember. */
export interface Device {
  /** Kept in the form of an invitation, with the device's own token. WEIR_NOT_ENROLLED before `weir setup`. */
  enrolment(): Promise<Enrolment>;
  isEnrolled(): Promise<boolean>;
  enrol(enrolment: Enrolment): Promise<void>;
  /** Where the cache of one set of paths is kept. */
  cachePath(paths: readonly string[]): string;
  /** One backup at a time: WEIR_LOCKED names the process that is at work. */
  lock(): Promise<AsyncDisposable>;
}

/** The state directory: `--state`, WEIR_STATE, or `weir` in the user's XDG state directory. */
export function stateDirectory(flag: string | undefined): string {
  const xdg = process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state');
  return flag ?? process.env['WEIR_STATE'] ?? join(xdg, 'weir');
}

export async function openDevice(directory: string): Promise<Device> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const enrolmentPath = join(directory, 'enrolment');

  async function read(): Promise<Enrolment | undefined> {
    const text = await readFile(enrolmentPath, 'utf8').catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    try {
      return decodeInvitation(text);
    } catch (cause) {
      throw new WeirError('WEIR_NOT_ENROLLED', `${enrolmentPath} is damaged`, { cause });
    }
  }

  return {
    async enrolment() {
      return (await read()) ?? notEnrolled();
    },
    isEnrolled: async () => (await read()) !== undefined,
    async enrol(enrolment) {
      await replaceFile(systemFiles, enrolmentPath, Buffer.from(`${encodeInvitation(enrolment)}\n`));
    },
    cachePath(paths) {
      const name = createHash('sha256')
        .update(paths.toSorted().join('\0'), 'latin1')
        .digest('hex')
        .slice(0, 16);
      return join(directory, `files-${name}.cache`);
    },
    lock: () => lockFile(join(directory, 'backup.lock')),
  };
}

const LOCK_ATTEMPTS = 3;

/** A file naming its owner. One whose owner is gone is taken over. */
async function lockFile(path: string): Promise<AsyncDisposable> {
  for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(`${process.pid}\n`);
      await file.close();
      return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
    }
    const pid = Number((await readFile(path, 'utf8').catch(() => '')).trim());
    if (isRunning(pid))
      throw new WeirError('WEIR_LOCKED', `process ${pid} is backing up`, { facts: { pid, path } });
    await rm(path, { force: true });
  }
  throw new WeirError('WEIR_LOCKED', `${path} cannot be taken`, { facts: { path } });
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

function notEnrolled(): never {
  throw new WeirError('WEIR_NOT_ENROLLED', 'this device is not enrolled with a provider');
}
