import { createLink, type Link } from '../../../proxy/worker/link.ts';
import type { WeirError } from '../../../src/base/errors.ts';

/** The two ends of a channel that copies what it carries, as the one between processes does. */
export interface Linked {
  readonly one: Link;
  readonly other: Link;
  /** What either end has found wrong with the other. */
  readonly faults: Error[];
  /** Resolves when all that is under way has arrived. */
  settle(): Promise<void>;
}

export function linked(): Linked {
  const faults: Error[] = [];
  const onFault = (error: WeirError) => void faults.push(error);
  const carry = (to: () => Link) => (message: unknown, sent: () => void) => {
    const copy: unknown = structuredClone(message);
    setImmediate(() => {
      sent();
      to().receive(copy);
    });
  };
  const one: Link = createLink({ send: carry(() => other), onFault });
  const other: Link = createLink({ send: carry(() => one), onFault });
  return {
    one,
    other,
    faults,
    async settle() {
      for (let turns = 0; turns < 10; turns++) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
