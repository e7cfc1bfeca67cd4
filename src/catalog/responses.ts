import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter } from '../base/binary.ts';
import { WeirError } from '../base/errors.ts';
import { CONTENT_ID_BYTES, contentId } from '../content/content-id.ts';
import { createKeyFilter } from '../store/key-filter.ts';
import { type Collection, deleteRecord, type Operation, putRecord, type Records } from '../store/records.ts';
import { versioned } from './versioned.ts';

/** Where a body is held: an object of the file level in a scope. */
export interface HeldBody {
  readonly scope: number;
  readonly contentId: Uint8Array;
  readonly sizeBytes: number;
}

/** An HTTP answer the cache may serve again (RFC 9111 section 3). Its body is an object of the store. */
export interface KeptResponse {
  readonly status: number;
  readonly reason: string;
  /** Name, value, name, value, … as the origin sent them, less what was meant for one connection. */
  readonly headers: readonly string[];
  /** The request's fields that Vary names, as the cache's rules write them down. */
  readonly selecting: readonly string[];
  /** When the request was sent and when the answer came, wall clock. */
  readonly requestMs: number;
  readonly responseMs: number;
  readonly body: HeldBody;
}

/** The answers the cache keeps, by URL; of one URL there may be several that Vary tells apart. */
export interface KeptResponses {
  find(url: string): Promise<readonly KeptResponse[]>;
  /** What to write so that these, and no others, are kept of the URL. */
  replace(url: string, responses: readonly KeptResponse[]): Operation;
}

/** More of one URL are not kept: the oldest leaves. */
export const MAX_VARIANTS = 16;
/** Names and values together: 512 header lines. */
export const MAX_KEPT_FIELDS = 1024;
const MAX_FIELD_BYTES = 64 * 1024;

/** Of more, the filter lets more through. 5 MiB. */
const FILTERED_URLS = 4 * 1024 * 1024;

/** Keyed by SHA-256 of the URL. */
const responses: Collection<readonly KeptResponse[]> = {
  ...versioned('responses', encodeResponses, decodeResponses),
  indexes: [],
};

export async function openKeptResponses(records: Records): Promise<KeptResponses> {
  /** Most URLs that are looked up were never kept, and a look into the records costs 20 µs of every miss. */
  const known = createKeyFilter(FILTERED_URLS);
  const undecoded = { ...responses, decode: () => [] };
  for await (const { key } of records.range(undecoded)) known.add(Buffer.from(key));
  return {
    async find(url) {
      const key = keyOf(url);
      if (!known.has(key)) return [];
      const [found = []] = await records.get(responses, [key]);
      return found;
    },
    replace(url, kept) {
      const key = keyOf(url);
      known.add(key);
      return kept.length === 0 ? deleteRecord(responses, key) : putRecord(responses, key, kept);
    },
  };
}

function keyOf(url: string): Buffer {
  return contentId(Buffer.from(url));
}

function encodeResponses(kept: readonly KeptResponse[]): Buffer {
  const out = new ByteWriter(1024);
  out.varint(kept.length);
  for (const { status, reason, headers, selecting, requestMs, responseMs, body } of kept) {
    out.varint(status);
    out.prefixedByteString(reason);
    for (const list of [headers, selecting]) {
      assert(list.length <= MAX_KEPT_FIELDS, `${list.length} fields`);
      out.varint(list.length);
      for (const field of list) out.prefixedByteString(field);
    }
    out.varint(requestMs);
    out.varint(responseMs);
    out.varint(body.scope);
    out.bytes(body.contentId);
    out.varint(body.sizeBytes);
  }
  return out.finish();
}

function decodeResponses(bytes: Buffer): readonly KeptResponse[] {
  const from = new ByteReader(bytes, corrupt);
  const count = from.varint();
  if (count > MAX_VARIANTS) corrupt('too many');
  const kept = Array.from({ length: count }, () => ({
    status: from.varint(),
    reason: from.prefixedByteString(MAX_FIELD_BYTES),
    headers: decodeFields(from),
    selecting: decodeFields(from),
    requestMs: from.varint(),
    responseMs: from.varint(),
    body: {
      scope: from.varint(),
      contentId: from.bytes(CONTENT_ID_BYTES),
      sizeBytes: from.varint(),
    },
  }));
  from.end();
  return kept;
}

function decodeFields(from: ByteReader): string[] {
  const count = from.varint();
  if (count > MAX_KEPT_FIELDS) corrupt('too many fields');
  return Array.from({ length: count }, () => from.prefixedByteString(MAX_FIELD_BYTES));
}

function corrupt(reason: string): never {
  throw new WeirError('WEIR_STORE_CORRUPT', `a kept response cannot be read: ${reason}`);
}
