import { lstatSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import ignore from 'ignore';
import { backup } from '../../../backup/agent/backup.ts';
import { systemClock } from '../../base/clock.ts';
import { WeirError } from '../../base/errors.ts';
import {
  MAX_SNAPSHOT_PATHS,
  MAX_SNAPSHOT_TAGS,
  MAX_SNAPSHOT_TEXT_BYTES,
  MAX_TEXT_BYTES,
} from '../../wire/limits.ts';
import type { Snapshot } from '../../wire/snapshots.ts';
import { fromByteString, toByteString } from '../byte-strings.ts';
import { openDevice, stateDirectory } from '../device.ts';
import { createOutput, formatBytes, formatDuration } from '../output.ts';
import { showProgress } from '../progress.ts';
import { countProblems } from './problems.ts';
import { describe, hex } from './snapshots.ts';
import type { DeviceFlags } from './with-session.ts';

export interface BackupFlags extends DeviceFlags {
  readonly exclude?: string[];
  readonly excludeFile?: string[];
  readonly excludeCaches?: boolean;
  readonly excludeLargerThan?: number;
  readonly full?: boolean;
  readonly oneFileSystem?: boolean;
  readonly tag?: string[];
}

export async function runBackup(paths: string[], flags: BackupFlags): Promise<void> {
  const output = createOutput(flags);
  const startedMs = systemClock.monotonicMs();
  const device = await openDevice(stateDirectory(flags.state));
  const enrolment = await device.enrolment();
  checkArguments(paths, flags.tag ?? []);
  await using _lock = await device.lock();
  const wanted = paths.map((path) => toByteString(resolve(path)));
  const problems = countProblems(output);
  let stop = () => undefined as void;
  const { snapshot, tally, lineBytes } = await backup({
    enrolment,
    paths: wanted,
    tags: flags.tag ?? [],
    cachePath: device.cachePath(wanted),
    clock: systemClock,
    isExcluded: await exclusions(flags),
    maxFileBytes: flags.excludeLargerThan ?? Number.POSITIVE_INFINITY,
    isOneFileSystem: flags.oneFileSystem === true,
    excludesCaches: flags.excludeCaches === true,
    isFull: flags.full === true,
    onProblem: problems.report,
    onStart(progress) {
      stop = showProgress(
        output,
        () =>
          `${progress.phase}: ${progress.scannedFiles} files, ${formatBytes(progress.scannedBytes)} · ` +
          `${formatBytes(progress.matchedBytes)} matched · ${formatBytes(progress.uploadedBytes)} uploaded`,
      );
    },
  }).finally(() => stop());
  const { bytes } = snapshot;
  const durationMs = systemClock.monotonicMs() - startedMs;
  output.result(
    `snapshot ${hex(snapshot.id).slice(0, 8)} of ${bytes.files} files in ${formatDuration(durationMs)}`,
  );
  output.result(sources(bytes));
  output.result(
    `${formatBytes(bytes.totalBytes)} protected · ${formatBytes(lineBytes.up)} sent · ${formatBytes(lineBytes.down)} received` +
      (problems.count > 0 ? ` · ${problems.count} left out` : ''),
  );
  output.json('backup', {
    ...describe(snapshot),
    lineBytes,
    readBytes: tally.readBytes,
    durationMs,
    problems: problems.count,
  });
  if (problems.count > 0) process.exitCode = problems.exitCode;
}

function sources({
  unchangedBytes,
  knownBytes,
  passedBytes,
  portionBytes,
  uploadedBytes,
}: Snapshot['bytes']): string {
  const parts = [
    [unchangedBytes, 'unchanged'],
    [knownBytes, 'known'],
    [passedBytes, 'had passed the provider'],
    [portionBytes, 'in portions'],
    [uploadedBytes, 'uploaded'],
  ] as const;
  const named = parts
    .filter(([bytes]) => bytes > 0)
    .map(([bytes, source]) => `${formatBytes(bytes)} ${source}`);
  return named.join(' · ') || 'nothing to protect';
}

/** What is better said before anything is read than after. */
function checkArguments(paths: readonly string[], tags: readonly string[]): void {
  const bytes = [...paths.map((path) => resolve(path)), ...tags].reduce(
    (sum, text) => sum + Buffer.byteLength(text) + 4,
    8,
  );
  if (bytes > MAX_SNAPSHOT_TEXT_BYTES) {
    usage(`paths and tags have more than ${MAX_SNAPSHOT_TEXT_BYTES} bytes; name a directory above them`);
  }
  if (paths.length > MAX_SNAPSHOT_PATHS)
    usage(`a snapshot names at most ${MAX_SNAPSHOT_PATHS} paths; name a directory above them`);
  if (tags.length > MAX_SNAPSHOT_TAGS) usage(`a snapshot has at most ${MAX_SNAPSHOT_TAGS} tags`);
  for (const tag of tags)
    if (Buffer.byteLength(tag) > MAX_TEXT_BYTES) usage(`a tag has at most ${MAX_TEXT_BYTES} bytes`);
  for (const path of paths) if (!lstatSync(path, { throwIfNoEntry: false })) usage(`there is no ${path}`);
}

function usage(reason: string): never {
  throw new WeirError('WEIR_USAGE', reason);
}

async function exclusions(flags: BackupFlags): Promise<(path: string, isDirectory: boolean) => boolean> {
  const rules = ignore().add(flags.exclude ?? []);
  for (const file of flags.excludeFile ?? []) rules.add(await readFile(file, 'utf8'));
  if (flags.exclude === undefined && flags.excludeFile === undefined) return () => false;
  return (path, isDirectory) => rules.ignores(fromByteString(path).slice(1) + (isDirectory ? '/' : ''));
}
