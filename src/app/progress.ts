import type { Output } from './output.ts';

const TERMINAL_INTERVAL_MS = 200;
const PIPE_INTERVAL_MS = 60_000;

/**
 * Keeps a person informed: a live line on a terminal, a line a minute otherwise, and a line at
 * once on SIGUSR1. Call the result when the work is over.
 */
export function showProgress(output: Output, describe: () => string): () => void {
  if (output.isQuiet || output.isJson) return () => undefined;
  const isTerminal = process.stderr.isTTY;
  const print = () => process.stderr.write(isTerminal ? `\r\x1b[K${describe()}` : `${describe()}\n`);
  const timer = setInterval(print, isTerminal ? TERMINAL_INTERVAL_MS : PIPE_INTERVAL_MS);
  process.on('SIGUSR1', print);
  return () => {
    clearInterval(timer);
    process.off('SIGUSR1', print);
    if (isTerminal) process.stderr.write('\r\x1b[K');
  };
}
