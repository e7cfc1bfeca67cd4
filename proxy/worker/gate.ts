import { assert } from '../../src/base/assert.ts';

/** Lets work through until it weighs too much; more waits its turn. */
export interface Gate {
  pass<T>(weight: number, work: () => Promise<T>): Promise<T>;
}

/** Work that weighs more than `most` by itself is let through alone. */
export function createGate(most: number): Gate {
  const waiting: { readonly weight: number; readonly start: () => void }[] = [];
  let inside = 0;

  function admit(): void {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      if (inside > 0 && inside + next.weight > most) return;
      waiting.shift();
      inside += next.weight;
      next.start();
    }
  }

  return {
    async pass(weight, work) {
      assert(weight > 0, 'nothing weighs nothing');
      await new Promise<void>((start) => {
        waiting.push({ weight, start });
        admit();
      });
      try {
        return await work();
      } finally {
        inside -= weight;
        admit();
      }
    },
  };
}
