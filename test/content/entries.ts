import fc from 'fast-check';
import type { Entry } from '../../src/content/tree.ts';

/** A name as a byte string: any bytes but NUL and "/", so mostly not UTF-8. */
export const nameArbitrary = fc
  .uint8Array({ minLength: 1, maxLength: 30 })
  .map((bytes) =>
    Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x41 : byte))).toString('latin1'),
  )
  .filter((name) => name !== '.' && name !== '..');

const idArbitrary = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));

const named = {
  name: nameArbitrary,
  mode: fc.nat({ max: 0o7777 }),
  mtimeSeconds: fc.oneof(
    fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    fc.integer({ min: 1_500_000_000, max: 1_800_000_000 }),
  ),
  mtimeMicros: fc.nat({ max: 999_999 }),
  uid: fc.nat({ max: 0xffff_ffff }),
  gid: fc.nat({ max: 0xffff_ffff }),
};

const entryArbitrary: fc.Arbitrary<Entry> = fc.oneof(
  fc.record({
    kind: fc.constant('file' as const),
    ...named,
    sizeBytes: fc.maxSafeNat(),
    contentId: idArbitrary,
  }),
  fc.record({
    kind: fc.constant('directory' as const),
    ...named,
    treeId: idArbitrary,
    attributesId: idArbitrary,
  }),
  fc.record({
    kind: fc.constant('symlink' as const),
    ...named,
    target: fc
      .uint8Array({ minLength: 1, maxLength: 60 })
      .map((bytes) => Buffer.from(bytes.map((byte) => byte || 1)).toString('latin1')),
  }),
);

/** The entries of a directory as `encodeDirectory` wants them: in order of name, each name once. */
export const entriesArbitrary: fc.Arbitrary<Entry[]> = fc
  .uniqueArray(entryArbitrary, { selector: ({ name }) => name, maxLength: 12 })
  .map((entries) => entries.toSorted((left, right) => (left.name < right.name ? -1 : 1)));
