import xxhash from 'xxhash-wasm';
import { assert } from '../../base/assert.ts';
import { type Codec, KEY_BYTES, MAX_ENTRY_BYTES, type Retention } from '../byte-store.ts';

/**
 * Segment files, byte by byte; all numbers are little-endian.
 *
 *     header, record, record, …                      while open
 *     header, record, record, …, footer, trailer     once sealed
 *
 * Every checksum is xxHash64 seeded with the segment's salt, eight random bytes of its header. So
 * a record is good in its own segment only: neither a block of another file that a crash leaves
 * behind nor a payload that somebody made look like a record passes for one.
 */
export const FORMAT_VERSION = 1;
export const HEADER_BYTES = 64;
export const RECORD_HEADER_BYTES = 56;
export const FOOTER_ENTRY_BYTES = 48;
export const TRAILER_BYTES = 40;
export const MAX_RECORD_BYTES = RECORD_HEADER_BYTES + MAX_ENTRY_BYTES;

const HEADER_MAGIC = Buffer.from('WEIRSEG\n', 'latin1');
const TRAILER_MAGIC = Buffer.from('WEIREND\n', 'latin1');
export const RECORD_MAGIC = Buffer.from('WREC', 'latin1');
const RECORD_MAGIC_WORD = RECORD_MAGIC.readUInt32LE();
export const RECORD_MAGIC_AT = 8;
const KEY_AT = 24;

const CODECS: readonly Codec[] = ['raw', 'zstd'];
const RETENTIONS: readonly Retention[] = ['passing', 'kept'];

const { h64Raw } = await xxhash();

export type FormatFault = 'short' | 'magic' | 'version' | 'field' | 'checksum';
export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly fault: FormatFault };

export interface SegmentIdentity {
  readonly number: number;
  readonly retention: Retention;
  readonly salt: bigint;
}

/**
 * | at | bytes | |
 * |---|---|---|
 * | 0 | 8 | magic |
 * | 8 | 4 | format version |
 * | 12 | 4 | segment number |
 * | 16 | 1 | retention: 0 passing, 1 kept |
 * | 17 | 7 | zero |
 * | 24 | 16 | encryption key id; zero: plain |
 * | 40 | 8 | salt |
 * | 48 | 8 | zero |
 * | 56 | 8 | checksum of the bytes before |
 */
export function encodeHeader(identity: SegmentIdentity): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  HEADER_MAGIC.copy(header);
  header.writeUInt32LE(FORMAT_VERSION, 8);
  header.writeUInt32LE(identity.number, 12);
  header.writeUInt8(RETENTIONS.indexOf(identity.retention), 16);
  header.writeBigUInt64LE(identity.salt, 40);
  header.writeBigUInt64LE(h64Raw(header.subarray(0, 56), identity.salt), 56);
  return header;
}

/** A version or a key id that this code does not know is the fault `version`. */
export function decodeHeader(bytes: Buffer): Decoded<SegmentIdentity> {
  if (bytes.length < HEADER_BYTES) return fault('short');
  if (!bytes.subarray(0, 8).equals(HEADER_MAGIC)) return fault('magic');
  const salt = bytes.readBigUInt64LE(40);
  if (bytes.readBigUInt64LE(56) !== h64Raw(bytes.subarray(0, 56), salt)) return fault('checksum');
  if (bytes.readUInt32LE(8) !== FORMAT_VERSION) return fault('version');
  if (bytes.readBigUInt64LE(24) !== 0n || bytes.readBigUInt64LE(32) !== 0n) return fault('version');
  const retention = RETENTIONS[bytes.readUInt8(16)];
  const number = bytes.readUInt32LE(12);
  if (retention === undefined || number === 0) return fault('field');
  return { ok: true, value: { number, retention, salt } };
}

export interface RecordHeader {
  /** When decoded, a view into the bytes it was decoded from. */
  readonly key: Uint8Array;
  readonly codec: Codec;
  /** Length of the plain bytes. */
  readonly sizeBytes: number;
  /** Length of the payload. */
  readonly storedBytes: number;
}

export interface StoredRecord extends RecordHeader {
  /** As `key`. */
  readonly payload: Buffer;
}

/**
 * Writes one record at `at` of `target` and returns where it ends.
 *
 * | at | bytes | |
 * |---|---|---|
 * | 0 | 8 | checksum of everything behind it, the payload included |
 * | 8 | 4 | magic |
 * | 12 | 1 | codec: 0 raw, 1 zstd |
 * | 13 | 3 | zero |
 * | 16 | 4 | plain length |
 * | 20 | 4 | stored length |
 * | 24 | 32 | key |
 * | 56 | stored length | payload |
 */
export function encodeRecord(
  target: Buffer,
  at: number,
  salt: bigint,
  key: Uint8Array,
  codec: Codec,
  sizeBytes: number,
  payload: Uint8Array,
): number {
  assert(key.length === KEY_BYTES, 'a key has 32 bytes');
  assert(
    sizeBytes <= MAX_ENTRY_BYTES && payload.length <= sizeBytes,
    'a payload is no longer than its entry',
  );
  const end = at + RECORD_HEADER_BYTES + payload.length;
  assert(end <= target.length, 'a record fits into its buffer');
  target.writeUInt32LE(RECORD_MAGIC_WORD, at + RECORD_MAGIC_AT);
  target.writeUInt32LE(CODECS.indexOf(codec), at + 12);
  target.writeUInt32LE(sizeBytes, at + 16);
  target.writeUInt32LE(payload.length, at + 20);
  target.set(key, at + KEY_AT);
  target.set(payload, at + RECORD_HEADER_BYTES);
  target.writeBigUInt64LE(h64Raw(target.subarray(at + RECORD_MAGIC_AT, end), salt), at);
  return end;
}

/** The key in a record header whose checksum is not looked at. */
export function recordKey(header: Buffer): Buffer {
  return header.subarray(KEY_AT, KEY_AT + KEY_BYTES);
}

/** The record that starts at `at`; `short` when it does not end within `bytes`. */
export function decodeRecord(bytes: Buffer, at: number, salt: bigint): Decoded<StoredRecord> {
  if (at + RECORD_HEADER_BYTES > bytes.length) return fault('short');
  if (bytes.readUInt32LE(at + RECORD_MAGIC_AT) !== RECORD_MAGIC_WORD) return fault('magic');
  const codec = CODECS[bytes.readUInt32LE(at + 12)];
  const sizeBytes = bytes.readUInt32LE(at + 16);
  const storedBytes = bytes.readUInt32LE(at + 20);
  if (codec === undefined || sizeBytes > MAX_ENTRY_BYTES || storedBytes > sizeBytes) return fault('field');
  const end = at + RECORD_HEADER_BYTES + storedBytes;
  if (end > bytes.length) return fault('short');
  const checksum = h64Raw(bytes.subarray(at + RECORD_MAGIC_AT, end), salt);
  if (bytes.readBigUInt64LE(at) !== checksum) return fault('checksum');
  const key = bytes.subarray(at + KEY_AT, at + KEY_AT + KEY_BYTES);
  const payload = bytes.subarray(at + RECORD_HEADER_BYTES, end);
  return { ok: true, value: { key, codec, sizeBytes, storedBytes, payload } };
}

export interface FooterEntry extends RecordHeader {
  /** Where the record starts in the segment. */
  readonly offset: number;
}

/**
 * Writes one entry of a footer at `at`.
 *
 * | at | bytes | |
 * |---|---|---|
 * | 0 | 32 | key |
 * | 32 | 4 | offset of the record |
 * | 36 | 4 | plain length |
 * | 40 | 4 | stored length |
 * | 44 | 4 | codec |
 */
export function encodeFooterEntry(target: Buffer, at: number, entry: FooterEntry): void {
  target.set(entry.key, at);
  target.writeUInt32LE(entry.offset, at + 32);
  target.writeUInt32LE(entry.sizeBytes, at + 36);
  target.writeUInt32LE(entry.storedBytes, at + 40);
  target.writeUInt32LE(CODECS.indexOf(entry.codec), at + 44);
}

/**
 * The trailer of a sealed segment, whose last bytes it is.
 *
 * | at | bytes | |
 * |---|---|---|
 * | 0 | 4 | segment number |
 * | 4 | 4 | retention |
 * | 8 | 8 | salt |
 * | 16 | 4 | offset of the footer |
 * | 20 | 4 | number of entries in the footer |
 * | 24 | 8 | magic |
 * | 32 | 8 | checksum of the footer and the bytes before |
 */
export function encodeTrailer(identity: SegmentIdentity, footerOffset: number, footer: Buffer): Buffer {
  assert(footer.length % FOOTER_ENTRY_BYTES === 0, 'a footer is whole entries');
  const trailer = Buffer.alloc(TRAILER_BYTES);
  trailer.writeUInt32LE(identity.number, 0);
  trailer.writeUInt32LE(RETENTIONS.indexOf(identity.retention), 4);
  trailer.writeBigUInt64LE(identity.salt, 8);
  trailer.writeUInt32LE(footerOffset, 16);
  trailer.writeUInt32LE(footer.length / FOOTER_ENTRY_BYTES, 20);
  TRAILER_MAGIC.copy(trailer, 24);
  const covered = Buffer.concat([footer, trailer.subarray(0, 32)]);
  trailer.writeBigUInt64LE(h64Raw(covered, identity.salt), 32);
  return trailer;
}

export interface Trailer {
  readonly identity: SegmentIdentity;
  readonly footerOffset: number;
  readonly entries: number;
}

/** Reads where the footer is; only `decodeFooter` proves that it was so written. */
export function decodeTrailer(bytes: Buffer, segmentBytes: number): Decoded<Trailer> {
  if (bytes.length < TRAILER_BYTES) return fault('short');
  if (!bytes.subarray(24, 32).equals(TRAILER_MAGIC)) return fault('magic');
  const number = bytes.readUInt32LE(0);
  const retention = RETENTIONS[bytes.readUInt32LE(4)];
  const footerOffset = bytes.readUInt32LE(16);
  const entries = bytes.readUInt32LE(20);
  if (retention === undefined || number === 0) return fault('field');
  if (footerOffset + entries * FOOTER_ENTRY_BYTES + TRAILER_BYTES !== segmentBytes) return fault('field');
  return {
    ok: true,
    value: { identity: { number, retention, salt: bytes.readBigUInt64LE(8) }, footerOffset, entries },
  };
}

/** The entries of the footer in `bytes`, which are the footer with its trailer behind it. */
export function decodeFooter(bytes: Buffer, trailer: Trailer): Decoded<FooterEntry[]> {
  const footerBytes = trailer.entries * FOOTER_ENTRY_BYTES;
  if (bytes.length !== footerBytes + TRAILER_BYTES) return fault('short');
  const checksum = h64Raw(bytes.subarray(0, bytes.length - 8), trailer.identity.salt);
  if (bytes.readBigUInt64LE(bytes.length - 8) !== checksum) return fault('checksum');
  const entries: FooterEntry[] = [];
  let previousEnd = HEADER_BYTES;
  for (let at = 0; at < footerBytes; at += FOOTER_ENTRY_BYTES) {
    const entry = decodeFooterEntry(bytes, at);
    if (entry === undefined || entry.offset < previousEnd) return fault('field');
    previousEnd = entry.offset + RECORD_HEADER_BYTES + entry.storedBytes;
    if (previousEnd > trailer.footerOffset) return fault('field');
    entries.push(entry);
  }
  return { ok: true, value: entries };
}

/** The entry at `at` of a footer, its key a view; undefined when a field is out of bounds. */
export function decodeFooterEntry(bytes: Buffer, at: number): FooterEntry | undefined {
  const offset = bytes.readUInt32LE(at + 32);
  const sizeBytes = bytes.readUInt32LE(at + 36);
  const storedBytes = bytes.readUInt32LE(at + 40);
  const codec = CODECS[bytes.readUInt32LE(at + 44)];
  if (codec === undefined || sizeBytes > MAX_ENTRY_BYTES || storedBytes > sizeBytes) return undefined;
  return { key: bytes.subarray(at, at + KEY_BYTES), offset, codec, sizeBytes, storedBytes };
}

function fault(reason: FormatFault): { ok: false; fault: FormatFault } {
  return { ok: false, fault: reason };
}
