import type { Portion } from '../../src/catalog/contents.ts';
import { createChunker } from '../../src/content/chunker.ts';
import {
  type ContentIdHasher,
  contentId,
  contentIdHasher,
  EMPTY_CONTENT_ID,
} from '../../src/content/content-id.ts';
import { type PortionListBuilder, portionListBuilder } from '../../src/content/portion-list.ts';
import type { Slabs } from './slabs.ts';

/** Cuts a passing body into portions and hands them on a slab at a time. */
export interface PortionCutter {
  /** Takes the next bytes; does not keep them. */
  write(bytes: Uint8Array): void;
  /** Hands on what is left. Gives the content id of the whole body. */
  finish(): Uint8Array;
  /** The body is given up. Nothing may follow. */
  drop(): void;
  readonly portions: PortionListBuilder;
  /** Bytes held and not handed on yet. */
  readonly heldBytes: number;
}

/**
 * Portions are gathered to one write of the store. As long as the longest portion: with four times as
 * much, bodies of 10 MiB cost the same, and slow clients hold it.
 */
export const SLAB_BYTES = 256 * 1024;

/**
 * `sizeBytes`: how long the body is said to be. `take` gets portions and the slab they are views
 * of, which is its to give back.
 */
export function createPortionCutter(
  slabs: Slabs,
  sizeBytes: number | undefined,
  take: (portions: readonly Portion[], slab: Buffer) => void,
): PortionCutter {
  const chunker = createChunker();
  const portions = portionListBuilder();
  /** Of a body of one portion, which is four fifths of those of 64 KiB, the portion's id is its own. */
  let whole: ContentIdHasher | undefined;
  let id = EMPTY_CONTENT_ID;
  let slab: Buffer = Buffer.alloc(0);
  let start = 0;
  let filled = 0;
  let handedOnBytes = 0;
  let cut: Portion[] = [];

  function endPortion(): void {
    const bytes = slab.subarray(start, filled);
    id = contentId(bytes);
    whole?.update(bytes);
    portions.add(id, bytes.length);
    cut.push({ id, bytes });
    start = filled;
  }

  /** Makes room for as many bytes, handing on the portions of the slab that is full. */
  function reserve(neededBytes: number): void {
    if (filled + neededBytes <= slab.length) return;
    const full = slab;
    const rest = full.subarray(start, filled);
    slab = slabs.take(roomFor(rest.length + neededBytes));
    cutter.heldBytes = slab.length;
    rest.copy(slab);
    handedOnBytes += start;
    filled = rest.length;
    start = 0;
    if (cut.length > 0) take(cut, full);
    else if (full.length > 0) slabs.giveBack(full);
    cut = [];
  }

  /** A small body never needs a whole slab. */
  function roomFor(neededBytes: number): number {
    const unannounced = portions.count === 0 ? 2 * neededBytes : SLAB_BYTES;
    const likelyBytes = sizeBytes === undefined ? unannounced : sizeBytes - handedOnBytes - start;
    return Math.max(neededBytes, Math.min(SLAB_BYTES, likelyBytes));
  }

  function append(bytes: Uint8Array): void {
    reserve(bytes.length);
    slab.set(bytes, filled);
    filled += bytes.length;
  }

  const cutter = {
    portions,
    heldBytes: 0,
    write(bytes: Uint8Array) {
      let at = 0;
      chunker.push(bytes, (end) => {
        append(bytes.subarray(at, end));
        whole ??= contentIdHasher();
        endPortion();
        at = end;
      });
      if (at < bytes.length) append(bytes.subarray(at));
    },
    drop() {
      // It may be called from within `take`, after which a last write still follows.
      if (slab.length > 0) queueMicrotask(() => slabs.giveBack(slab));
    },
    finish() {
      if (filled > start) endPortion();
      if (cut.length > 0) take(cut, slab);
      cut = [];
      // Kept for long, and a view would keep 8 KiB of the pool of Node.js with it.
      return whole === undefined ? Uint8Array.from(id) : whole.digest();
    },
  };
  return cutter;
}
