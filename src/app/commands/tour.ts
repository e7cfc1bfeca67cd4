import type { Command } from 'commander';

export function addTourCommand(program: Command): void {
  program
    .command('tour')
    .description('see the whole thing at work on this machine, in a throwaway directory')
    .option('--once', 'end after the table; the exit code says whether every byte came back')
    .action(async ({ once = false }: { once?: boolean }) => {
      const { runTour } = await import('../tour/tour.ts');
      const isGood = await runTour(once);
      if (!isGood) process.exitCode = 1;
    });
}
