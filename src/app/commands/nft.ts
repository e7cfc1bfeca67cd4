import type { Command } from 'commander';
import type { NftFlags } from '../nft/commands.ts';

/** `weir nft`: has the kernel bring port 80 of the subscribers to the transparent proxy. */
export function addNftCommand(program: Command): void {
  const nft = program.command('nft').description('interception by nftables');
  withRules(nft.command('show'))
    .description('print what apply would put in force')
    .action(async (flags: NftFlags) => (await import('../nft/commands.ts')).showInterception(flags));
  withRules(nft.command('apply'))
    .description('intercept; undone by itself unless confirmed with Enter or `weir nft confirm`')
    .option('-n, --dry-run', 'print what would be done')
    .action(async (flags: NftFlags) => (await import('../nft/commands.ts')).applyInterception(flags));
  withOutput(nft.command('confirm'))
    .description('keep what apply has put in force')
    .action(async (flags: NftFlags) => (await import('../nft/commands.ts')).confirm(flags));
  withOutput(nft.command('status'))
    .description('what is in force')
    .action(async (flags: NftFlags) => (await import('../nft/commands.ts')).status(flags));
  withOutput(nft.command('remove'))
    .description('intercept nothing any more')
    .option('-n, --dry-run', 'print what would be done')
    .action(async (flags: NftFlags) => (await import('../nft/commands.ts')).remove(flags));
}

function withRules(command: Command): Command {
  return withOutput(command)
    .option('--interface <name>', 'where subscribers come in; may be repeated', collect)
    .option('--via <tproxy|redirect>', 'how (default: as configured, else tproxy)')
    .option('--port <port>', 'where the transparent proxy listens (default: as configured, else 3129)')
    .option('--seconds <number>', 'time to confirm (default: 30)')
    .option('--yes', 'confirmed beforehand: for scripts that have been tried by hand')
    .option('--config <file>', 'configuration file (default: weir.yaml when there is one)');
}

function withOutput(command: Command): Command {
  return command.option('--json', 'one JSON line').option('-q, --quiet', 'nothing but the result');
}

/** Gathers an option that may be given more than once. */
function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}
