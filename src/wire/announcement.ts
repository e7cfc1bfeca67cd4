import { type ByteReader, ByteWriter } from '../base/binary.ts';
import type { Identifier } from '../content/identifier.ts';
import { type EntryMetadata, MAX_NAME_BYTES, MAX_TARGET_BYTES } from '../content/tree.ts';
import { type Codec, malformed, readCompressed, wireReader, writeCompressed } from './codec.ts';
import { MAX_BATCH_COLUMN_BYTES, MAX_BATCH_ENTRIES } from './limits.ts';

/**
 * A batch of new directories, children before parents. A directory that is too large for one
 * batch goes on in the next; `isLast` marks its end. When a directory ends, its `new` directory
 * entries are, in order, the last directories that ended and have no parent yet.
 */
export interface Announcement {
  readonly directories: readonly AnnouncedDirectory[];
}

export interface AnnouncedDirectory {
  readonly entries: readonly AnnouncedEntry[];
  readonly isLast: boolean;
}

export type AnnouncedEntry = EntryMetadata &
  (
    | { readonly kind: 'file'; readonly sizeBytes: number; readonly identifier: Identifier }
    /** `known` is the running number of the candidate the agent recognised, among all offered in the session. */
    | { readonly kind: 'directory'; readonly known: number | undefined }
    | { readonly kind: 'symlink'; readonly target: string }
  );

const KINDS = ['file', 'directory', 'symlink'] as const;
const MAX_MODE = 0o7777;
const MAX_MICROS = 999_999;
const MAX_OWNER = 0xffff_ffff;
const COLUMNS = [
  'shape',
  'classes',
  'class',
  'shared',
  'suffix',
  'size',
  'seconds',
  'micros',
  'known',
  'target',
] as const;
type Column = (typeof COLUMNS)[number];

/**
 * Columns, so that like stands beside like: names front-coded, times as differences, the tuple of
 * kind, mode and owner as one number. Identifiers do not compress and follow raw.
 */
export const announcement: Codec<Announcement> = {
  type: 3,
  encode(message) {
    const columns = newColumns();
    const identifiers = new ByteWriter(message.directories.length * 64);
    const writeEntry = entryWriter(columns, identifiers);
    for (const { entries, isLast } of message.directories) {
      columns.shape.varint(entries.length * 2 + (isLast ? 1 : 0));
      let previousName = '';
      for (const entry of entries) {
        writeEntry(entry, previousName);
        previousName = entry.name;
      }
    }
    const joined = new ByteWriter(4096);
    for (const column of COLUMNS) joined.prefixedBytes(columns[column].finish());
    const out = new ByteWriter(joined.length / 2 + identifiers.length);
    writeCompressed(out, joined.finish());
    out.bytes(identifiers.finish());
    return out.finish();
  },
  decode(payload) {
    const from = wireReader(payload);
    const joined = wireReader(readCompressed(from, MAX_BATCH_COLUMN_BYTES));
    const columns = readColumns(joined);
    joined.end();
    const readEntry = entryReader(columns, from);
    const directories: AnnouncedDirectory[] = [];
    let total = 0;
    while (columns.shape.remaining > 0) {
      const shape = columns.shape.varint(MAX_BATCH_ENTRIES * 2 + 1);
      const count = Math.floor(shape / 2);
      total += count;
      if (total > MAX_BATCH_ENTRIES || directories.length === MAX_BATCH_ENTRIES)
        malformed('a batch has too many entries');
      const entries: AnnouncedEntry[] = [];
      let previousName = '';
      for (let index = 0; index < count; index++) {
        const entry = readEntry(previousName);
        previousName = entry.name;
        entries.push(entry);
      }
      directories.push({ entries, isLast: shape % 2 === 1 });
    }
    for (const column of COLUMNS) columns[column].end();
    from.end();
    return { directories };
  },
};

function entryWriter(
  columns: Record<Column, ByteWriter>,
  identifiers: ByteWriter,
): (entry: AnnouncedEntry, previousName: string) => void {
  const classes = new Map<string, number>();
  let seconds = 0;
  let known = 0;
  return (entry, previousName) => {
    const tuple = `${entry.kind} ${entry.mode} ${entry.uid} ${entry.gid}`;
    let number = classes.get(tuple);
    if (number === undefined) {
      number = classes.size;
      classes.set(tuple, number);
      columns.classes.u8(KINDS.indexOf(entry.kind));
      columns.classes.varint(entry.mode);
      columns.classes.varint(entry.uid);
      columns.classes.varint(entry.gid);
    }
    columns.class.varint(number);
    const shared = sharedPrefix(previousName, entry.name);
    columns.shared.u8(shared);
    columns.suffix.byteString(`${entry.name.slice(shared)}\0`);
    columns.seconds.signedVarint(entry.mtimeSeconds - seconds);
    seconds = entry.mtimeSeconds;
    columns.micros.varint(entry.mtimeMicros);
    if (entry.kind === 'file') {
      columns.size.varint(entry.sizeBytes);
      if (entry.sizeBytes > 0) identifiers.u48(entry.identifier);
    } else if (entry.kind === 'symlink') columns.target.byteString(`${entry.target}\0`);
    else if (entry.known === undefined) columns.known.varint(0);
    else {
      columns.known.signedVarint(entry.known - known + (entry.known >= known ? 1 : 0));
      known = entry.known;
    }
  };
}

function entryReader(
  columns: Record<Column, ByteReader>,
  identifiers: ByteReader,
): (previousName: string) => AnnouncedEntry {
  const classes = readClasses(columns.classes);
  let seconds = 0;
  let known = 0;
  return (previousName) => {
    const entryClass = classes[columns.class.varint()] ?? malformed('an entry has an unknown class');
    const { kind, mode, uid, gid } = entryClass;
    const shared = columns.shared.u8();
    if (shared > previousName.length) malformed('a name shares more than there is');
    const name = previousName.slice(0, shared) + columns.suffix.terminatedByteString(MAX_NAME_BYTES);
    if (name.length > MAX_NAME_BYTES) malformed('a name is too long');
    seconds += columns.seconds.signedVarint();
    if (!Number.isSafeInteger(seconds)) malformed('a time is out of range');
    const named = {
      name,
      mode,
      mtimeSeconds: seconds,
      mtimeMicros: columns.micros.varint(MAX_MICROS),
      uid,
      gid,
    };
    if (kind === 'file') {
      const sizeBytes = columns.size.varint();
      return { kind, ...named, sizeBytes, identifier: sizeBytes > 0 ? identifiers.u48() : 0 };
    }
    if (kind === 'symlink')
      return { kind, ...named, target: columns.target.terminatedByteString(MAX_TARGET_BYTES) };
    const step = columns.known.signedVarint();
    if (step === 0) return { kind, ...named, known: undefined };
    known += step > 0 ? step - 1 : step;
    if (known < 0 || !Number.isSafeInteger(known)) malformed('a known directory has no number');
    return { kind, ...named, known };
  };
}

interface EntryClass {
  readonly kind: (typeof KINDS)[number];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

function readClasses(from: ByteReader): EntryClass[] {
  const classes: EntryClass[] = [];
  while (from.remaining > 0) {
    if (classes.length === MAX_BATCH_ENTRIES) malformed('a batch has more classes than entries');
    const kind = KINDS[from.u8()] ?? malformed('an entry is of an unknown kind');
    classes.push({
      kind,
      mode: from.varint(MAX_MODE),
      uid: from.varint(MAX_OWNER),
      gid: from.varint(MAX_OWNER),
    });
  }
  return classes;
}

function newColumns(): Record<Column, ByteWriter> {
  return eachColumn(() => new ByteWriter(1024));
}

function readColumns(joined: ByteReader): Record<Column, ByteReader> {
  return eachColumn(() => wireReader(joined.prefixedBytes(MAX_BATCH_COLUMN_BYTES)));
}

/** Makes something for every column, in the order in which they are joined. */
function eachColumn<T>(make: () => T): Record<Column, T> {
  return {
    shape: make(),
    classes: make(),
    class: make(),
    shared: make(),
    suffix: make(),
    size: make(),
    seconds: make(),
    micros: make(),
    known: make(),
    target: make(),
  };
}

function sharedPrefix(left: string, right: string): number {
  const limit = Math.min(left.length, right.length, MAX_NAME_BYTES);
  let shared = 0;
  while (shared < limit && left.charCodeAt(shared) === right.charCodeAt(shared)) shared++;
  return shared;
}
