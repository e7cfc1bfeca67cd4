import { CONTENT_ID_BYTES } from './content-id.ts';

/** The portions of an object in order, packed: 32 bytes of id and 4 of length each. */
export interface PortionList {
  readonly count: number;
  readonly sizeBytes: number;
  readonly packed: Buffer;
  /** A view of the id. */
  id(index: number): Buffer;
  lengthBytes(index: number): number;
}

export const PACKED_PORTION_BYTES = CONTENT_ID_BYTES + 4;

export function portionList(packed: Buffer): PortionList {
  const count = packed.length / PACKED_PORTION_BYTES;
  let sizeBytes = 0;
  for (let index = 0; index < count; index++) sizeBytes += lengthAt(packed, index);
  return {
    count,
    sizeBytes,
    packed,
    id: (index) =>
      packed.subarray(index * PACKED_PORTION_BYTES, index * PACKED_PORTION_BYTES + CONTENT_ID_BYTES),
    lengthBytes: (index) => lengthAt(packed, index),
  };
}

/** The list of an object that is one portion: its id is the object's own. */
export function singlePortion(contentId: Uint8Array, sizeBytes: number): PortionList {
  const builder = portionListBuilder();
  if (sizeBytes > 0) builder.add(contentId, sizeBytes);
  return builder.list();
}

export interface PortionListBuilder {
  add(id: Uint8Array, lengthBytes: number): void;
  readonly count: number;
  list(): PortionList;
}

export function portionListBuilder(): PortionListBuilder {
  let packed = Buffer.allocUnsafe(PACKED_PORTION_BYTES);
  let used = 0;
  const builder = {
    // A field: what a getter in an object literal closes over V8 keeps until it next collects the
    // whole heap. A cache miss left 31 KB there with such getters and 22 without.
    count: 0,
    add(id: Uint8Array, lengthBytes: number) {
      if (used === packed.length) {
        const larger = Buffer.allocUnsafe(packed.length * 2);
        packed.copy(larger);
        packed = larger;
      }
      packed.set(id, used);
      packed.writeUInt32LE(lengthBytes, used + CONTENT_ID_BYTES);
      used += PACKED_PORTION_BYTES;
      builder.count++;
    },
    list: () => portionList(packed.subarray(0, used)),
  };
  return builder;
}

function lengthAt(packed: Buffer, index: number): number {
  return packed.readUInt32LE(index * PACKED_PORTION_BYTES + CONTENT_ID_BYTES);
}
