import { LRUCache } from 'lru-cache';
import type { AnswerHead } from './answer-head.ts';
import { isStrongTag } from './cache/entity-tag.ts';
import { withoutFields } from './cache/fields.ts';
import { type ByteRange, readContentRange } from './cache/ranges.ts';
import { isStorable } from './cache/storable.ts';
import { isSelected } from './cache/vary.ts';
import { type RawHeaders, valuesOf } from './headers.ts';
import type { ResponseCache } from './response-cache.ts';
import type { Stored } from './stored.ts';

/**
 * Parts of answers, in memory (RFC 9111 sections 3.3 and 3.4): they answer requests for ranges they
 * hold, grow together where a strong entity tag says that they may, and spare a request for the
 * whole what they have of its beginning.
 */
export interface Parts {
  /** Whether the answer is a part that may be kept. */
  mayKeep(requestHeaders: RawHeaders, head: AnswerHead): boolean;
  /** Takes the whole body of a 206. */
  add(url: string, requestHeaders: RawHeaders, head: AnswerHead, bytes: Buffer): void;
  /** What there is for a request of this URL. */
  select(url: string, requestHeaders: RawHeaders): PartialAnswer | undefined;
  forget(url: string): void;
}

/** An answer of which some is known. */
export interface PartialAnswer {
  /** As if it were whole. */
  readonly stored: Stored;
  readonly pieces: readonly Piece[];
}

interface Piece extends ByteRange {
  readonly bytes: Buffer;
}

/** A larger part is passed on and not kept. */
export const MAX_PART_BYTES = 1024 * 1024;
const MAX_PARTS_BYTES = 32 * 1024 * 1024;
const ENTRY_BYTES = 2048;
const PARTIAL_FIELDS = new Set(['content-range', 'content-length']);

export function createParts(cache: ResponseCache, targets: readonly string[]): Parts {
  const byUrl = new LRUCache<string, PartialAnswer>({
    maxSize: MAX_PARTS_BYTES,
    sizeCalculation: ({ pieces }) => pieces.reduce((sum, { bytes }) => sum + bytes.length, ENTRY_BYTES),
  });

  function select(url: string, requestHeaders: RawHeaders): PartialAnswer | undefined {
    const found = byUrl.get(url);
    return found !== undefined && isSelected(requestHeaders, found.stored.selecting) ? found : undefined;
  }

  return {
    mayKeep(requestHeaders, head) {
      const range = readContentRange(valuesOf(head.headers, 'content-range')[0] ?? '');
      if (head.status !== 206 || range?.sizeBytes === undefined) return false;
      if (range.toByte - range.fromByte > MAX_PART_BYTES) return false;
      return isStorable({ method: 'GET', headers: requestHeaders }, asWhole(head, range.sizeBytes), targets);
    },
    add(url, requestHeaders, head, bytes) {
      const range = readContentRange(valuesOf(head.headers, 'content-range')[0] ?? '');
      if (range?.sizeBytes === undefined || range.toByte - range.fromByte !== bytes.length) return;
      const stored = cache.create(url, requestHeaders, asWhole(head, range.sizeBytes));
      if (stored === undefined) return;
      const before = select(url, requestHeaders);
      const piece = { fromByte: range.fromByte, toByte: range.toByte, bytes };
      const isSame = before !== undefined && isSameWhole(before.stored, stored, range.sizeBytes);
      const pieces = isSame ? joined([...before.pieces, piece]) : [piece];
      const [first] = pieces;
      const source = { sizeBytes: range.sizeBytes, held: undefined, source: undefined };
      if (first?.bytes.length === range.sizeBytes) {
        byUrl.delete(url);
        cache.put(cache.withBody(stored, { ...source, bytes: first.bytes }));
      } else byUrl.set(url, { stored: { ...stored, ...source }, pieces });
    },
    select,
    forget: (url) => void byUrl.delete(url),
  };
}

/** The bytes of a range, if one piece has them all. */
export function bytesOfRange({ pieces }: PartialAnswer, { fromByte, toByte }: ByteRange): Buffer | undefined {
  const piece = pieces.find((one) => one.fromByte <= fromByte && toByte <= one.toByte);
  return piece?.bytes.subarray(fromByte - piece.fromByte, toByte - piece.fromByte);
}

/** What is known of the beginning, if the rest can be asked for: then all of it is surely of one whole. */
export function prefixOf({ stored, pieces }: PartialAnswer): Buffer | undefined {
  const [first] = pieces;
  const [tag] = valuesOf(stored.headers, 'etag');
  return first?.fromByte === 0 && tag !== undefined && isStrongTag(tag) ? first.bytes : undefined;
}

/**
 * The head of the whole, when the answer is exactly what was missing after `prefix` (RFC 9111
 * section 3.4). The new fields replace those known before.
 */
export function completedHead(known: Stored, prefix: Buffer, head: AnswerHead): AnswerHead | undefined {
  const range = readContentRange(valuesOf(head.headers, 'content-range')[0] ?? '');
  if (head.status !== 206 || range?.fromByte !== prefix.length || range.toByte !== range.sizeBytes)
    return undefined;
  const whole = asWhole(head, range.sizeBytes);
  if (!isSameWhole(known, whole, range.sizeBytes)) return undefined;
  const replaced = new Set(['age']);
  for (let at = 0; at < whole.headers.length; at += 2) replaced.add((whole.headers[at] ?? '').toLowerCase());
  const kept = withoutFields(known.headers, (name) => replaced.has(name));
  return { ...whole, headers: [...kept, ...whole.headers] };
}

function asWhole(head: AnswerHead, sizeBytes: number): AnswerHead {
  const headers = withoutFields(head.headers, (name) => PARTIAL_FIELDS.has(name));
  return { ...head, status: 200, reason: 'OK', headers: [...headers, 'Content-Length', String(sizeBytes)] };
}

function isSameWhole(
  one: Pick<Stored, 'headers' | 'sizeBytes'>,
  other: { headers: RawHeaders },
  sizeBytes: number,
): boolean {
  const [tag] = valuesOf(one.headers, 'etag');
  const isSameTag = tag !== undefined && isStrongTag(tag) && tag === valuesOf(other.headers, 'etag')[0];
  return isSameTag && one.sizeBytes === sizeBytes;
}

/** Sorted; pieces that touch or overlap are one. */
function joined(pieces: readonly Piece[]): Piece[] {
  const result: Piece[] = [];
  for (const piece of [...pieces].sort((one, other) => one.fromByte - other.fromByte)) {
    const last = result.at(-1);
    if (last === undefined || piece.fromByte > last.toByte) result.push(piece);
    else if (piece.toByte > last.toByte) {
      const bytes = Buffer.concat([last.bytes, piece.bytes.subarray(last.toByte - piece.fromByte)]);
      result[result.length - 1] = { fromByte: last.fromByte, toByte: piece.toByte, bytes };
    }
  }
  return result;
}
