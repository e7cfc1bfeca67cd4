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

/** An object whose possession is to be checked. */
export interface Claimed {
  readonly contentId: Uint8Array;
  readonly sizeBytes: number;
  /** A portion lists no portions itself. */
  readonly isPortion: boolean;
}

/**
 * Possession tags the provider makes itself, from bytes it reads now and whose SHA-256 it checks
 * in the same pass. Undefined for an object that is missing or does not hash to its id.
 */
export async function possessionTags(
  contents: Contents,
  scope: Scope,
  nonce: Uint8Array,
  claimed: readonly Claimed[],
): Promise<(Buffer | undefined)[]> {
  const tagger = createPossessionTagger(nonce);
  const tags: (Buffer | undefined)[] = claimed.map(() => undefined);
  let state: HashState | undefined;
  for await (const group of readPlain(contents, scope, await listsOf(contents, scope, claimed))) {
    for (const { place, bytes } of group) {
      const id = claimed[place.item]?.contentId;
      if (id === undefined) continue;
      if (place.isOnly) {
        if (bytes !== undefined && contentId(bytes).equals(id)) tags[place.item] = tagger.tag(bytes);
        continue;
      }
      if (state === undefined || place.portion === 0) state = newState(tagger);
      if (bytes === undefined) state.isWhole = false;
      else {
        state.id.update(bytes);
        state.tag.update(bytes);
      }
      if (place.isLast && state.isWhole && state.id.digest().equals(id)) tags[place.item] = state.tag.tag();
    }
  }
  return tags;
}

interface HashState {
  readonly id: ContentIdHasher;
  readonly tag: PossessionHasher;
  isWhole: boolean;
}

function newState(tagger: PossessionTagger): HashState {
  return { id: contentIdHasher(), tag: tagger.stream(), isWhole: true };
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
