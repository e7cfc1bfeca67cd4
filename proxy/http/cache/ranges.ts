import { type RawHeaders, valuesOf } from '../headers.ts';
import { isStrongTag } from './entity-tag.ts';
import { firstLine, splitList } from './fields.ts';
import { readHttpDate } from './http-date.ts';
import type { CacheableResponse } from './response.ts';

export interface ByteRange {
  readonly fromByte: number;
  /** Exclusive. */
  readonly toByte: number;
}

/** Answered 200, 416, or 206 with these ranges in the order they were asked for. */
export type RangePlan =
  | { readonly kind: 'whole' }
  | { readonly kind: 'unsatisfiable' }
  | { readonly kind: 'ranges'; readonly ranges: readonly ByteRange[] };

export interface ContentRange extends ByteRange {
  /** Of the whole, if it was known. */
  readonly sizeBytes: number | undefined;
}

const MAX_RANGES_PER_ANSWER = 16;
const WHOLE: RangePlan = Object.freeze({ kind: 'whole' });
const UNSATISFIABLE: RangePlan = Object.freeze({ kind: 'unsatisfiable' });

/** RFC 9110 section 8.8.2.2: a Last-Modified this much older than Date cannot miss a change. */
const STRONG_AFTER_MS = 1000;

/**
 * What of a complete stored 200 a GET asks for (RFC 9110 section 14.2). The whole when the Range is
 * malformed, of another unit, overlapping, of too many parts, or refused by If-Range.
 */
export function planRange(
  requestHeaders: RawHeaders,
  response: CacheableResponse,
  sizeBytes: number,
): RangePlan {
  const [range, ...others] = valuesOf(requestHeaders, 'range');
  if (range === undefined || others.length > 0 || response.status !== 200) return WHOLE;
  const specs = /^bytes=(.*)$/i.exec(range)?.[1];
  if (specs === undefined || !fitsIfRange(requestHeaders, response)) return WHOLE;
  const wanted = splitList(specs).map((spec) => readSpec(spec, sizeBytes));
  if (wanted.length === 0 || wanted.length > MAX_RANGES_PER_ANSWER) return WHOLE;
  const ranges: ByteRange[] = [];
  for (const one of wanted) {
    if (one === 'malformed') return WHOLE;
    if (one !== 'unsatisfiable') ranges.push(one);
  }
  if (ranges.length === 0) return UNSATISFIABLE;
  return overlap(ranges) || sizeBytes === 0 ? WHOLE : { kind: 'ranges', ranges };
}

/** Content-Range of one range of bytes (RFC 9110 section 14.4); undefined for any other value. */
export function readContentRange(value: string): ContentRange | undefined {
  const parts = /^bytes +(\d+)-(\d+)\/(\d+|\*)$/i.exec(value.trim());
  if (parts === null) return undefined;
  const fromByte = Number(parts[1]);
  const toByte = Number(parts[2]) + 1;
  const sizeBytes = parts[3] === '*' ? undefined : Number(parts[3]);
  if (fromByte >= toByte || !Number.isSafeInteger(toByte)) return undefined;
  if (sizeBytes !== undefined && (toByte > sizeBytes || !Number.isSafeInteger(sizeBytes))) return undefined;
  return { fromByte, toByte, sizeBytes };
}

/** RFC 9110 section 13.1.5: the same entity tag by strong comparison, or exactly the same strong date. */
function fitsIfRange(requestHeaders: RawHeaders, { headers, responseMs }: CacheableResponse): boolean {
  const [condition, ...others] = valuesOf(requestHeaders, 'if-range');
  if (condition === undefined) return true;
  if (others.length > 0) return false;
  if (condition.slice(0, 3).includes('"')) {
    return isStrongTag(condition) && condition === firstLine(headers, 'etag');
  }
  const modifiedMs = readHttpDate(firstLine(headers, 'last-modified') ?? '', responseMs);
  const sentMs = readHttpDate(firstLine(headers, 'date') ?? '', responseMs) ?? responseMs;
  if (modifiedMs === undefined || sentMs - modifiedMs < STRONG_AFTER_MS) return false;
  return readHttpDate(condition, responseMs) === modifiedMs;
}

function readSpec(spec: string, sizeBytes: number): ByteRange | 'malformed' | 'unsatisfiable' {
  const parts = /^(\d*)-(\d*)$/.exec(spec);
  const [, first = '', last = ''] = parts ?? [];
  if (first === '' && last === '') return 'malformed';
  if (first === '') {
    const fromByte = Math.max(0, sizeBytes - Number(last));
    return Number(last) === 0 ? 'unsatisfiable' : { fromByte, toByte: sizeBytes };
  }
  if (last !== '' && Number(last) < Number(first)) return 'malformed';
  if (Number(first) >= sizeBytes) return 'unsatisfiable';
  const toByte = last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
  return { fromByte: Number(first), toByte };
}

function overlap(ranges: readonly ByteRange[]): boolean {
  const sorted = ranges.toSorted((one, other) => one.fromByte - other.fromByte);
  return sorted.some((range, at) => at > 0 && range.fromByte < (sorted[at - 1]?.toByte ?? 0));
}
