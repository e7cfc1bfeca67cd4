import { WeirError } from '../../src/base/errors.ts';
import type { Contents, Portion } from '../../src/catalog/contents.ts';
import type { NewObject } from '../../src/catalog/objects.ts';
import type { Scope } from '../../src/catalog/scope.ts';
import { portionLengths } from '../../src/content/chunker.ts';
import { contentId } from '../../src/content/content-id.ts';
import { identifierOfId } from '../../src/content/identifier.ts';
import { portionListBuilder } from '../../src/content/portion-list.ts';
import {
  type DirectoryIds,
  decodeDirectory,
  type EncodedDirectory,
  type Entry,
  treeIdOf,
} from '../../src/content/tree.ts';
import { MAX_DIRECTORY_OBJECT_BYTES } from '../../src/wire/limits.ts';
import type { DirectoryObjects } from '../../src/wire/snapshots.ts';

/** Makes directories durable and findable by the identifier of their attributes. */
export async function holdDirectories(
  contents: Contents,
  scope: Scope,
  directories: readonly EncodedDirectory[],
): Promise<void> {
  const portions: Portion[] = [];
  const held: NewObject[] = [];
  for (const { tree, treeId, attributes, attributesId } of directories) {
    const treeObject = cut(tree, treeId, portions);
    // An object of one portion is read by its id alone; only the attributes are ever asked for.
    if (treeObject.portions.count > 1) held.push(treeObject);
    held.push(cut(attributes, attributesId, portions));
  }
  const lease = contents.lease();
  try {
    lease.add(
      scope,
      portions.map(({ id }) => id),
    );
    for (const group of putGroups(portions)) await contents.putPortions(scope, group, 'kept');
    await contents.hold(scope, held);
  } finally {
    lease.release();
  }
}

/**
 * The directories both of whose objects are one portion, undefined for any other: many at once in
 * two reads, and at most 512 KiB each.
 */
export async function loadSmallDirectories(
  contents: Contents,
  scope: Scope,
  attributesIds: readonly Uint8Array[],
): Promise<(DirectoryObjects | undefined)[]> {
  const attributes = await contents.portions(scope, attributesIds);
  const readable = attributes.filter((bytes) => bytes !== undefined);
  const trees = await contents.portions(scope, readable.map(treeIdOf));
  let at = 0;
  return attributes.map((bytes) => {
    const tree = bytes && trees[at++];
    return bytes && tree && { attributes: bytes, tree };
  });
}

function unreadable(): never {
  throw new WeirError('WEIR_CONTENT_MISSING', 'a directory of the snapshot cannot be read');
}

/** A directory's objects by the id of its attributes. WEIR_CONTENT_MISSING when they cannot be read. */
export async function loadDirectory(
  contents: Contents,
  scope: Scope,
  attributesId: Uint8Array,
): Promise<DirectoryObjects> {
  const attributes = (await contents.load(scope, attributesId, MAX_DIRECTORY_OBJECT_BYTES)) ?? unreadable();
  const tree = (await contents.load(scope, treeIdOf(attributes), MAX_DIRECTORY_OBJECT_BYTES)) ?? unreadable();
  return { tree, attributes };
}

export async function loadEntries(
  contents: Contents,
  scope: Scope,
  attributesId: Uint8Array,
): Promise<Entry[]> {
  const { tree, attributes } = await loadDirectory(contents, scope, attributesId);
  return decodeDirectory(tree, attributes);
}

/** The tree that attributes belong to, beside their own id. */
export async function loadIds(
  contents: Contents,
  scope: Scope,
  attributesId: Uint8Array,
): Promise<DirectoryIds> {
  const { attributes } = await loadDirectory(contents, scope, attributesId);
  return { attributesId, treeId: treeIdOf(attributes) };
}

function cut(bytes: Buffer, id: Uint8Array, portions: Portion[]): NewObject {
  const list = portionListBuilder();
  let at = 0;
  for (const length of portionLengths(bytes)) {
    const piece = bytes.subarray(at, at + length);
    const portionId = length === bytes.length ? id : contentId(piece);
    portions.push({ id: portionId, bytes: piece });
    list.add(portionId, length);
    at += length;
  }
  const identifier = identifierOfId(id);
  return {
    level: 'directory',
    contentId: id,
    sizeBytes: bytes.length,
    identifier,
    isProved: true,
    portions: list.list(),
  };
}

const PUT_GROUP_BYTES = 8 * 1024 * 1024;

function* putGroups(portions: readonly Portion[]): Generator<Portion[]> {
  let group: Portion[] = [];
  let bytes = 0;
  for (const portion of portions) {
    if (bytes + portion.bytes.length > PUT_GROUP_BYTES && group.length > 0) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(portion);
    bytes += portion.bytes.length;
  }
  if (group.length > 0) yield group;
}
