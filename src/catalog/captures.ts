import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter } from '../base/binary.ts';
import { WeirError } from '../base/errors.ts';
import { CONTENT_ID_BYTES, contentId } from '../content/content-id.ts';
import { type Collection, type Operation, putRecord, type Records } from '../store/records.ts';
import type { Contents } from './contents.ts';
import type { NewObject } from './objects.ts';
import type { Scope } from './scope.ts';
import { createUses, type Uses } from './uses.ts';
import { versioned } from './versioned.ts';
import type { WatchList } from './watch-list.ts';

/** Something that passed and was kept: where it came from and when. */
export interface Capture {
  readonly url: string;
  readonly contentId: Uint8Array;
  readonly sizeBytes: number;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly timeMs: number;
}

export interface Captures {
  /**
   * Records a capture whose portions are durable: the object, the holding that says why it is
   * held, the line in the ledger, the end of a watch entry that waited for it, and what the caller
   * adds, in one group.
   */
  record(
    scope: Scope,
    object: NewObject,
    capture: Capture,
    alongside?: readonly Operation[],
  ): Promise<{ wasWanted: boolean }>;
  /** What the ledger says of a URL that passed to this scope last. */
  lookUp(scope: Scope, url: string): Promise<Capture | undefined>;
  /** Says that `share` of a captured object's bytes, 1 for all, was wanted and served again. */
  noteUse(scope: Scope, contentId: Uint8Array, share: number): void;
  readonly uses: Uses;
}

/** As much as a file somebody waited for is worth to begin with: its owner is still to come for it. */
const WANTED_SHARE = 8;

/** Four times what the proxy takes: the characters of a URL may be percent-encoded here. */
const MAX_URL_BYTES = 32 * 1024;
const MAX_VALIDATOR_BYTES = 1024;

function encodeCapture(value: Capture): Buffer {
  const out = new ByteWriter(128);
  out.prefixedText(value.url);
  out.bytes(value.contentId);
  out.varint(value.sizeBytes);
  out.prefixedText(value.etag ?? '');
  out.prefixedText(value.lastModified ?? '');
  out.varint(value.timeMs);
  return out.finish();
}

function decodeCapture(bytes: Buffer): Capture {
  const from = new ByteReader(bytes, (reason) => {
    throw new WeirError('WEIR_STORE_CORRUPT', `a capture record cannot be read: ${reason}`);
  });
  const capture = {
    url: from.prefixedText(MAX_URL_BYTES),
    contentId: from.bytes(CONTENT_ID_BYTES),
    sizeBytes: from.varint(),
    etag: from.prefixedText(MAX_VALIDATOR_BYTES) || undefined,
    lastModified: from.prefixedText(MAX_VALIDATOR_BYTES) || undefined,
    timeMs: from.varint(),
  };
  from.end();
  return capture;
}

/** Why a captured object is held, keyed by the object's key in its scope and the URL. */
export const holdings: Collection<Capture> = {
  ...versioned('holdings', encodeCapture, decodeCapture),
  indexes: [],
};
/** What each URL last gave, keyed by scope and URL; outlives the bytes. */
const ledger: Collection<Capture> = {
  ...versioned('ledger', encodeCapture, decodeCapture),
  indexes: [],
};

export function openCaptures(records: Records, contents: Contents, watchList: WatchList): Captures {
  const uses = createUses();
  return {
    async record(scope, object, capture, alongside = []) {
      const urlBytes = Buffer.byteLength(capture.url);
      assert(urlBytes <= MAX_URL_BYTES, `a URL of ${urlBytes} bytes`);
      const kept = { ...capture, etag: cut(capture.etag), lastModified: cut(capture.lastModified) };
      const ended = watchList.end(scope, object.identifier, object.sizeBytes);
      const contentKey = scope.contentKey(object.contentId);
      const hash = urlHash(capture.url);
      const holding = putRecord(holdings, Buffer.concat([contentKey, hash]), kept);
      // Both say the same, so it is encoded once.
      const line: Operation = { ...holding, collection: ledger, key: scope.contentKey(hash) };
      await contents.hold(scope, [object], [holding, line, ...ended, ...alongside]);
      watchList.ended(scope, object.identifier, object.sizeBytes);
      const wasWanted = ended.length > 0;
      uses.note(contentKey, wasWanted ? WANTED_SHARE : 1);
      return { wasWanted };
    },
    noteUse: (scope, contentId, share) => uses.note(scope.contentKey(contentId), share),
    uses,
    async lookUp(scope, url) {
      const [found] = await records.get(ledger, [scope.contentKey(urlHash(url))]);
      return found;
    },
  };
}

/** A validator too long to be one is left out. */
function cut(validator: string | undefined): string | undefined {
  return validator !== undefined && Buffer.byteLength(validator) <= MAX_VALIDATOR_BYTES
    ? validator
    : undefined;
}

/** SHA-256. */
function urlHash(url: string): Buffer {
  return contentId(Buffer.from(url));
}
