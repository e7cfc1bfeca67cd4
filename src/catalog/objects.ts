import { ByteReader, ByteWriter } from '../base/binary.ts';
import { WeirError } from '../base/errors.ts';
import { CONTENT_ID_BYTES } from '../content/content-id.ts';
import { type Identifier, LEVELS, type Level } from '../content/identifier.ts';
import {
  PACKED_PORTION_BYTES,
  type PortionList,
  portionList,
  singlePortion,
} from '../content/portion-list.ts';
import { type Collection, deleteRecord, type Operation, putRecord, type Records } from '../store/records.ts';
import type { Scope } from './scope.ts';
import { versioned } from './versioned.ts';

/**
 * An object the provider holds in a scope. Its bytes are its portions in the byte store; an object
 * of one portion has the portion's id and lists none.
 */
export interface HeldObject {
  readonly scope: number;
  readonly level: Level;
  readonly contentId: Uint8Array;
  readonly sizeBytes: number;
  readonly identifier: Identifier;
  /** Given or built by the scope's owner, so that choosing it needs no proof. */
  readonly isProved: boolean;
  /** Empty for an object of one portion, and for one whose list stands in pages. */
  readonly portions: PortionList;
  /** Pages of a list too long for the record. */
  readonly pages: number;
}

const LEVEL_NAMES: readonly Level[] = ['file', 'directory', 'portion'];
const MAX_LIST_BYTES = 8 * 1024 * 1024;
const PAGE_PORTIONS = 200_000;

/** Keyed by `objectKey`: the same bytes may be held at several levels. */
export const objects: Collection<HeldObject> = {
  ...versioned('objects', encodeObject, decodeObject),
  indexes: [],
};

function encodeObject(object: HeldObject): Buffer {
  const out = new ByteWriter(64 + object.portions.packed.length);
  out.varint(object.scope);
  out.u8(LEVELS[object.level]);
  out.flag(object.isProved);
  out.varint(object.sizeBytes);
  out.u48(object.identifier);
  out.bytes(object.contentId);
  out.varint(object.pages);
  out.prefixedBytes(object.portions.packed);
  return out.finish();
}

function decodeObject(bytes: Buffer): HeldObject {
  const from = new ByteReader(bytes, corrupt);
  const scope = from.varint();
  const level = LEVEL_NAMES[from.u8()] ?? corrupt('unknown level');
  const isProved = from.flag();
  const sizeBytes = from.varint();
  const identifier = from.u48();
  const contentId = from.bytes(CONTENT_ID_BYTES);
  const pages = from.varint();
  const portions = unpackList(from.prefixedBytes(MAX_LIST_BYTES));
  from.end();
  return { scope, level, contentId, sizeBytes, identifier, isProved, portions, pages };
}

/** Portion lists too long for their record, keyed by the object's key and the page's number. */
const portionPages: Collection<PortionList> = {
  ...versioned('portion_pages', (list: PortionList) => list.packed, unpackList),
  indexes: [],
};

export interface NewObject {
  readonly level: Level;
  readonly contentId: Uint8Array;
  readonly sizeBytes: number;
  readonly identifier: Identifier;
  readonly isProved: boolean;
  readonly portions: PortionList;
}

/** The scope's name for the content id, and the level. */
export function objectKey(scope: Scope, level: Level, contentId: Uint8Array): Buffer {
  return Buffer.concat([scope.contentKey(contentId), Buffer.of(LEVELS[level])]);
}

/** What to write so that the object is held. Its portions must be durable by then. */
export function holdObject(scope: Scope, object: NewObject): Operation[] {
  const key = objectKey(scope, object.level, object.contentId);
  const isSingle = object.portions.count <= 1;
  const isPaged = object.portions.count > PAGE_PORTIONS;
  const inline = isSingle || isPaged ? portionList(Buffer.alloc(0)) : object.portions;
  const pages: Operation[] = [];
  for (
    let from = 0;
    isPaged && from < object.portions.packed.length;
    from += PAGE_PORTIONS * PACKED_PORTION_BYTES
  ) {
    const page = object.portions.packed.subarray(from, from + PAGE_PORTIONS * PACKED_PORTION_BYTES);
    pages.push(putRecord(portionPages, pageKey(key, pages.length), portionList(page)));
  }
  const { level, contentId, sizeBytes, identifier, isProved } = object;
  const held = {
    scope: scope.number,
    level,
    contentId,
    sizeBytes,
    identifier,
    isProved,
    portions: inline,
    pages: pages.length,
  };
  return [...pages, putRecord(objects, key, held)];
}

/** What to delete so that the object is no longer held. */
export function dropObject(scope: Scope, { level, contentId, pages }: HeldObject): Operation[] {
  const key = objectKey(scope, level, contentId);
  return [
    deleteRecord(objects, key),
    ...Array.from({ length: pages }, (_, page) => deleteRecord(portionPages, pageKey(key, page))),
  ];
}

/** All portions of an object, read from its pages where it has them. */
export async function listPortions(
  records: Records,
  key: Uint8Array,
  object: HeldObject,
): Promise<PortionList> {
  if (object.portions.count > 0) return object.portions;
  if (object.pages === 0) return singlePortion(object.contentId, object.sizeBytes);
  const keys = Array.from({ length: object.pages }, (_, page) => pageKey(key, page));
  const pages = await records.get(portionPages, keys);
  return portionList(Buffer.concat(pages.map((page) => page?.packed ?? corrupt('a page is missing'))));
}

function unpackList(packed: Buffer): PortionList {
  if (packed.length % PACKED_PORTION_BYTES !== 0) corrupt('half a portion');
  return portionList(packed);
}

function pageKey(key: Uint8Array, page: number): Buffer {
  const out = Buffer.allocUnsafe(key.length + 4);
  out.set(key, 0);
  out.writeUInt32BE(page, key.length);
  return out;
}

function corrupt(reason: string): never {
  throw new WeirError('WEIR_STORE_CORRUPT', `an object record cannot be read: ${reason}`);
}
