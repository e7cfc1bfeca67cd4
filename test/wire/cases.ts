import fc from 'fast-check';
import { WeirError } from '../../src/base/errors.ts';
import { type AnnouncedEntry, announcement } from '../../src/wire/announcement.ts';
import type { Codec } from '../../src/wire/codec.ts';
import * as messages from '../../src/wire/messages.ts';
import * as snapshots from '../../src/wire/snapshots.ts';
import { nameArbitrary } from '../content/entries.ts';

/** A codec with messages for it. */
export interface Case {
  readonly name: string;
  readonly type: number;
  /** A message, encoded. */
  readonly payload: fc.Arbitrary<Buffer>;
  /** Whether a message has only one encoding: brotli has many, and an unknown code becomes another. */
  readonly isCanonical: boolean;
  readonly encode: (message: unknown) => Buffer;
  readonly decode: (payload: Buffer) => unknown;
  /** Messages as they go in and come out. */
  readonly roundTrip: fc.Arbitrary<{ readonly given: unknown; readonly got: unknown }>;
}

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Buffer.from(array));
const someBytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const byteString = (maxLength: number) => someBytes(maxLength).map((buffer) => buffer.toString('latin1'));
const identifier = fc.nat({ max: 2 ** 48 - 1 });
const natural = fc.oneof(fc.maxSafeNat(), fc.nat({ max: 1000 }));
const mtime = {
  mtimeSeconds: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  mtimeMicros: fc.nat({ max: 999_999 }),
};

const named = {
  name: nameArbitrary,
  mode: fc.oneof(fc.constantFrom(0o644, 0o755), fc.nat({ max: 0o7777 })),
  ...mtime,
  uid: fc.constantFrom(0, 1000, 0xffff_ffff),
  gid: fc.nat({ max: 3 }),
};
const announcedEntry: fc.Arbitrary<AnnouncedEntry> = fc.oneof(
  fc
    .record({ kind: fc.constant('file' as const), ...named, sizeBytes: natural, identifier })
    .map((file) => (file.sizeBytes === 0 ? Object.assign(file, { identifier: 0 }) : file)),
  fc.record({
    kind: fc.constant('directory' as const),
    ...named,
    known: fc.option(fc.nat({ max: 2_000_000 }), { nil: undefined }),
  }),
  fc.record({
    kind: fc.constant('symlink' as const),
    ...named,
    target: byteString(30).map((target) => target.replaceAll('\0', 'N')),
  }),
);

const portionedFile = fc.record({
  gap: fc.nat({ max: 3 }),
  isLast: fc.boolean(),
  isAsked: fc.boolean(),
  changed: fc.option(fc.record(mtime), { nil: undefined }),
  portions: fc.array(fc.record({ sizeBytes: natural, identifier }), { maxLength: 5 }),
});
const portionedFiles = fc.array(portionedFile, { maxLength: 6 }).map((files) => {
  let file = 0;
  return files.map(({ gap, portions, isAsked, ...rest }) => {
    file += gap;
    const asked = portions.map((portion) => (isAsked ? portion : { ...portion, identifier: 0 }));
    return { ...rest, isAsked, file, portions: asked };
  });
});

const pathsAndTags = {
  paths: fc.array(byteString(40), { maxLength: 4 }),
  tags: fc.array(text, { maxLength: 3 }),
};
const snapshot = fc.record({
  id: bytes(16),
  deviceName: text,
  timeMs: fc.nat({ max: 2 ** 45 }),
  ...pathsAndTags,
  rootAttributesId: bytes(32),
  bytes: fc.record({
    files: natural,
    totalBytes: natural,
    unchangedBytes: natural,
    knownBytes: natural,
    passedBytes: natural,
    portionBytes: natural,
    uploadedBytes: natural,
  }),
});

const ascending = fc
  .uniqueArray(fc.nat({ max: 1_000_000 }), { maxLength: 20 })
  .map((files) => files.toSorted((left, right) => left - right));

function codecCase<M>(
  name: string,
  codec: Codec<M>,
  message: fc.Arbitrary<M>,
  options: { readonly isCanonical?: boolean; readonly view?: (message: M) => unknown } = {},
): Case {
  const { isCanonical = true, view = (whole: M): unknown => whole } = options;
  return {
    name,
    type: codec.type,
    payload: message.map((one) => codec.encode(one)),
    isCanonical,
    encode: (one) => codec.encode(one as M),
    decode: (payload) => codec.decode(payload),
    roundTrip: message.map((one) => ({ given: view(one), got: view(codec.decode(codec.encode(one))) })),
  };
}

const nothing = fc.constant(null);

/** Every kind of message of the protocol. */
export const CASES: readonly Case[] = [
  codecCase('hello', messages.hello, fc.record({ version: natural, token: bytes(32) })),
  codecCase(
    'welcome',
    messages.welcome,
    fc.record({ nonce: bytes(32), salt: bytes(16), knowsDirectories: fc.boolean(), subscriberName: text }),
  ),
  codecCase(
    'enrol',
    messages.enrol,
    fc.record({ version: natural, invitation: bytes(32), deviceName: text }),
  ),
  codecCase('enrolled', messages.enrolled, fc.record({ token: bytes(32), subscriberName: text })),
  codecCase(
    'announcement',
    announcement,
    fc.record({
      directories: fc.array(
        fc.record({ entries: fc.array(announcedEntry, { maxLength: 10 }), isLast: fc.boolean() }),
        { maxLength: 5 },
      ),
    }),
    { isCanonical: false },
  ),
  codecCase('askDirectories', messages.askDirectories, fc.array(identifier, { maxLength: 30 })),
  codecCase(
    'candidates',
    messages.candidates,
    fc.array(
      fc.array(
        fc.record({ digest: bytes(16).map((digest) => digest.toString('latin1')), isProved: fc.boolean() }),
        { maxLength: 4 },
      ),
      { maxLength: 20 },
    ),
  ),
  codecCase(
    'choice',
    messages.choice,
    fc.record({
      chosen: someBytes(200),
      proof: fc.option(bytes(32), { nil: undefined }),
      isThorough: fc.boolean(),
    }),
    { isCanonical: false },
  ),
  codecCase(
    'verdict',
    messages.verdict,
    fc.record({ isAccepted: fc.boolean(), lost: fc.array(natural, { maxLength: 20 }) }),
  ),
  codecCase('askPortions', messages.askPortions, portionedFiles),
  codecCase(
    'upload',
    messages.upload,
    fc.record({ portions: fc.nat({ max: 16_384 }), isCompressed: fc.boolean(), bytes: someBytes(300) }),
  ),
  codecCase('withdraw', messages.withdraw, fc.nat({ max: 8192 })),
  codecCase('done', messages.done, nothing),
  codecCase('working', messages.working, nothing),
  codecCase(
    'failure',
    messages.failure,
    fc
      .tuple(fc.constantFrom('WEIR_STORE_FULL' as const, 'WEIR_INTERNAL' as const), text)
      .map(([code, message]) => new WeirError(code, message)),
    { isCanonical: false, view: ({ code, message }) => ({ code, message }) },
  ),
  codecCase(
    'commit',
    snapshots.commit,
    fc.record({
      known: fc.option(fc.nat({ max: 2_000_000 }), { nil: undefined }),
      rootAttributesId: bytes(32),
      ...pathsAndTags,
      files: natural,
      totalBytes: natural,
    }),
  ),
  codecCase('committed', snapshots.committed, snapshot),
  codecCase('listSnapshots', snapshots.listSnapshots, nothing),
  codecCase('snapshots', snapshots.snapshots, fc.array(snapshot, { maxLength: 4 })),
  codecCase('openPath', snapshots.openPath, fc.record({ snapshot: text, path: byteString(60) })),
  codecCase(
    'opened',
    snapshots.opened,
    fc.record({
      snapshot,
      attributesId: bytes(32),
      single: fc.option(nameArbitrary, { nil: undefined }),
    }),
  ),
  codecCase('listDirectories', snapshots.listDirectories, nothing),
  codecCase(
    'directories',
    snapshots.directories,
    fc.array(fc.record({ tree: someBytes(300), attributes: someBytes(300) }), { maxLength: 5 }),
    { isCanonical: false },
  ),
  codecCase('fetch', snapshots.fetch, ascending),
  codecCase(
    'content',
    snapshots.content,
    fc.array(
      fc.record({
        encoding: fc.constantFrom('raw' as const, 'zstd' as const, 'missing' as const),
        sizeBytes: fc.nat({ max: 1024 * 1024 }),
        bytes: someBytes(50),
      }),
      { maxLength: 6 },
    ),
  ),
];
