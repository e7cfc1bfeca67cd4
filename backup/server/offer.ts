import { timingSafeEqual } from 'node:crypto';
import { WeirError } from '../../src/base/errors.ts';
import type { Found } from '../../src/catalog/candidates.ts';
import type { Identifier } from '../../src/content/identifier.ts';
import { batchProof } from '../../src/content/proof.ts';
import { MAX_CANDIDATES } from '../../src/wire/limits.ts';
import type { Candidate, Choice, Verdict } from '../../src/wire/messages.ts';
import type { SessionContext } from './context.ts';
import { possessionTags } from './possession.ts';

/** An identifier the agent asked for. */
export interface Asked {
  readonly identifier: Identifier;
  readonly sizeBytes: number;
}

/** Candidates that wait for the agent's choice. */
export interface Offer {
  /** What goes to the agent. */
  readonly candidates: readonly (readonly Candidate[])[];
  /**
   * Checks a choice. `number` counts the session's choices: a proof is good for its number only.
   * `accepted` is set for each identifier when the verdict is favourable.
   */
  settle(
    choice: Choice,
    number: number,
  ): Promise<{ verdict: Verdict; accepted: readonly (Found | undefined)[] }>;
}

export function createOffer(
  context: SessionContext,
  level: 'file' | 'portion',
  asked: readonly Asked[],
): Offer {
  const { contents, scope, nonce } = context;
  const found = asked.map(({ identifier, sizeBytes }) =>
    contents.find(scope, level, identifier, sizeBytes, MAX_CANDIDATES),
  );

  function chosen(choice: Choice): (Found | undefined)[] {
    if (choice.chosen.length !== found.length) malformed('it does not cover what was asked');
    return found.map((candidates, index) => {
      const number = choice.chosen[index] ?? 0;
      return number === 0
        ? undefined
        : (candidates[number - 1] ?? malformed('it names a candidate that was not offered'));
    });
  }

  return {
    candidates: found.map((candidates) => toCandidates(context, candidates)),
    async settle(choice, number) {
      const accepted = chosen(choice);
      const indexes = [...accepted.keys()].filter((index) => accepted[index]?.isProved === false);
      if (indexes.length === 0) return { verdict: { isAccepted: true, lost: [] }, accepted };
      const claimed = indexes.map((index) => ({
        contentId: accepted[index]?.contentId ?? malformed('it is empty'),
        sizeBytes: asked[index]?.sizeBytes ?? 0,
        isPortion: level === 'portion',
      }));
      const tags = await possessionTags(contents, scope, nonce, claimed);
      const lost = indexes.filter((_, at) => tags[at] === undefined);
      if (lost.length > 0) return { verdict: { isAccepted: false, lost }, accepted: [] };
      const isProved = isSame(
        choice.proof,
        batchProof(
          nonce,
          number,
          tags.filter((tag) => tag !== undefined),
        ),
      );
      if (!isProved) return { verdict: { isAccepted: false, lost: [] }, accepted: [] };
      await contents.markProved(
        scope,
        level,
        accepted.filter((one) => one?.isProved === false).filter((one) => one !== undefined),
      );
      return { verdict: { isAccepted: true, lost: [] }, accepted };
    },
  };
}

export function toCandidates(context: SessionContext, found: readonly Found[]): Candidate[] {
  return found.map(({ contentId, isProved }) => ({ digest: context.digestOf(contentId), isProved }));
}

function isSame(given: Uint8Array | undefined, expected: Uint8Array): boolean {
  return given !== undefined && given.length === expected.length && timingSafeEqual(given, expected);
}

function malformed(reason: string): never {
  throw new WeirError('WEIR_WIRE_MALFORMED', `a choice cannot be read: ${reason}`);
}
