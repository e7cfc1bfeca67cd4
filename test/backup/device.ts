import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type BackupOptions, backup } from '../../backup/agent/backup.ts';
import { type RestoreOptions, restore } from '../../backup/agent/restore.ts';
import { type Enrolment, openSession } from '../../backup/agent/session.ts';
import type { Tally } from '../../backup/agent/tally.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { WeirError } from '../../src/base/errors.ts';
import type { Snapshot } from '../../src/wire/snapshots.ts';

/** What one backup came to. */
export interface Outcome {
  readonly snapshot: Snapshot;
  readonly tally: Tally;
  readonly up: number;
  readonly problems: readonly WeirError[];
}

/** A device that backs up `paths` with the real agent and keeps its cache in `state`. */
export interface TestDevice {
  readonly enrolment: Enrolment;
  readonly cachePath: string;
  backup(overrides?: Partial<BackupOptions>): Promise<Outcome>;
  restore(
    path: string,
    target: string,
    overrides?: Partial<RestoreOptions>,
  ): Promise<{ restored: number; kept: number; problems: readonly WeirError[] }>;
}

export function testDevice(enrolment: Enrolment, state: string, paths: readonly string[]): TestDevice {
  const cachePath = join(state, `${randomBytes(4).toString('hex')}.cache`);
  return {
    enrolment,
    cachePath,
    async backup(overrides = {}) {
      const problems: WeirError[] = [];
      const { snapshot, tally, lineBytes } = await backup({
        enrolment,
        paths,
        tags: [],
        cachePath,
        // Later than any file was made, so that every file counts as settled.
        clock: { ...systemClock, wallMs: () => systemClock.wallMs() + 1000 },
        isExcluded: () => false,
        maxFileBytes: Number.POSITIVE_INFINITY,
        isOneFileSystem: false,
        excludesCaches: false,
        isFull: false,
        onProblem: (error) => problems.push(error),
        onStart: () => undefined,
        ...overrides,
      });
      return { snapshot, tally, up: lineBytes.up, problems };
    },
    async restore(path, target, overrides = {}) {
      const problems: WeirError[] = [];
      const session = await openSession(enrolment);
      try {
        const { progress } = await restore({
          session,
          snapshot: 'latest',
          path,
          target,
          overwrite: 'if-older',
          metadata: { setsOwner: process.getuid?.() === 0, keepsSetuid: true },
          isDryRun: false,
          isWanted: () => true,
          onProblem: (error) => problems.push(error),
          onStart: () => undefined,
          ...overrides,
        });
        return { restored: progress.files, kept: progress.keptFiles, problems };
      } finally {
        session.close();
      }
    },
  };
}

/** The code an action fails with, or undefined when it does not fail. */
export async function codeOf(action: Promise<unknown>): Promise<string | undefined> {
  try {
    await action;
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error
      ? String(error.code)
      : `not a WeirError: ${String(error)}`;
  }
}

export function codes(problems: readonly WeirError[]): string[] {
  return problems.map(({ code }) => code);
}
