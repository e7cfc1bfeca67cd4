import type { WeirError } from '../../base/errors.ts';
import type { Output } from '../output.ts';

/** Tells each problem as it comes; `exitCode` is the first one's. */
export function countProblems(output: Output): {
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
