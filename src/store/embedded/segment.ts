import { assert } from '../../base/assert.ts';
import type { Retention } from '../byte-store.ts';
import { MAX_SEGMENTS } from './portion-index.ts';
import {
  encodeFooterEntry,
  FOOTER_ENTRY_BYTES,
  type FooterEntry,
  type SegmentIdentity,
} from './segment-format.ts';

export interface Segment {
  readonly identity: SegmentIdentity;
  /** Its number in the index, given by `Segments.add`. */
  slot: number;
  readonly path: string;
  /** Where its durable records end. */
  endBytes: number;
  /** Its records while the file has no good footer of its own. */
  footer: FooterTable | undefined;
}

/**
 * The segments by the number that the index has for them, their slot. A slot is good in memory
 * only, and free again once its segment is removed: what was ever written does not use them up.
 */
export interface Segments {
  /** Gives the segment a slot. */
  add(segment: Segment): void;
  get(slot: number): Segment | undefined;
  /** No record in the index and no read under way may be of this segment. */
  remove(segment: Segment): void;
  /** Those of now, in the order they were added. */
  all(): readonly Segment[];
}

export function createSegments(): Segments {
  const segments = new Map<number, Segment>();
  const free: number[] = [];
  let used = 0;
  return {
    add(segment) {
      segment.slot = free.pop() ?? ++used;
      assert(segment.slot <= MAX_SEGMENTS, 'the index has room for 2^22 segments');
      segments.set(segment.slot, segment);
    },
    get: (slot) => segments.get(slot),
    remove({ slot }) {
      if (segments.delete(slot)) free.push(slot);
    },
    all: () => [...segments.values()],
  };
}

/** A footer in the making: encoded entries, 48 bytes for each record. */
export interface FooterTable {
  append(entry: FooterEntry): void;
  /** A view, good until the next `append`. */
  bytes(): Buffer;
}

const FIRST_ENTRIES = 64;

export function createFooterTable(): FooterTable {
  let table: Buffer = Buffer.alloc(FIRST_ENTRIES * FOOTER_ENTRY_BYTES);
  let used = 0;
  return {
    append(entry) {
      if (used === table.length) {
        const larger = Buffer.alloc(table.length * 2);
        table.copy(larger);
        table = larger;
      }
      encodeFooterEntry(table, used, entry);
      used += FOOTER_ENTRY_BYTES;
    },
    bytes: () => table.subarray(0, used),
  };
}

const NAME = /^(\d{8,10})\.(passing|kept)$/;
/** The format has 32 bits for it. */
const MAX_FILE_NUMBER = 2 ** 32 - 1;

/** `00000042.kept`: segments of both retentions share one row of numbers. */
export function segmentName(number: number, retention: Retention): string {
  return `${String(number).padStart(8, '0')}.${retention}`;
}

export function parseSegmentName(name: string): { number: number; retention: Retention } | undefined {
  const match = NAME.exec(name);
  const number = Number(match?.[1] ?? 0);
  const retention = match?.[2] === 'kept' ? 'kept' : 'passing';
  if (number === 0 || number > MAX_FILE_NUMBER || segmentName(number, retention) !== name) return undefined;
  return { number, retention };
}
