import { resolve } from 'node:path';
import ignore from 'ignore';
import { type Overwrite, restore } from '../../../backup/agent/restore.ts';
import { systemClock } from '../../base/clock.ts';
import { fromByteString, toByteString } from '../byte-strings.ts';
import { createOutput, formatBytes, formatDuration } from '../output.ts';
import { showProgress } from '../progress.ts';
import { countProblems } from './problems.ts';
import { parseSpec } from './snapshots.ts';
import { type DeviceFlags, withSession } from './with-session.ts';

export interface RestoreFlags extends DeviceFlags {
  readonly target: string;
  readonly overwrite: Overwrite;
  readonly include?: string[];
  readonly exclude?: string[];
  readonly keepSetuid?: boolean;
  readonly dryRun?: boolean;
}

export async function runRestore(spec: string, flags: RestoreFlags): Promise<void> {
  const output = createOutput(flags);
  const startedMs = systemClock.monotonicMs();
  const { snapshot, path } = parseSpec(spec);
  const problems = countProblems(output);
  await withSession(flags, async (session) => {
    let stop = () => undefined as void;
    const { progress } = await restore({
      session,
      snapshot,
      path,
      target: toByteString(resolve(flags.target)),
      overwrite: flags.overwrite,
      metadata: { setsOwner: process.geteuid?.() === 0, keepsSetuid: flags.keepSetuid === true },
      isDryRun: flags.dryRun === true,
      isWanted: wantedPaths(flags),
      onProblem: problems.report,
      onStart(now) {
        stop = showProgress(
          output,
          () =>
            `${now.files} of ${now.totalFiles} files, ${formatBytes(now.bytes)} of ${formatBytes(now.totalBytes)}`,
        );
      },
    }).finally(() => stop());
    const durationMs = systemClock.monotonicMs() - startedMs;
    const { up, down } = session.channel.lineBytes;
    const verb = flags.dryRun === true ? 'would be restored' : 'restored';
    const count = flags.dryRun === true ? progress.totalFiles - progress.keptFiles : progress.files;
    const kept = progress.keptFiles > 0 ? ` · ${progress.keptFiles} left as they are` : '';
    const failed = problems.count > 0 ? ` · ${problems.count} failed` : '';
    output.result(`${count} files ${verb}, verified, in ${formatDuration(durationMs)}`);
    output.result(`${formatBytes(progress.bytes)} restored · ${formatBytes(down)} received${kept}${failed}`);
    output.json('restore', { ...progress, lineBytes: { up, down }, durationMs, problems: problems.count });
  });
  if (problems.count > 0) process.exitCode = problems.exitCode;
}

function wantedPaths({ include, exclude }: RestoreFlags): (path: string, isDirectory: boolean) => boolean {
  const included = include && ignore().add(include);
  const excluded = exclude && ignore().add(exclude);
  return (path, isDirectory) => {
    const shown = fromByteString(path) + (isDirectory ? '/' : '');
    return (included === undefined || included.ignores(shown)) && excluded?.ignores(shown) !== true;
  };
}
