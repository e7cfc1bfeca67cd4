import { writeSync } from 'node:fs';
import Mocha from 'mocha';

/**
 * Mocha's Spec reporter, and as the last line of the process `N passed, N failed, N skipped`.
 *
 * The line is written as the process exits, behind whatever tests still print on their way out. A
 * failing hook is a failure. So is what Mocha by itself lets pass: a rejection nobody handles, an
 * error after the last test, a process that exits before the run is over.
 */
export default class Reporter extends Mocha.reporters.Spec {
  #failures = 1;
  #conclude = (): void => {
    const { passes, pending } = this.stats;
    if (this.#failures > 0) process.exitCode = 1;
    writeSync(1, `${passes} passed, ${this.#failures} failed, ${pending} skipped\n`);
  };

  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    process.on('unhandledRejection', rethrow);
    process.on('exit', this.#conclude);
  }

  /** Called once by Mocha when the run is over, with all that failed. */
  override done(failures: number, setExitCode: (failures: number) => void): void {
    this.#failures = failures;
    process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => {
      this.#failures += 1;
      console.error('After the last test:', error);
    });
    setExitCode(failures);
    process.off('exit', this.#conclude).on('exit', this.#conclude);
  }
}

/** As an uncaught exception the rejection fails the test that is running. */
function rethrow(reason: unknown): never {
  throw reason;
}
