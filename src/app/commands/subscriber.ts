import { hostname } from 'node:os';
import type { Command } from 'commander';
import type { Overwrite } from '../../../backup/agent/restore.ts';
import { WeirError } from '../../base/errors.ts';
import { parseSize } from '../sizes.ts';
import type { BackupFlags } from './backup.ts';
import type { RestoreFlags } from './restore.ts';
import type { SetupFlags } from './setup.ts';
import type { LsFlags } from './snapshots.ts';
import type { DeviceFlags } from './with-session.ts';

/** The commands of the subscriber's side. Each loads its code when it runs: a start costs a third of that. */
export function addSubscriberCommands(program: Command): void {
  withFlags(program.command('setup'))
    .description('enrol this device with the provider')
    .option('--invite <invitation>', 'the invitation your provider gave you ("-" reads it from stdin)')
    .option('--device <name>', 'what to call this device', hostname())
    .option('--again', 'enrol anew although this device is enrolled')
    .action(async (flags: SetupFlags) => (await import('./setup.ts')).setup(flags));
  withFlags(program.command('backup'))
    .argument('<paths...>')
    .description('protect files and directories; what the provider holds already is not sent')
    .option('--exclude <pattern>', 'leave out what matches, as .gitignore reads it; may be repeated', collect)
    .option('--exclude-file <file>', 'read such patterns from a file; may be repeated', collect)
    .option('--exclude-caches', 'leave out directories with a CACHEDIR.TAG')
    .option('--exclude-larger-than <bytes>', 'leave out larger files', readSize)
    .option(
      '--full',
      'read every file again and ask for every one, so that what the provider lost is found and sent',
    )
    .option('--one-file-system', 'stay on the file system of each path')
    .option('--tag <tag>', 'remember this word with the snapshot; may be repeated', collect)
    .action(async (paths: string[], flags: BackupFlags) =>
      (await import('./backup.ts')).runBackup(paths, flags),
    );
  withFlags(program.command('restore'))
    .argument('<snapshot[:path]>', '"latest" or the beginning of an id, and a path in it')
    .requiredOption('-t, --target <directory>', 'where to restore to')
    .option('--overwrite <when>', 'never, if-older, if-changed or always', parseOverwrite, 'if-older')
    .option('--include <pattern>', 'restore only what matches; may be repeated', collect)
    .option('--exclude <pattern>', 'leave out what matches; may be repeated', collect)
    .option('--keep-setuid', 'restore setuid, setgid and sticky bits')
    .option('-n, --dry-run', 'only say what would be restored')
    .description('bring files back, verified')
    .action(async (spec: string, flags: RestoreFlags) =>
      (await import('./restore.ts')).runRestore(spec, flags),
    );
  withFlags(program.command('snapshots'))
    .description('what was backed up when')
    .action(async (flags: DeviceFlags) => (await import('./snapshots.ts')).runSnapshots(flags));
  withFlags(program.command('ls'))
    .argument('<snapshot[:path]>')
    .option('-l, --long', 'with mode, size and time')
    .description('what a snapshot holds')
    .action(async (spec: string, flags: LsFlags) => (await import('./snapshots.ts')).runLs(spec, flags));
  withFlags(program.command('status'))
    .description('is this device protected?')
    .action(async (flags: DeviceFlags) => (await import('./snapshots.ts')).runStatus(flags));
}

function withFlags(command: Command): Command {
  return command
    .option('--state <directory>', 'where this device keeps its enrolment and cache')
    .option('--json', 'JSON lines on stdout')
    .option('-q, --quiet', 'nothing but the result and errors');
}

function readSize(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) throw new WeirError('WEIR_USAGE', `"${text}" is not a size like 500M`);
  return bytes;
}

const OVERWRITES: readonly string[] = ['never', 'if-older', 'if-changed', 'always'] satisfies Overwrite[];

function parseOverwrite(text: string): Overwrite {
  if (isOverwrite(text)) return text;
  throw new WeirError('WEIR_USAGE', `--overwrite takes one of ${OVERWRITES.join(', ')}`);
}

function isOverwrite(text: string): text is Overwrite {
  return OVERWRITES.includes(text);
}

/** Gathers an option that may be given more than once. */
function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}
