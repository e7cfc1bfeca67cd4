import type { Contents } from '../../src/catalog/contents.ts';
import type { Scope } from '../../src/catalog/scope.ts';
import { type ContentIdHasher, contentId, contentIdHasher } from '../../src/content/content-id.ts';
import { type PortionList, singlePortion } from '../../src/content/portion-list.ts';
import {
  createPossessionTagger,
  type PossessionHasher,
  type PossessionTagger,
} from '../../src/content/proof.ts';
import { fileLists, readPlain, slices } from './read-objects.ts';

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

/** Portions the store is asked about at once. */
const LOOKED_FOR_TOGETHER = 65_536;

/** For claims that are not to be read: whether the store has all their portions. */
async function lookForClaims(
  contents: Contents,
  scope: Scope,
  claimed: readonly Claimed[],
  lists: readonly (PortionList | undefined)[],
): Promise<Checked[]> {
  const isHeld = claimed.map(({ isRead }, item) => !isRead && lists[item] !== undefined);
  let asked: { readonly item: number; readonly id: Uint8Array }[] = [];
  const ask = async () => {
    const holds = await contents.holds(
      scope,
      asked.map(({ id }) => id),
    );
    for (const [index, { item }] of asked.entries()) if (holds[index] !== true) isHeld[item] = false;
    asked = [];
  };
  for (const [item, list] of lists.entries()) {
    for (let portion = 0; list !== undefined && isHeld[item] === true && portion < list.count; portion++) {
      asked.push({ item, id: list.id(portion) });
      if (asked.length === LOOKED_FOR_TOGETHER) await ask();
    }
  }
  if (asked.length > 0) await ask();
  return isHeld.map((held) => ({ isHeld: held, tag: undefined }));
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

function listsOf(
  contents: Contents,
  scope: Scope,
  claimed: readonly Claimed[],
): Promise<(PortionList | undefined)[]> | PortionList[] {
  // A choice is of files or of portions, and a portion lists none itself.
  if (!claimed.every(({ isPortion }) => isPortion)) return fileLists(contents, scope, claimed);
  return claimed.map(({ contentId: id, sizeBytes }) => singlePortion(id, sizeBytes));
}
