import type { Contents } from '../../src/catalog/contents.ts';
import type { Scope } from '../../src/catalog/scope.ts';
import { MIN_PORTION_BYTES } from '../../src/content/chunker.ts';
import { type ContentIdHasher, contentId, contentIdHasher } from '../../src/content/content-id.ts';
import { type PortionList, singlePortion } from '../../src/content/portion-list.ts';
import {
  createPossessionTagger,
  type PossessionHasher,
  type PossessionTagger,
} from '../../src/content/proof.ts';
import { readPlain, slices } from './read-objects.ts';

/** An object the agent chose. */
export interface Claimed {
  readonly contentId: Uint8Array;
  readonly sizeBytes: number;
  /** A portion lists no portions itself. */
  readonly isPortion: boolean;
  /** Whether the agent has to show that it has the bytes. */
  readonly needsProof: boolean;
  /** Whether all bytes are to be read; otherwise it is enough that the store has them. */
  readonly isRead: boolean;
}

/** What the provider found when it read a claimed object. */
export interface Checked {
  /** All bytes are there, and hash to the content id if they were read. */
  readonly isHeld: boolean;
  /** The possession tag of a held object that needs proof. */
  readonly tag: Buffer | undefined;
}

/**
 * Looks for every claimed object now: reads it, compares its SHA-256, and makes in the same pass
 * the possession tag that the agent's proof is held against; or only asks the store whether it is
 * there, for what the agent has shown to have before.
 */
export async function checkClaims(
  contents: Contents,
  scope: Scope,
  nonce: Uint8Array,
  claimed: readonly Claimed[],
): Promise<Checked[]> {
  const tagger = createPossessionTagger(nonce);
  const checked: Checked[] = [];
  for (const slice of slices(claimed)) {
    const lists = await listsOf(contents, scope, slice);
    const read = await readClaims(contents, scope, tagger, slice, lists);
    const held = await lookForClaims(contents, scope, slice, lists);
    checked.push(...slice.map(({ isRead }, index) => (isRead ? read : held)[index] ?? NOT_HELD));
  }
  return checked;
}

const NOT_HELD: Checked = { isHeld: false, tag: undefined };

/** For claims that are not to be read: whether the store has all their portions. */
async function lookForClaims(
  contents: Contents,
  scope: Scope,
  claimed: readonly Claimed[],
  lists: readonly (PortionList | undefined)[],
): Promise<Checked[]> {
  const checked: Checked[] = [];
  for (const [index, { isRead }] of claimed.entries()) {
    const list = lists[index];
    if (isRead || list === undefined) checked.push(NOT_HELD);
    else {
      const ids = Array.from({ length: list.count }, (_, portion) => list.id(portion));
      checked.push({ isHeld: (await contents.holds(scope, ids)).every(Boolean), tag: undefined });
    }
  }
  return checked;
}

async function readClaims(
  contents: Contents,
  scope: Scope,
  tagger: PossessionTagger,
  claimed: readonly Claimed[],
  lists: readonly (PortionList | undefined)[],
): Promise<Checked[]> {
  const checked: Checked[] = claimed.map(() => NOT_HELD);
  let state: HashState | undefined;
  const wanted = lists.map((list, index) => (claimed[index]?.isRead ? list : undefined));
  for await (const group of readPlain(contents, scope, wanted)) {
    for (const { place, bytes } of group) {
      const claim = claimed[place.item];
      if (claim === undefined) continue;
      if (place.isOnly) {
        if (bytes === undefined || !contentId(bytes).equals(claim.contentId)) continue;
        checked[place.item] = { isHeld: true, tag: claim.needsProof ? tagger.tag(bytes) : undefined };
        continue;
      }
      if (state === undefined || place.portion === 0) state = newState(claim.needsProof ? tagger : undefined);
      if (bytes === undefined) state.isWhole = false;
      else {
        state.id.update(bytes);
        state.tag?.update(bytes);
      }
      if (!place.isLast || !state.isWhole || !state.id.digest().equals(claim.contentId)) continue;
      checked[place.item] = { isHeld: true, tag: state.tag?.tag() };
    }
  }
  return checked;
}

interface HashState {
  readonly id: ContentIdHasher;
  readonly tag: PossessionHasher | undefined;
  isWhole: boolean;
}

function newState(tagger: PossessionTagger | undefined): HashState {
  return { id: contentIdHasher(), tag: tagger?.stream(), isWhole: true };
}

/** The portions of each claim. One not above the smallest portion is its own and needs no look-up. */
async function listsOf(
  contents: Contents,
  scope: Scope,
  claimed: readonly Claimed[],
): Promise<(PortionList | undefined)[]> {
  const isSingle = ({ sizeBytes, isPortion }: Claimed) => isPortion || sizeBytes <= MIN_PORTION_BYTES;
  const looked = await contents.portionsOf(
    scope,
    'file',
    claimed.filter((claim) => !isSingle(claim)).map(({ contentId: id }) => id),
  );
  let at = 0;
  return claimed.map((claim) =>
    isSingle(claim) ? singlePortion(claim.contentId, claim.sizeBytes) : looked[at++],
  );
}
