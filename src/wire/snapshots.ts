import { type ByteReader, ByteWriter } from '../base/binary.ts';
import { CONTENT_ID_BYTES } from '../content/content-id.ts';
import {
  type Codec,
  codec,
  FAST_QUALITY,
  malformed,
  readCompressed,
  wireReader,
  writeCompressed,
} from './codec.ts';
import {
  MAX_DIRECTORY_OBJECT_BYTES,
  MAX_FETCH_FILES,
  MAX_FILE_BYTES,
  MAX_FRAME_CONTENT_BYTES,
  MAX_FRAME_DIRECTORIES,
  MAX_FRAME_DIRECTORY_BYTES,
  MAX_FRAME_PIECES,
  MAX_LISTED_SNAPSHOTS,
  MAX_PATH_BYTES,
  MAX_SNAPSHOT_PATHS,
  MAX_SNAPSHOT_TAGS,
  MAX_SNAPSHOT_TEXT_BYTES,
  MAX_TEXT_BYTES,
} from './limits.ts';
import { repeat } from './messages.ts';

export const SNAPSHOT_ID_BYTES = 16;

/** Where the bytes of a snapshot came from, for the last line a person reads. */
export interface SnapshotBytes {
  readonly files: number;
  readonly totalBytes: number;
  /** In directories the provider knew. */
  readonly unchangedBytes: number;
  /** Matched with what the subscriber had given or proved before. */
  readonly knownBytes: number;
  /** Matched with what passed the provider's taps. */
  readonly passedBytes: number;
  /** Portions of changed files that were matched. */
  readonly portionBytes: number;
  /** Sent over the line, before compression. */
  readonly uploadedBytes: number;
}

const BYTE_FIELDS = [
  'files',
  'totalBytes',
  'unchangedBytes',
  'knownBytes',
  'passedBytes',
  'portionBytes',
  'uploadedBytes',
] as const;

export interface Snapshot {
  readonly id: Uint8Array;
  readonly deviceName: string;
  /** When the provider recorded it, by the provider's clock. */
  readonly timeMs: number;
  /** Absolute paths that were backed up, as byte strings. */
  readonly paths: readonly string[];
  readonly tags: readonly string[];
  readonly rootAttributesId: Uint8Array;
  readonly bytes: SnapshotBytes;
}

/**
 * Records a snapshot: the one commit point of a backup. `known` names the root among the
 * directory candidates offered in the session; without it the root is the one directory that ended
 * and has no parent. `rootAttributesId` must be what the provider built. Answer: `committed`.
 */
export interface Commit {
  readonly known: number | undefined;
  readonly rootAttributesId: Uint8Array;
  readonly paths: readonly string[];
  readonly tags: readonly string[];
  readonly files: number;
  readonly totalBytes: number;
}

export const commit: Codec<Commit> = codec(
  9,
  (out, message) => {
    out.varint(message.known === undefined ? 0 : message.known + 1);
    out.bytes(message.rootAttributesId);
    writePathsAndTags(out, message);
    out.varint(message.files);
    out.varint(message.totalBytes);
  },
  (from) => {
    const known = from.varint();
    return {
      known: known === 0 ? undefined : known - 1,
      rootAttributesId: from.bytes(CONTENT_ID_BYTES),
      ...readPathsAndTags(from),
      files: from.varint(),
      totalBytes: from.varint(),
    };
  },
);

export const committed: Codec<Snapshot> = codec(69, writeSnapshot, readSnapshot);

/** Answer: `snapshots`, newest first. */
export const listSnapshots: Codec<null> = codec(
  10,
  () => {},
  () => null,
);

export const snapshots: Codec<readonly Snapshot[]> = codec(
  70,
  (out, list) => {
    out.varint(list.length);
    for (const snapshot of list) writeSnapshot(out, snapshot);
  },
  (from) => repeat(from.varint(MAX_LISTED_SNAPSHOTS), () => readSnapshot(from)),
);

/**
 * Opens a path of a snapshot for reading. `snapshot` is a prefix of the id in hexadecimal, or
 * "latest". Answer: `opened`, then directories as asked.
 */
export interface OpenPath {
  readonly snapshot: string;
  /** Path from the root as a byte string, "" for the root. */
  readonly path: string;
}

export const openPath: Codec<OpenPath> = codec(
  11,
  (out, message) => {
    out.prefixedText(message.snapshot);
    out.prefixedByteString(message.path);
  },
  (from) => ({ snapshot: from.prefixedText(MAX_TEXT_BYTES), path: from.prefixedByteString(MAX_PATH_BYTES) }),
);

export interface Opened {
  readonly snapshot: Snapshot;
  /** Attributes id of the directory at the path, or of the directory that holds the file or link there. */
  readonly attributesId: Uint8Array;
  /** When the path is a file or a link: its name in that directory. */
  readonly single: string | undefined;
}

export const opened: Codec<Opened> = codec(
  71,
  (out, message) => {
    writeSnapshot(out, message.snapshot);
    out.bytes(message.attributesId);
    out.prefixedByteString(message.single ?? '');
  },
  (from) => {
    const snapshot = readSnapshot(from);
    const attributesId = from.bytes(CONTENT_ID_BYTES);
    const single = from.prefixedByteString(MAX_TEXT_BYTES);
    return { snapshot, attributesId, single: single === '' ? undefined : single };
  },
);

/**
 * Asks for the directories below the opened path. Answers: `directories` frames, parents before
 * children and in the order of names (depth first), then `done`.
 */
export const listDirectories: Codec<null> = codec(
  12,
  () => {},
  () => null,
);

/** A directory's two objects, as src/content/tree.ts encodes them. */
export interface DirectoryObjects {
  readonly tree: Uint8Array;
  readonly attributes: Uint8Array;
}

/** Directories in the order asked for, many to a frame: most are small. */
export const directories: Codec<readonly DirectoryObjects[]> = codec(
  72,
  (out, list) => {
    const bytes = list.reduce((sum, { tree, attributes }) => sum + tree.length + attributes.length + 16, 0);
    const joined = new ByteWriter(bytes);
    for (const { tree, attributes } of list) {
      joined.prefixedBytes(tree);
      joined.prefixedBytes(attributes);
    }
    writeCompressed(out, joined.finish(), FAST_QUALITY);
  },
  (from) => {
    const joined = wireReader(readCompressed(from, MAX_FRAME_DIRECTORY_BYTES));
    const list: DirectoryObjects[] = [];
    while (joined.remaining > 0) {
      if (list.length === MAX_FRAME_DIRECTORIES) malformed('a frame has too many directories');
      const tree = joined.prefixedBytes(MAX_DIRECTORY_OBJECT_BYTES);
      list.push({ tree, attributes: joined.prefixedBytes(MAX_DIRECTORY_OBJECT_BYTES) });
    }
    return list;
  },
);

/**
 * Asks for the content of files, by their number in the listing (files that are not empty, in the
 * order listed), ascending. Answers: `content` frames with the bytes in that order, then `done`.
 */
export const fetch: Codec<readonly number[]> = codec(
  13,
  (out, files) => {
    const columns: number[] = [];
    let previous = -1;
    for (const file of files) {
      columns.push(file - previous);
      previous = file;
    }
    out.varint(columns.length);
    for (const step of columns) out.varint(step);
  },
  (from) => {
    let file = -1;
    return repeat(from.varint(MAX_FETCH_FILES), () => {
      const step = from.varint();
      if (step === 0) malformed('a file is asked for twice');
      file += step;
      if (!Number.isSafeInteger(file)) malformed('a file is beyond any number');
      return file;
    });
  },
);

/**
 * Pieces of content, in order. A file ends where its size from the listing is reached. `missing`
 * stands for bytes the provider cannot give.
 */
export interface ContentPiece {
  readonly encoding: 'raw' | 'zstd' | 'missing';
  /** Length of the plain bytes. */
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
}

const PIECE_HEADER_BYTES = 24;
const ENCODINGS = ['raw', 'zstd', 'missing'] as const;

export const content: Codec<readonly ContentPiece[]> = codec(
  73,
  (out, pieces) => {
    for (const { encoding, sizeBytes, bytes } of pieces) {
      out.u8(ENCODINGS.indexOf(encoding));
      out.varint(sizeBytes);
      out.prefixedBytes(bytes);
    }
  },
  (from) => {
    const pieces: ContentPiece[] = [];
    while (from.remaining > 0) {
      if (pieces.length === MAX_FRAME_PIECES) malformed('a frame has too many pieces');
      const encoding = ENCODINGS[from.u8()] ?? malformed('a piece has an unknown encoding');
      const sizeBytes = from.varint(encoding === 'missing' ? MAX_FILE_BYTES : MAX_FRAME_CONTENT_BYTES);
      pieces.push({ encoding, sizeBytes, bytes: from.prefixedBytes(MAX_FRAME_CONTENT_BYTES) });
    }
    return pieces;
  },
  (pieces) => pieces.reduce((sum, { bytes }) => sum + bytes.length + PIECE_HEADER_BYTES, 0),
);

function writeSnapshot(out: ByteWriter, snapshot: Snapshot): void {
  out.bytes(snapshot.id);
  out.prefixedText(snapshot.deviceName);
  out.varint(snapshot.timeMs);
  writePathsAndTags(out, snapshot);
  out.bytes(snapshot.rootAttributesId);
  for (const field of BYTE_FIELDS) out.varint(snapshot.bytes[field]);
}

function readSnapshot(from: ByteReader): Snapshot {
  const id = from.bytes(SNAPSHOT_ID_BYTES);
  const deviceName = from.prefixedText(MAX_TEXT_BYTES);
  const timeMs = from.varint();
  const { paths, tags } = readPathsAndTags(from);
  const rootAttributesId = from.bytes(CONTENT_ID_BYTES);
  const bytes = {
    files: from.varint(),
    totalBytes: from.varint(),
    unchangedBytes: from.varint(),
    knownBytes: from.varint(),
    passedBytes: from.varint(),
    portionBytes: from.varint(),
    uploadedBytes: from.varint(),
  };
  return { id, deviceName, timeMs, paths, tags, rootAttributesId, bytes };
}

function writePathsAndTags(out: ByteWriter, from: Pick<Snapshot, 'paths' | 'tags'>): void {
  out.varint(from.paths.length);
  for (const path of from.paths) out.prefixedByteString(path);
  out.varint(from.tags.length);
  for (const tag of from.tags) out.prefixedText(tag);
}

function readPathsAndTags(from: ByteReader): Pick<Snapshot, 'paths' | 'tags'> {
  const before = from.remaining;
  const paths = repeat(from.varint(MAX_SNAPSHOT_PATHS), () =>
    from.prefixedByteString(MAX_SNAPSHOT_TEXT_BYTES),
  );
  const tags = repeat(from.varint(MAX_SNAPSHOT_TAGS), () => from.prefixedText(MAX_TEXT_BYTES));
  if (before - from.remaining > MAX_SNAPSHOT_TEXT_BYTES) malformed('a snapshot has too long paths and tags');
  return { paths, tags };
}
