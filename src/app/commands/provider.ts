import type { Command } from 'commander';
import type { ProviderFlags } from './operate.ts';

/** The commands of the provider's side. */
export function addProviderCommands(program: Command): void {
  program
    .command('serve')
    .description('run the whole appliance: proxy, backup server and console')
    .option('--config <file>', 'configuration file (default: weir.yaml when there is one)')
    .action(async (flags: ProviderFlags) => (await import('./serve.ts')).serve(flags));

  const subscriber = program.command('subscriber').description('who may use the appliance');
  withFlags(subscriber.command('add <name>'))
    .description('add a subscriber; prints an invitation to paste on a device')
    .option('--address <address>', 'a source address of the subscriber’s traffic; may be repeated', collect)
    .action(async (name: string, flags: ProviderFlags & { address?: string[] }) =>
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
}

function withFlags(command: Command): Command {
  return command
    .option('--config <file>', 'configuration file (default: weir.yaml when there is one)')
    .option('--json', 'one JSON line')
    .option('-q, --quiet', 'nothing but the result');
}

/** Gathers an option that may be given more than once. */
function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}
