import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import ignore from 'ignore';
import { backup } from '../../../backup/agent/backup.ts';
import { enrolDevice } from '../../../backup/agent/enrol.ts';
import { type ListedEntry, type Listing, listSnapshot } from '../../../backup/agent/listing.ts';
import { type Overwrite, restore } from '../../../backup/agent/restore.ts';
import { type AgentSession, openSession } from '../../../backup/agent/session.ts';
import { WeirError } from '../../base/errors.ts';
import { decodeInvitation } from '../../wire/invitation.ts';
import { listSnapshots, type Snapshot, snapshots } from '../../wire/snapshots.ts';
import { openDevice, stateDirectory } from '../device.ts';
import {
  createOutput,
  formatBytes,
  formatDuration,
  formatTable,
  formatTime,
  type Output,
} from '../output.ts';
import { showProgress } from '../progress.ts';

interface DeviceFlags {
  readonly state?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** The commands of the subscriber's side. */
export function addSubscriberCommands(program: Command): void {
  withFlags(program.command('setup'))
    .description('enrol this device with the provider')
    .option('--invite <invitation>', 'the invitation your provider gave you ("-" reads it from stdin)')
    .option('--device <name>', 'what to call this device', hostname())
    .option('--again', 'enrol anew although this device is enrolled')
    .action(setup);
  withFlags(program.command('backup'))
    .argument('<paths...>')
    .description('protect files and directories; what the provider holds already is not sent')
    .option('--exclude <pattern...>', 'leave out what matches, as .gitignore reads it')
    .option('--exclude-file <file...>', 'read such patterns from a file')
    .option('--exclude-caches', 'leave out directories with a CACHEDIR.TAG')
    .option('--exclude-larger-than <bytes>', 'leave out larger files', parseSize)
    .option('--one-file-system', 'stay on the file system of each path')
    .option('--tag <tag...>', 'remember these words with the snapshot')
    .action(runBackup);
  withFlags(program.command('restore'))
    .argument('<snapshot[:path]>', '"latest" or the beginning of an id, and a path in it')
    .requiredOption('-t, --target <directory>', 'where to restore to')
    .option('--overwrite <when>', 'never, if-older, if-changed or always', parseOverwrite, 'if-older')
    .option('--include <pattern...>', 'restore only what matches')
    .option('--exclude <pattern...>', 'leave out what matches')
    .option('--keep-setuid', 'restore setuid, setgid and sticky bits')
    .option('-n, --dry-run', 'only say what would be restored')
    .description('bring files back, verified')
    .action(runRestore);
  withFlags(program.command('snapshots')).description('what was backed up when').action(runSnapshots);
  withFlags(program.command('ls'))
    .argument('<snapshot[:path]>')
    .option('-l, --long', 'with mode, size and time')
    .description('what a snapshot holds')
    .action(runLs);
  withFlags(program.command('status')).description('is this device protected?').action(runStatus);
}

function withFlags(command: Command): Command {
  return command
    .option('--state <directory>', 'where this device keeps its enrolment and cache')
    .option('--json', 'JSON lines on stdout')
    .option('-q, --quiet', 'nothing but the result and errors');
}

async function setup(
  flags: DeviceFlags & { invite?: string; device: string; again?: boolean },
): Promise<void> {
  const output = createOutput(flags);
  if (flags.invite === undefined)
    throw new WeirError('WEIR_NOT_ENROLLED', 'setup needs an invitation: --invite');
  const device = await openDevice(stateDirectory(flags.state));
  if ((await device.isEnrolled()) && flags.again !== true) {
    throw new WeirError('WEIR_ALREADY_ENROLLED', 'this device is enrolled');
  }
  const invitation = decodeInvitation(
    flags.invite === '-' ? await readFile('/dev/stdin', 'utf8') : flags.invite,
  );
  const { enrolment, subscriberName } = await enrolDevice(invitation, flags.device);
  await device.enrol(enrolment);
  output.result(`enrolled as ${subscriberName} on ${flags.device} with ${enrolment.host}:${enrolment.port}`);
  output.note('Next: weir backup PATH');
  output.json('enrolled', {
    subscriber: subscriberName,
    device: flags.device,
    host: enrolment.host,
    port: enrolment.port,
  });
}

interface BackupFlags extends DeviceFlags {
  readonly exclude?: string[];
  readonly excludeFile?: string[];
  readonly excludeCaches?: boolean;
  readonly excludeLargerThan?: number;
  readonly oneFileSystem?: boolean;
  readonly tag?: string[];
}

async function runBackup(paths: string[], flags: BackupFlags): Promise<void> {
  const output = createOutput(flags);
  const startedMs = performance.now();
  const device = await openDevice(stateDirectory(flags.state));
  const enrolment = await device.enrolment();
  await using _lock = await device.lock();
  const wanted = paths.map((path) => toByteString(resolve(path)));
  const problems = countProblems(output);
  let stop = () => undefined as void;
  const { snapshot, tally, lineBytes } = await backup({
    enrolment,
    paths: wanted,
    tags: flags.tag ?? [],
    cachePath: device.cachePath(wanted),
    nowNs: BigInt(Date.now()) * 1_000_000n,
    isExcluded: await exclusions(flags),
    maxFileBytes: flags.excludeLargerThan ?? Number.POSITIVE_INFINITY,
    isOneFileSystem: flags.oneFileSystem === true,
    excludesCaches: flags.excludeCaches === true,
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
  const durationMs = performance.now() - startedMs;
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

interface RestoreFlags extends DeviceFlags {
  readonly target: string;
  readonly overwrite: Overwrite;
  readonly include?: string[];
  readonly exclude?: string[];
  readonly keepSetuid?: boolean;
  readonly dryRun?: boolean;
}

async function runRestore(spec: string, flags: RestoreFlags): Promise<void> {
  const output = createOutput(flags);
  const startedMs = performance.now();
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
    const durationMs = performance.now() - startedMs;
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

async function runSnapshots(flags: DeviceFlags): Promise<void> {
  const output = createOutput(flags);
  const all = await withSession(flags, (session) => session.channel.call(listSnapshots, null, snapshots));
  for (const snapshot of all) output.json('snapshot', describe(snapshot));
  const rows = all.map(({ id, timeMs, deviceName, bytes, paths, tags }) => [
    hex(id).slice(0, 8),
    formatTime(timeMs),
    deviceName,
    formatBytes(bytes.totalBytes),
    String(bytes.files),
    tags.join(','),
    paths.map(fromByteString).join(' '),
  ]);
  output.result(
    formatTable([['ID', 'TIME (UTC)', 'DEVICE', 'SIZE', 'FILES', 'TAGS', 'PATHS'], ...rows], [3, 4]),
  );
}

async function runLs(spec: string, flags: DeviceFlags & { long?: boolean }): Promise<void> {
  const output = createOutput(flags);
  const { snapshot, path } = parseSpec(spec);
  const listing = await withSession(flags, (session) => listSnapshot(session, snapshot, path));
  for (const { path: where, entry } of eachEntry(listing)) {
    const shown = fromByteString(where);
    output.result(flags.long === true ? longLine(entry, shown) : shown);
    const { kind, mode, mtimeSeconds, uid, gid } = entry;
    const size = entry.kind === 'file' ? { sizeBytes: entry.sizeBytes } : {};
    output.json('entry', { path: shown, kind, mode, mtimeSeconds, uid, gid, ...size });
  }
}

async function runStatus(flags: DeviceFlags): Promise<void> {
  const output = createOutput(flags);
  const { name, all } = await withSession(flags, async (session) => ({
    name: session.subscriberName,
    all: await session.channel.call(listSnapshots, null, snapshots),
  }));
  const [latest] = all;
  output.json('status', {
    subscriber: name,
    snapshots: all.length,
    ...(latest ? { latest: describe(latest) } : {}),
  });
  if (latest === undefined) {
    output.result(`${name}: nothing is protected yet. Next: weir backup PATH`);
    return;
  }
  const since = formatDuration(Date.now() - latest.timeMs);
  output.result(
    `${name}: ${formatBytes(latest.bytes.totalBytes)} in ${latest.bytes.files} files protected · last backup ${since} ago, from ${latest.deviceName}`,
  );
}

function* eachEntry(listing: Listing): Generator<{ path: string; entry: ListedEntry }> {
  for (const { path, entries } of listing.directories) {
    for (const entry of entries) yield { path: path === '' ? entry.name : `${path}/${entry.name}`, entry };
  }
}

function longLine(entry: ListedEntry, path: string): string {
  const type = { file: '-', directory: 'd', symlink: 'l' }[entry.kind];
  const size = entry.kind === 'file' ? entry.sizeBytes : 0;
  const link = entry.kind === 'symlink' ? ` -> ${fromByteString(entry.target)}` : '';
  const mode = entry.mode.toString(8).padStart(4, '0');
  return `${type}${mode} ${entry.uid}:${entry.gid} ${String(size).padStart(12)} ${formatTime(entry.mtimeSeconds * 1000)} ${path}${link}`;
}

async function withSession<T>(flags: DeviceFlags, action: (session: AgentSession) => Promise<T>): Promise<T> {
  const device = await openDevice(stateDirectory(flags.state));
  const session = await openSession(await device.enrolment());
  try {
    return await action(session);
  } finally {
    session.close();
  }
}

/** Tells each problem as it comes; `exitCode` is the first one's. */
function countProblems(output: Output): {
  report: (error: WeirError) => void;
  readonly count: number;
  readonly exitCode: number;
} {
  let count = 0;
  let exitCode = 0;
  return {
    report(error) {
      output.error(error);
      if (error.code === 'WEIR_STATE_UNREADABLE') return;
      count++;
      exitCode ||= error.exitCode;
    },
    get count() {
      return count;
    },
    get exitCode() {
      return exitCode;
    },
  };
}

async function exclusions(flags: BackupFlags): Promise<(path: string, isDirectory: boolean) => boolean> {
  const patterns = [...(flags.exclude ?? [])];
  for (const file of flags.excludeFile ?? []) patterns.push(await readFile(file, 'utf8'));
  if (patterns.length === 0) return () => false;
  const rules = ignore().add(patterns);
  return (path, isDirectory) => rules.ignores(fromByteString(path).slice(1) + (isDirectory ? '/' : ''));
}

function wantedPaths({ include, exclude }: RestoreFlags): (path: string) => boolean {
  const included = include && ignore().add(include);
  const excluded = exclude && ignore().add(exclude);
  return (path) => {
    const shown = fromByteString(path).replace(/^\//, '');
    if (shown === '') return true;
    return (included === undefined || included.ignores(shown)) && excluded?.ignores(shown) !== true;
  };
}

function parseSpec(spec: string): { snapshot: string; path: string } {
  const colon = spec.indexOf(':');
  if (colon < 0) return { snapshot: spec, path: '' };
  return { snapshot: spec.slice(0, colon), path: toByteString(spec.slice(colon + 1)) };
}

function parseSize(text: string): number {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([kMGT]?)B?$/.exec(text) ?? [];
  if (digits === undefined) throw new WeirError('WEIR_USAGE', `"${text}" is not a size like 500M`);
  return Number(digits) * 1000 ** ' kMGT'.indexOf(unit === '' ? ' ' : unit);
}

const OVERWRITES: readonly string[] = ['never', 'if-older', 'if-changed', 'always'] satisfies Overwrite[];

function parseOverwrite(text: string): Overwrite {
  if (isOverwrite(text)) return text;
  throw new WeirError('WEIR_USAGE', `--overwrite takes one of ${OVERWRITES.join(', ')}`);
}

function isOverwrite(text: string): text is Overwrite {
  return OVERWRITES.includes(text);
}

function describe(snapshot: Snapshot): Record<string, unknown> {
  const { id, timeMs, deviceName, paths, tags, bytes } = snapshot;
  return { id: hex(id), timeMs, device: deviceName, paths: paths.map(fromByteString), tags, bytes };
}

/** Arguments come as UTF-8; paths go on as byte strings. */
function toByteString(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function fromByteString(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
