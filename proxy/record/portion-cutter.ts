import type { Portion } from '../../src/catalog/contents.ts';
import { createChunker, MAX_PORTION_BYTES } from '../../src/content/chunker.ts';
import { contentId } from '../../src/content/content-id.ts';
import { type PortionListBuilder, portionListBuilder } from '../../src/content/portion-list.ts';

/** Cuts a passing body into portions and hands them on a slab at a time. */
export interface PortionCutter {
  /** Takes the next bytes; does not keep them. */
  write(bytes: Uint8Array): void;
  /** Hands on what is left. */
  finish(): void;
  readonly portions: PortionListBuilder;
  /** Bytes held and not handed on yet. */
  readonly heldBytes: number;
}

/** Portions are gathered to one write of the store. */
export const SLAB_BYTES = 1024 * 1024;

export function createPortionCutter(take: (portions: Portion[]) => void): PortionCutter {
  const chunker = createChunker();
  const portions = portionListBuilder();
  let slab = Buffer.alloc(0);
  let start = 0;
  let filled = 0;
  let cut: Portion[] = [];

  function endPortion(): void {
    const bytes = slab.subarray(start, filled);
    const id = contentId(bytes);
    portions.add(id, bytes.length);
    cut.push({ id, bytes });
    start = filled;
  }

  /** Makes room for `sizeBytes`, handing on the portions of the slab that is full. */
  function reserve(sizeBytes: number): void {
    if (filled + sizeBytes <= slab.length) return;
    const rest = slab.subarray(start, filled);
    if (cut.length > 0) take(cut);
    cut = [];
    const isSmall = portions.count === 0 && rest.length + sizeBytes <= MAX_PORTION_BYTES;
    // A small body never needs a whole slab.
    const wanted = isSmall ? Math.min(MAX_PORTION_BYTES, 2 * (rest.length + sizeBytes)) : SLAB_BYTES;
    slab = Buffer.allocUnsafe(Math.max(wanted, rest.length + sizeBytes));
    rest.copy(slab);
    filled = rest.length;
    start = 0;
  }

  function append(bytes: Uint8Array): void {
    reserve(bytes.length);
    slab.set(bytes, filled);
    filled += bytes.length;
  }

  return {
    write(bytes) {
      let at = 0;
      chunker.push(bytes, (end) => {
        append(bytes.subarray(at, end));
        endPortion();
        at = end;
      });
      if (at < bytes.length) append(bytes.subarray(at));
    },
    finish() {
      if (filled > start) endPortion();
      if (cut.length > 0) take(cut);
      cut = [];
    },
    portions,
    get heldBytes() {
      return slab.length;
    },
  };
}
