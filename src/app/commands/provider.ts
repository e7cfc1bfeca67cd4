import type { Command } from 'commander';
import { WeirError } from '../../base/errors.ts';
import { addNftCommand } from './nft.ts';
import type { ProviderFlags, Recording, SetFlags } from './operate.ts';

/** The commands of the provider's side. */
export function addProviderCommands(program: Command): void {
  program
    .command('serve')
    .description('run the whole appliance: proxy, backup server and console')
    .option('--config <file>', 'configuration file (default: weir.yaml when there is one)')
    .action(async (flags: ProviderFlags) => (await import('./serve.ts')).serve(flags));
  addNftCommand(program);

  const subscriber = program.command('subscriber').description('who may use the appliance');
  withFlags(subscriber.command('add <name>'))
    .description('add a subscriber; prints an invitation to paste on a device')
    .option('--address <address>', 'a source address of the subscriber’s traffic; may be repeated', collect)
    .option('--recording <on|off>', 'whether their downloads are recorded (default: as configured)', onOrOff)
    .action(async (name: string, flags: ProviderFlags & { address?: string[]; recording?: Recording }) =>
      (await import('./operate.ts')).addSubscriber(name, flags),
    );
  withFlags(subscriber.command('invite <name>'))
    .description('an invitation for one more device')
    .action(async (name: string, flags: ProviderFlags) =>
      (await import('./operate.ts')).inviteDevice(name, flags),
    );
  withFlags(subscriber.command('list'))
    .description('all subscribers')
    .action(async (flags: ProviderFlags) => (await import('./operate.ts')).listSubscribers(flags));
  withFlags(subscriber.command('set <name>'))
    .description('change a subscriber')
    .option('--recording <on|off>', 'whether their downloads are recorded from now on', onOrOff)
    .option('--address <address>', 'the source address of their traffic; repeat it to name several', collect)
    .option('--no-address', 'no address: that of the next device to enrol becomes theirs')
    .option('--connections <number>', 'open at once through the proxy, or "default"', connections)
    .action(async (name: string, flags: SetFlags) =>
      (await import('./operate.ts')).setSubscriber(name, flags),
    );
  withFlags(subscriber.command('suspend <name>'))
    .description('refuse everything, keep everything')
    .action(async (name: string, flags: ProviderFlags) =>
      (await import('./operate.ts')).suspend(name, true, flags),
    );
  withFlags(subscriber.command('resume <name>'))
    .description('undo suspend')
    .action(async (name: string, flags: ProviderFlags) =>
      (await import('./operate.ts')).suspend(name, false, flags),
    );
  withFlags(subscriber.command('revoke <name> <device>'))
    .description('make a device’s token worthless')
    .action(async (name: string, device: string, flags: ProviderFlags) =>
      (await import('./operate.ts')).revoke(name, device, flags),
    );

  const config = program.command('config').description('what the appliance is told');
  withFlags(config.command('show'))
    .description('what is in force, and whether default, file or environment says so')
    .action(async (flags: ProviderFlags) => (await import('./config.ts')).showConfig(flags));
  withFlags(config.command('validate'))
    .description('check without starting')
    .action(async (flags: ProviderFlags) => (await import('./config.ts')).validateConfig(flags));
}

function withFlags(command: Command): Command {
  return command
    .option('--config <file>', 'configuration file (default: weir.yaml when there is one)')
    .option('--json', 'one JSON line')
    .option('-q, --quiet', 'nothing but the result');
}

function onOrOff(text: string): Recording {
  if (text === 'on' || text === 'off') return text;
  throw new WeirError('WEIR_USAGE', `--recording takes on or off, not "${text}"`);
}

function connections(text: string): number | 'default' {
  if (text === 'default') return text;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new WeirError('WEIR_USAGE', `--connections takes a number or "default", not "${text}"`);
}

/** Gathers an option that may be given more than once; `false` is its negation. */
function collect(value: string, previous: readonly string[] | false = []): string[] {
  return [...(previous || []), value];
}
