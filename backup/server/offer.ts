import { timingSafeEqual } from 'node:crypto';
import { WeirError } from '../../src/base/errors.ts';
import type { Found } from '../../src/catalog/candidates.ts';
import type { Identifier } from '../../src/content/identifier.ts';
import { batchProof } from '../../src/content/proof.ts';
import { MAX_OFFERED_CANDIDATES } from '../../src/wire/limits.ts';
import type { Candidate, Choice, Verdict } from '../../src/wire/messages.ts';
import type { BackupContext } from './context.ts';
import { type Claimed, checkClaims } from './possession.ts';

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
  settle(choice: Choice, number: number): Promise<Settled>;
}

export interface Settled {
  readonly verdict: Verdict;
  readonly accepted: readonly (Found | undefined)[];
}

export function createOffer(
  context: BackupContext,
  level: 'file' | 'portion',
  asked: readonly Asked[],
): Offer {
  const { contents, scope, nonce } = context;
  const found = asked.map(({ identifier, sizeBytes }) =>
    contents.find(scope, level, identifier, sizeBytes, MAX_OFFERED_CANDIDATES),
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
      // What is told to be there stays until the proof is recorded, which then keeps it.
      const lease = contents.lease();
      try {
        lease.add(
          scope,
          accepted.filter((one) => one !== undefined).map(({ contentId }) => contentId),
        );
        return await settleLeased(choice, number, accepted);
      } finally {
        lease.release();
      }
    },
  };

  async function settleLeased(
    choice: Choice,
    number: number,
    accepted: readonly (Found | undefined)[],
  ): Promise<Settled> {
    const claims: (Claimed & { index: number; found: Found })[] = [];
    for (const [index, one] of accepted.entries()) {
      if (one === undefined) continue;
      const { contentId, isProved } = one;
      const sizeBytes = asked[index]?.sizeBytes ?? 0;
      claims.push({
        index,
        found: one,
        contentId,
        sizeBytes,
        isPortion: level === 'portion',
        needsProof: !isProved,
        isRead: !isProved || choice.isThorough,
      });
    }
    const checked = await checkClaims(contents, scope, nonce, claims);
    const isThere = ({ index, found: { contentId } }: (typeof claims)[number]) =>
      contents.isHeld(scope, { level, identifier: 0, sizeBytes: 0, ...asked[index], contentId });
    const lost = claims
      .filter((claim, at) => checked[at]?.isHeld !== true || !isThere(claim))
      .map(({ index }) => index);
    if (lost.length > 0) return refused(lost);
    const tags = checked.map(({ tag }) => tag).filter((tag) => tag !== undefined);
    if (tags.length > 0 && !isSame(choice.proof, batchProof(nonce, number, tags))) return refused([]);
    const proved = claims.filter(({ needsProof }) => needsProof).map((claim) => claim.found);
    await contents.markProved(scope, level, proved);
    return { verdict: { isAccepted: true, lost: [] }, accepted };
  }
}

function refused(lost: readonly number[]): Settled {
  return { verdict: { isAccepted: false, lost }, accepted: [] };
}

export function toCandidates(context: BackupContext, found: readonly Found[]): Candidate[] {
  return found.map(({ contentId, isProved }) => ({ digest: context.digestOf(contentId), isProved }));
}

function isSame(given: Uint8Array | undefined, expected: Uint8Array): boolean {
  return given !== undefined && given.length === expected.length && timingSafeEqual(given, expected);
}

function malformed(reason: string): never {
  throw new WeirError('WEIR_WIRE_MALFORMED', `a choice cannot be read: ${reason}`);
}
