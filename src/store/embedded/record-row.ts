import { crc32 } from 'node:zlib';
import { assert } from '../../base/assert.ts';
import { WeirError } from '../../base/errors.ts';

/**
 * A record as the database keeps it. SQLite has no checksum of its own pages, so each row carries
 * one, and the index keys under which it is found, so that a replacement can take them away
 * without knowing how they were made:
 *
 *     u32 CRC-32, seeded with the collection's number, of what follows and the key
 *     u16 key length | u32 value length | u32 length of the index entries
 *     index entries: u16 index number, u16 length, bytes; each
 *     value
 *
 * Numbers are little-endian. The lengths let a page of many rows be read as one byte string.
 */
export interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Encoded; see `decodeEntries`. */
  readonly entries: Uint8Array;
}

export interface IndexEntry {
  readonly index: number;
  readonly key: Uint8Array;
}

const HEADER_BYTES = 14;
const CHECKSUM_BYTES = 4;
const ENTRY_HEADER_BYTES = 4;

export function encodeRow(
  collection: number,
  key: Uint8Array,
  value: Uint8Array,
  entries: readonly IndexEntry[],
): Buffer {
  const entriesBytes = entries.reduce((sum, entry) => sum + ENTRY_HEADER_BYTES + entry.key.length, 0);
  const row = Buffer.allocUnsafe(HEADER_BYTES + entriesBytes + value.length);
  row.writeUInt16LE(key.length, 4);
  row.writeUInt32LE(value.length, 6);
  row.writeUInt32LE(entriesBytes, 10);
  let at = HEADER_BYTES;
  for (const entry of entries) {
    row.writeUInt16LE(entry.index, at);
    row.writeUInt16LE(entry.key.length, at + 2);
    row.set(entry.key, at + ENTRY_HEADER_BYTES);
    at += ENTRY_HEADER_BYTES + entry.key.length;
  }
  row.set(value, at);
  row.writeUInt32LE(checksumOf(row, key, collection), 0);
  return row;
}

/** The row of `key`. Value and entries are views. Throws WEIR_STORE_CORRUPT when it is not what was written. */
export function decodeRow(row: Uint8Array, key: Uint8Array, collection: number): Row {
  const { valueAt, keyAt, end, checksum } = readHeader(viewOf(row), 0, collection);
  const isWhole = keyAt === row.length && end === keyAt + key.length;
  if (!isWhole || checksumOf(row, key, collection) !== checksum) {
    throw corruptRow(collection);
  }
  return { key, value: row.subarray(valueAt), entries: row.subarray(HEADER_BYTES, valueAt) };
}

/** As `decodeRow`, for rows one after another, each with its key behind it. */
export function decodePage(page: Uint8Array, collection: number): Row[] {
  const view = viewOf(page);
  const rows: Row[] = [];
  for (let at = 0; at < page.length; ) {
    const { valueAt, keyAt, end, checksum } = readHeader(view, at, collection);
    if (end > page.length || crc32(page.subarray(at + CHECKSUM_BYTES, end), collection) !== checksum) {
      throw corruptRow(collection);
    }
    const entries = page.subarray(at + HEADER_BYTES, valueAt);
    rows.push({ key: page.subarray(keyAt, end), value: page.subarray(valueAt, keyAt), entries });
    at = end;
  }
  return rows;
}

/** Of no bytes at all, `crc32` is zero whatever it starts from. */
function checksumOf(row: Uint8Array, key: Uint8Array, collection: number): number {
  const checksum = crc32(row.subarray(CHECKSUM_BYTES), collection);
  return key.length === 0 ? checksum : crc32(key, checksum);
}

function readHeader(view: DataView, at: number, collection: number) {
  if (at + HEADER_BYTES > view.byteLength) throw corruptRow(collection);
  const valueAt = at + HEADER_BYTES + view.getUint32(at + 10, true);
  const keyAt = valueAt + view.getUint32(at + 6, true);
  return { valueAt, keyAt, end: keyAt + view.getUint16(at + 4, true), checksum: view.getUint32(at, true) };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function decodeEntries(entries: Uint8Array): IndexEntry[] {
  const view = viewOf(entries);
  const decoded: IndexEntry[] = [];
  let at = 0;
  while (at < entries.length) {
    const keyAt = at + ENTRY_HEADER_BYTES;
    const end = keyAt + view.getUint16(at + 2, true);
    decoded.push({ index: view.getUint16(at, true), key: entries.subarray(keyAt, end) });
    at = end;
  }
  assert(at === entries.length, 'index entries that passed their checksum are whole');
  return decoded;
}

function corruptRow(collection: number): WeirError {
  return new WeirError(
    'WEIR_STORE_CORRUPT',
    `a record of collection ${collection} does not match its checksum`,
    {
      facts: { collection },
    },
  );
}
