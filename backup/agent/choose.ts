import { WeirError } from '../../src/base/errors.ts';
import { type CandidateDigest } from '../../src/content/identifier.ts';
import { batchProof } from '../../src/content/proof.ts';
import { type Candidate, choice, verdict } from '../../src/wire/messages.ts';
import type { AgentSession } from './session.ts';

/** Something the agent asked for and can recognise. */
export interface Item {
  readonly contentId: Uint8Array;
  /** The possession tag, made when it is first needed if the bytes were not read in this session. */
  tag(): Promise<Buffer | undefined>;
}

/**
 * Picks from the candidates what is the same, proves possession of what needs it, and says which
 * items the provider accepted. Candidates the provider turns out to have lost are given up; after a
 * refused proof nothing that needed it is accepted.
 */
export async function choose(
  session: AgentSession,
  items: readonly Item[],
  candidates: readonly (readonly Candidate[])[],
): Promise<boolean[]> {
  if (candidates.length !== items.length)
    throw new WeirError('WEIR_WIRE_MALFORMED', 'the provider answered for other items');
  const chosen = Buffer.alloc(items.length);
  const tags = new Map<number, Buffer>();
  for (const [index, item] of items.entries()) {
    const number = recognise(session.digestOf, item.contentId, candidates[index] ?? []);
    if (number === 0) continue;
    if (candidates[index]?.[number - 1]?.isProved !== true) {
      const tag = await item.tag();
      if (tag === undefined) continue;
      tags.set(index, tag);
    }
    chosen[index] = number;
  }
  await settle(session, chosen, tags);
  return [...chosen].map((number) => number > 0);
}

/** Number of the candidate with this content id, from 1; 0 for none. */
export function recognise(
  digestOf: CandidateDigest,
  contentId: Uint8Array,
  candidates: readonly Candidate[],
): number {
  if (candidates.length === 0) return 0;
  const digest = digestOf(contentId);
  return candidates.findIndex((candidate) => candidate.digest === digest) + 1;
}

/** Sends the choice and takes back what is refused: what the provider has lost, or else all that needed proof. Each round leaves less. */
async function settle(session: AgentSession, chosen: Buffer, tags: Map<number, Buffer>): Promise<void> {
  while (chosen.some((number) => number > 0)) {
    const number = session.choices++;
    const proof = tags.size > 0 ? batchProof(session.nonce, number, [...tags.values()]) : undefined;
    const { isAccepted, lost } = await session.channel.call(
      choice,
      { chosen, proof, isThorough: session.isThorough },
      verdict,
    );
    if (isAccepted) return;
    const refused = (lost.length > 0 ? lost : [...tags.keys()]).filter((index) => chosen[index]);
    if (refused.length === 0) throw new WeirError('WEIR_WIRE_ORDER', 'the provider refuses what it offered');
    for (const index of refused) {
      chosen[index] = 0;
      tags.delete(index);
    }
  }
}
