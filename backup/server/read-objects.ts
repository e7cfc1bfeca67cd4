import type { Contents } from '../../src/catalog/contents.ts';
import type { Scope } from '../../src/catalog/scope.ts';
import { MIN_PORTION_BYTES } from '../../src/content/chunker.ts';
import { type PortionList, singlePortion } from '../../src/content/portion-list.ts';

/** Bytes read from the store at once, one such group ahead of its use. */
export const READ_GROUP_BYTES = 4 * 1024 * 1024;

/** A portion's place among the objects being read. */
export interface Place {
  readonly item: number;
  readonly portion: number;
  readonly isLast: boolean;
  /** The object's only portion. */
  readonly isOnly: boolean;
}

export interface ReadPortion<T> {
  readonly place: Place;
  readonly bytes: T | undefined;
}

/**
 * Reads whole objects, portion after portion in order, in few large reads with one group ahead.
 * `bytes` is undefined for a portion that is missing or corrupt. The bytes have passed the store's
 * checksum only: the reader hashes what it is given.
 */
export async function* readObjects<T>(
  lists: readonly (PortionList | undefined)[],
  read: (ids: readonly Uint8Array[]) => Promise<(T | undefined)[]>,
): AsyncGenerator<Iterable<ReadPortion<T>>> {
  const groups = planGroups(lists);
  const first = groups.next();
  let group = first.done ? undefined : first.value;
  let reading = group && settled(read(group.ids));
  while (group !== undefined && reading !== undefined) {
    const pieces = await reading;
    const next = groups.next();
    const following = next.done ? undefined : next.value;
    reading = following && settled(read(following.ids));
    if (!pieces.isRead) throw pieces.error;
    yield joined(group.places, pieces.values);
    group = following;
  }
}

function* joined<T>(places: readonly Place[], values: readonly (T | undefined)[]): Generator<ReadPortion<T>> {
  for (const [at, place] of places.entries()) yield { place, bytes: values[at] };
}

/** Reads objects as plain bytes of the scope. */
export function readPlain(contents: Contents, scope: Scope, lists: readonly (PortionList | undefined)[]) {
  return readObjects(lists, (ids) => contents.uncheckedPortions(scope, ids));
}

/** The outcome as a value, so that a read ahead which fails is reported when its turn comes. */
async function settled<T>(
  reading: Promise<T>,
): Promise<{ isRead: true; values: T } | { isRead: false; error: unknown }> {
  try {
    return { isRead: true, values: await reading };
  } catch (error) {
    return { isRead: false, error };
  }
}

interface ReadGroup {
  readonly ids: Uint8Array[];
  readonly places: Place[];
}

function* planGroups(lists: readonly (PortionList | undefined)[]): Generator<ReadGroup> {
  let group: ReadGroup = { ids: [], places: [] };
  let bytes = 0;
  for (const [item, list] of lists.entries()) {
    for (let portion = 0; list !== undefined && portion < list.count; portion++) {
      if (bytes + list.lengthBytes(portion) > READ_GROUP_BYTES && group.ids.length > 0) {
        yield group;
        group = { ids: [], places: [] };
        bytes = 0;
      }
      group.ids.push(list.id(portion));
      group.places.push({ item, portion, isLast: portion === list.count - 1, isOnly: list.count === 1 });
      bytes += list.lengthBytes(portion);
    }
  }
  if (group.ids.length > 0) yield group;
}

const SLICE_ITEMS = 1024;
const SLICE_BYTES = 8 * 1024 * 1024 * 1024;

/** Objects in slices whose portion lists may be held in memory together: at most 19 MiB of them, or one object. */
export function* slices<T extends { readonly sizeBytes: number }>(items: readonly T[]): Generator<T[]> {
  let slice: T[] = [];
  let bytes = 0;
  for (const item of items) {
    if (slice.length === SLICE_ITEMS || (slice.length > 0 && bytes + item.sizeBytes > SLICE_BYTES)) {
      yield slice;
      slice = [];
      bytes = 0;
    }
    slice.push(item);
    bytes += item.sizeBytes;
  }
  if (slice.length > 0) yield slice;
}

/**
 * The portions of each file, undefined for one that is not held in this size. A file not above the
 * smallest portion is its own and needs no look-up.
 */
export async function fileLists(
  contents: Contents,
  scope: Scope,
  files: readonly { readonly contentId: Uint8Array; readonly sizeBytes: number }[],
): Promise<(PortionList | undefined)[]> {
  const large = files.filter(({ sizeBytes }) => sizeBytes > MIN_PORTION_BYTES);
  const looked = await contents.portionsOf(
    scope,
    'file',
    large.map(({ contentId }) => contentId),
  );
  let at = 0;
  return files.map(({ contentId, sizeBytes }) => {
    const list = sizeBytes > MIN_PORTION_BYTES ? looked[at++] : singlePortion(contentId, sizeBytes);
    return list?.sizeBytes === sizeBytes ? list : undefined;
  });
}
