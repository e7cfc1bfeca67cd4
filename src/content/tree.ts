import { ByteReader, ByteWriter } from '../base/binary.ts';
import { WeirError } from '../base/errors.ts';
import { CONTENT_ID_BYTES, contentId } from './content-id.ts';

/**
 * A directory as two objects (docs/format.md). The *tree* says what the directory holds: names,
 * kinds, modes, sizes, content. The *attributes* say when and whose: times and owners, beside the
 * id of the tree they belong to. Equal directories share a tree however they came about, and the
 * id of the attributes stands for all there is below a directory.
 */
export interface DirectoryIds {
  readonly treeId: Uint8Array;
  readonly attributesId: Uint8Array;
}

/** Names and link targets are byte strings: one code point 0–255 for each byte. */
export type Entry = FileEntry | DirectoryEntry | SymlinkEntry;

/** What a tree and its attributes keep of every entry. Names are byte strings. */
export interface EntryMetadata {
  readonly name: string;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly mtimeSeconds: number;
  readonly mtimeMicros: number;
  readonly uid: number;
  readonly gid: number;
}

export interface FileEntry extends EntryMetadata {
  readonly kind: 'file';
  readonly sizeBytes: number;
  readonly contentId: Uint8Array;
}

export interface DirectoryEntry extends EntryMetadata, DirectoryIds {
  readonly kind: 'directory';
}

export interface SymlinkEntry extends EntryMetadata {
  readonly kind: 'symlink';
  readonly target: string;
}

export const MAX_NAME_BYTES = 255;
export const MAX_TARGET_BYTES = 4095;
export const MAX_TREE_DEPTH = 256;
const MAX_MODE = 0o7777;
const MAX_MICROS = 999_999;
const MAX_OWNER = 0xffff_ffff;

const TREE_MAGIC = 'WTR1';
const ATTRIBUTES_MAGIC = 'WAT1';
const KINDS = ['file', 'directory', 'symlink'] as const;

export interface EncodedDirectory extends DirectoryIds {
  readonly tree: Buffer;
  readonly attributes: Buffer;
}

/** Entries must be sorted by name, bytewise, without repetition: anything else is refused. */
export function encodeDirectory(entries: readonly Entry[]): EncodedDirectory {
  const tree = encodeTree(entries);
  const treeId = contentId(tree);
  const attributes = encodeAttributes(treeId, entries);
  return { tree, treeId, attributes, attributesId: contentId(attributes) };
}

function encodeTree(entries: readonly Entry[]): Buffer {
  const out = new ByteWriter(16 + entries.length * 64);
  out.byteString(TREE_MAGIC);
  out.varint(entries.length);
  let previous: string | undefined;
  for (const entry of entries) {
    checkName(entry.name, previous);
    previous = entry.name;
    out.prefixedByteString(entry.name);
    out.u8(KINDS.indexOf(entry.kind));
    out.varint(entry.mode);
    if (entry.kind === 'file') {
      out.varint(entry.sizeBytes);
      out.bytes(entry.contentId);
    } else if (entry.kind === 'directory') out.bytes(entry.treeId);
    else {
      checkTarget(entry.target);
      out.prefixedByteString(entry.target);
    }
  }
  return out.finish();
}

function encodeAttributes(treeId: Uint8Array, entries: readonly Entry[]): Buffer {
  const out = new ByteWriter(48 + entries.length * 16);
  out.byteString(ATTRIBUTES_MAGIC);
  out.bytes(treeId);
  for (const entry of entries) {
    out.signedVarint(entry.mtimeSeconds);
    out.varint(entry.mtimeMicros);
    out.varint(entry.uid);
    out.varint(entry.gid);
    if (entry.kind === 'directory') out.bytes(entry.attributesId);
  }
  return out.finish();
}

/** The id of the tree that attributes belong to. */
export function treeIdOf(attributes: Uint8Array): Buffer {
  const from = new ByteReader(attributes, refuse);
  if (from.byteString(ATTRIBUTES_MAGIC.length) !== ATTRIBUTES_MAGIC) refuse('it is not an attributes object');
  return from.bytes(CONTENT_ID_BYTES);
}

/** The entries of a directory. Rejects with WEIR_TREE_INVALID whatever `encodeDirectory` cannot have made. */
export function decodeDirectory(tree: Uint8Array, attributes: Uint8Array): Entry[] {
  const what = new ByteReader(tree, refuse);
  const when = new ByteReader(attributes, refuse);
  if (what.byteString(TREE_MAGIC.length) !== TREE_MAGIC) refuse('it is not a tree');
  if (when.byteString(ATTRIBUTES_MAGIC.length) !== ATTRIBUTES_MAGIC) refuse('it is not an attributes object');
  if (!when.bytes(CONTENT_ID_BYTES).equals(contentId(tree))) refuse('the attributes belong to another tree');
  const entries: Entry[] = [];
  let previous: string | undefined;
  for (let count = what.varint(tree.length); count > 0; count--) {
    const entry = decodeEntry(what, when);
    checkName(entry.name, previous);
    if (entry.kind === 'symlink') checkTarget(entry.target);
    previous = entry.name;
    entries.push(entry);
  }
  what.end();
  when.end();
  return entries;
}

function decodeEntry(what: ByteReader, when: ByteReader): Entry {
  const name = what.prefixedByteString(MAX_NAME_BYTES);
  const kind = KINDS[what.u8()];
  const named = {
    name,
    mode: what.varint(MAX_MODE),
    mtimeSeconds: when.signedVarint(),
    mtimeMicros: when.varint(MAX_MICROS),
    uid: when.varint(MAX_OWNER),
    gid: when.varint(MAX_OWNER),
  };
  switch (kind) {
    case 'file':
      return { kind, ...named, sizeBytes: what.varint(), contentId: what.bytes(CONTENT_ID_BYTES) };
    case 'directory':
      return {
        kind,
        ...named,
        treeId: what.bytes(CONTENT_ID_BYTES),
        attributesId: when.bytes(CONTENT_ID_BYTES),
      };
    case 'symlink':
      return { kind, ...named, target: what.prefixedByteString(MAX_TARGET_BYTES) };
    default:
      return refuse('an entry is of an unknown kind');
  }
}

/**
 * A name is one component that stays in its directory. Names ascend strictly, so that a directory
 * has one encoding and no two entries of one name.
 */
export function checkName(name: string, previous: string | undefined): void {
  if (name === '' || name === '.' || name === '..') refuse(`"${name}" is not a name`);
  if (name.length > MAX_NAME_BYTES) refuse('a name is too long');
  if (name.includes('/') || name.includes('\0')) refuse('a name has more than one component');
  if (previous !== undefined && name <= previous) refuse('names are not in order');
}

function checkTarget(target: string): void {
  if (target === '' || target.length > MAX_TARGET_BYTES || target.includes('\0'))
    refuse('a link has no such target');
}

function refuse(reason: string): never {
  throw new WeirError('WEIR_TREE_INVALID', `a directory cannot be read: ${reason}`);
}
