import { assert } from '../base/assert.ts';
import { CONTENT_ID_BYTES } from '../content/content-id.ts';

/** The entries of a candidate table by their ordinals. The ordinal of one that was removed is given again. */
export interface CandidateEntries {
  add(contentId: Uint8Array, flags: number): number;
  remove(ordinal: number): void;
  /** A view, valid until the entry is removed. */
  contentId(ordinal: number): Uint8Array;
  flags(ordinal: number): number;
  setFlags(ordinal: number, flags: number): void;
  /** How many objects list this content as a portion. Counted up to MAX_LISTINGS, which stays. */
  listings(ordinal: number): number;
  addListing(ordinal: number): void;
  /** Returns how many are left. */
  dropListing(ordinal: number): number;
  readonly entries: number;
  readonly sizeBytes: number;
}

const MAX_LISTINGS = 65_535;

/** Pages stay where they are, so views of them stay valid. */
interface Page {
  readonly ids: Uint8Array;
  readonly flags: Uint8Array;
  readonly listings: Uint16Array;
}

const PAGE_BITS = 16;
const PAGE_ENTRIES = 1 << PAGE_BITS;
const PAGE_MASK = PAGE_ENTRIES - 1;
const ENTRY_BYTES = CONTENT_ID_BYTES + 1 + 2;

export function createCandidateEntries(): CandidateEntries {
  const pages: Page[] = [];
  const free: number[] = [];
  let ordinals = 0;

  function pageOf(ordinal: number): Page {
    const page = ordinal >= 0 && ordinal < ordinals ? pages[ordinal >>> PAGE_BITS] : undefined;
    assert(page !== undefined, `the ordinal ${ordinal} of ${ordinals}`);
    return page;
  }

  function listings(ordinal: number): number {
    return pageOf(ordinal).listings[ordinal & PAGE_MASK] ?? 0;
  }

  return {
    add(contentId, flags) {
      const ordinal = free.pop() ?? ordinals++;
      if (ordinal >>> PAGE_BITS === pages.length) pages.push(createPage());
      const page = pageOf(ordinal);
      page.ids.set(contentId, (ordinal & PAGE_MASK) * CONTENT_ID_BYTES);
      page.flags[ordinal & PAGE_MASK] = flags;
      page.listings[ordinal & PAGE_MASK] = 0;
      return ordinal;
    },
    remove: (ordinal) => void free.push(ordinal),
    contentId(ordinal) {
      const start = (ordinal & PAGE_MASK) * CONTENT_ID_BYTES;
      return pageOf(ordinal).ids.subarray(start, start + CONTENT_ID_BYTES);
    },
    flags: (ordinal) => pageOf(ordinal).flags[ordinal & PAGE_MASK] ?? 0,
    setFlags(ordinal, flags) {
      pageOf(ordinal).flags[ordinal & PAGE_MASK] = flags;
    },
    listings,
    addListing(ordinal) {
      pageOf(ordinal).listings[ordinal & PAGE_MASK] = Math.min(listings(ordinal) + 1, MAX_LISTINGS);
    },
    dropListing(ordinal) {
      const before = listings(ordinal);
      assert(before > 0, 'what is dropped was listed');
      if (before < MAX_LISTINGS) pageOf(ordinal).listings[ordinal & PAGE_MASK] = before - 1;
      return listings(ordinal);
    },
    get entries() {
      return ordinals - free.length;
    },
    get sizeBytes() {
      return pages.length * PAGE_ENTRIES * ENTRY_BYTES;
    },
  };
}

function createPage(): Page {
  return {
    ids: new Uint8Array(PAGE_ENTRIES * CONTENT_ID_BYTES),
    flags: new Uint8Array(PAGE_ENTRIES),
    listings: new Uint16Array(PAGE_ENTRIES),
  };
}
