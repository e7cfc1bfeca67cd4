#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { asWeirError, ERRORS, WeirError } from '../base/errors.ts';
import { addProviderCommands } from './commands/provider.ts';
import { addSubscriberCommands } from './commands/subscriber.ts';
import { addTourCommand } from './commands/tour.ts';
import { createOutput } from './output.ts';
import { VERSION } from './version.ts';

const USAGE_EXIT = ERRORS.WEIR_USAGE.exit;

const program = new Command('weir')
  .description('Deduplicating backup at the provider: what passed need not be sent again.')
  .version(VERSION)
  .exitOverride();
addSubscriberCommands(program);
addProviderCommands(program);
addTourCommand(program);

process.once('SIGINT', () => {
  // `serve` takes the signal for itself; anything else may be cut off at any point and resumes.
  if (process.argv[2] === 'serve' || process.argv[2] === 'tour') return;
  const interrupted = new WeirError('WEIR_INTERRUPTED', 'interrupted');
  createOutput({}).error(interrupted);
  process.exit(interrupted.exitCode);
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : USAGE_EXIT;
  else {
    const failure = asWeirError(error);
    createOutput({ json: process.argv.includes('--json') }).error(failure);
    if (failure.code === 'WEIR_INTERNAL')
      process.stderr.write(`${failure.cause instanceof Error ? failure.cause.stack : ''}\n`);
    process.exitCode = failure.exitCode;
  }
}
