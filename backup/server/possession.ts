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
import { readPlain } from './read-objects.ts';

/** An object the agent chose. */
export interface Claimed {
  readonly contentId: Uint8Array;
  readonly sizeBytes: number;
  /** A portion lists no portions itself. */
  readonly isPortion: boolean;
  /** Whether the agent has to show that it has the bytes. */
  readonly needsProof: boolean;
}

/** What the provider found when it read a claimed object. */
export interface Checked {
  /** All bytes were read and hash to the content id. */
  readonly isHeld: boolean;
  /** The possession tag of a held object that needs proof. */
  readonly tag: Buffer | undefined;
}

/**
 * Reads every claimed object now, compares its SHA-256, and makes the possession tags that the
 * agent's proof is held against in the same pass.
 */
export async function checkClaims(
  contents: Contents,
  scope: Scope,
  nonce: Uint8Array,
  claimed: readonly Claimed[],
): Promise<Checked[]> {
  const tagger = createPossessionTagger(nonce);
  const checked: Checked[] = claimed.map(() => ({ isHeld: false, tag: undefined }));
  let state: HashState | undefined;
  for await (const group of readPlain(contents, scope, await listsOf(contents, scope, claimed))) {
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
