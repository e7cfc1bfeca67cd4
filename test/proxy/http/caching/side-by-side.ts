import { setTimeout as sleep } from 'node:timers/promises';

/** How each entry that was played ended: with the error it threw, or undefined. */
export type Outcomes<Entry> = ReadonlyMap<Entry, Error | undefined>;

/** So that not all start, and wake from a pause, at one moment. */
const STAGGER_MS = 5;

/** Plays all entries, at most `concurrent` at a time, in their order. */
export async function playSideBySide<Entry>(
  entries: readonly Entry[],
  concurrent: number,
  play: (entry: Entry) => Promise<void>,
): Promise<Outcomes<Entry>> {
  const waiting = [...entries];
  const outcomes = new Map<Entry, Error | undefined>();
  await Promise.all(
    Array.from({ length: concurrent }, async (_, worker) => {
      await sleep(worker * STAGGER_MS);
      for (let entry = waiting.shift(); entry !== undefined; entry = waiting.shift()) {
        outcomes.set(entry, await failureOf(play(entry)));
      }
    }),
  );
  return outcomes;
}

async function failureOf(played: Promise<void>): Promise<Error | undefined> {
  try {
    await played;
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Fails the test as its entry did; skips it when the entry was not played. */
export function tellOutcome<Entry>(test: Mocha.Context, outcomes: Outcomes<Entry>, entry: Entry): void {
  if (!outcomes.has(entry)) test.skip();
  const outcome = outcomes.get(entry);
  if (outcome !== undefined) throw outcome;
}
