/** Work that must not overlap, in the order it comes. */
export interface Turns {
  take<R>(work: () => Promise<R>): Promise<R>;
}

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  return {
    take(work) {
      const turn = last.then(work, work);
      last = turn.catch(() => undefined);
      return turn;
    },
  };
}
