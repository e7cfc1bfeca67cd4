import type { Retention } from '../byte-store.ts';
import {
  encodeFooterEntry,
  FOOTER_ENTRY_BYTES,
  type FooterEntry,
  type SegmentIdentity,
} from './segment-format.ts';

export interface Segment {
  readonly identity: SegmentIdentity;
  readonly path: string;
  /** Where its durable records end. */
  endBytes: number;
  /** Its records while the file has no good footer of its own. */
  footer: FooterTable | undefined;
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

const NAME = /^(\d{8})\.(passing|kept)$/;

/** `00000042.kept`: segments of both retentions share one row of numbers. */
export function segmentName(number: number, retention: Retention): string {
  return `${String(number).padStart(8, '0')}.${retention}`;
}

export function parseSegmentName(name: string): { number: number; retention: Retention } | undefined {
  const match = NAME.exec(name);
  if (match === null || Number(match[1]) === 0) return undefined;
  return { number: Number(match[1]), retention: match[2] === 'kept' ? 'kept' : 'passing' };
}
