import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { ByteWriter } from '../../src/base/binary.ts';
import { contentId } from '../../src/content/content-id.ts';
import type { Frame } from '../../src/wire/frame.ts';
import * as messages from '../../src/wire/messages.ts';
import * as wire from '../../src/wire/snapshots.ts';
import { codeOf, codes, testDevice } from './device.ts';
import { type FalseProvider, openFalseProvider, type Send } from './false-provider.ts';
import { temporaryDirectory } from './provider.ts';
import { describeTree } from './tree.ts';

const RUNS = process.env['WEIR_REQUIRE_PEERS'] === '1' ? 1500 : 150;

/** An entry as a provider without scruples writes it. */
interface FalseEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'unknown';
  readonly bytes?: Buffer;
  readonly target?: string;
  readonly below?: readonly FalseEntry[];
  /** Says another content id than that of its bytes. */
  readonly isForged?: boolean;
}

describe('a restore from a provider that lies', function () {
  this.timeout(180_000);
  let directory: { path: string } & AsyncDisposable;
  let provider: FalseProvider;
  let canary: string;
  let target: string;

  before(async () => {
    directory = await temporaryDirectory();
    provider = await openFalseProvider();
    canary = join(directory.path, 'canary');
    target = join(directory.path, 'target');
    mkdirSync(canary);
    writeFileSync(join(canary, 'file'), 'canary');
  });

  after(async () => {
    await provider[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  afterEach(() => {
    rmSync(target, { recursive: true, force: true });
    expectCanary();
  });

  function expectCanary(): void {
    expect(readdirSync(directory.path).filter((name) => name !== 'target')).to.deep.equal(['canary']);
    expect(readdirSync(canary)).to.deep.equal(['file']);
    expect(readFileSync(join(canary, 'file'), 'utf8')).to.equal('canary');
  }

  async function restore(entries: readonly FalseEntry[], overrides: Partial<Answers> = {}) {
    provider.answer = answerFrom(entries, overrides);
    const device = testDevice(provider.enrolment, directory.path, []);
    return device.restore('', target, { overwrite: 'always' });
  }

  it('never leaves the target, whatever the names and links', async () => {
    await fc.assert(
      fc.asyncProperty(hostileTree(canary), async (entries) => {
        const code = await codeOf(restore(entries));
        expect(code === undefined || code.startsWith('WEIR_'), `a coded end, not ${code}`).to.equal(true);
        expect(code).not.to.equal('WEIR_INTERNAL');
        rmSync(target, { recursive: true, force: true });
        expectCanary();
      }),
      { numRuns: RUNS, seed: Number(process.env['WEIR_SEED'] ?? Date.now() % 2 ** 31), endOnFailure: true },
    );
  });

  for (const name of ['..', '.', '', '/etc', 'a/b', '../canary/file', 'a\0b', 'x'.repeat(256)]) {
    it(`refuses the name ${JSON.stringify(name.slice(0, 20))}`, async () => {
      for (const kind of ['file', 'directory', 'symlink'] as const) {
        const entry = { name, kind, bytes: Buffer.from('x'), target: canary, below: [] };
        expect(await codeOf(restore([entry]))).to.equal('WEIR_TREE_INVALID');
      }
    });
  }

  it('refuses a link and a directory of one name, so that nothing is written through the link', async () => {
    const link: FalseEntry = { name: 'a', kind: 'symlink', target: canary };
    const below: FalseEntry[] = [{ name: 'file', kind: 'file', bytes: Buffer.from('harm') }];
    const folder: FalseEntry = { name: 'a', kind: 'directory', below };
    expect(await codeOf(restore([link, folder]))).to.equal('WEIR_TREE_INVALID');
    expect(await codeOf(restore([folder, link]))).to.equal('WEIR_TREE_INVALID');
  });

  it('refuses directories that are not those of the snapshot', async () => {
    const entries: FalseEntry[] = [
      { name: 'a', kind: 'directory', below: [{ name: 'b', kind: 'directory', below: [] }] },
    ];
    const other = encode([{ name: 'z', kind: 'directory', below: [] }]);
    expect(await codeOf(restore(entries, { directories: () => [other] }))).to.equal('WEIR_RESTORE_MISMATCH');
    expect(await codeOf(restore(entries, { directories: (all) => all.slice(0, 1) }))).to.equal(
      'WEIR_RESTORE_MISMATCH',
    );
    expect(await codeOf(restore(entries, { directories: (all) => [...all, ...all] }))).to.equal(
      'WEIR_RESTORE_MISMATCH',
    );
  });

  it('refuses a tree without end', async () => {
    let deep: FalseEntry = { name: 'd', kind: 'directory', below: [] };
    for (let depth = 0; depth < 1500; depth++) deep = { name: 'd', kind: 'directory', below: [deep] };
    expect(await codeOf(restore([deep]))).to.equal('WEIR_RESTORE_MISMATCH');
  });

  const files: FalseEntry[] = ['a', 'b', 'c'].map((name) => ({
    name,
    kind: 'file',
    bytes: Buffer.from(`content of ${name}`),
  }));

  it('reports a file of false bytes, keeps nothing of it, and restores the others', async () => {
    const { problems } = await restore(files.map((entry) => ({ ...entry, isForged: entry.name === 'b' })));
    expect(codes(problems)).to.deep.equal(['WEIR_RESTORE_MISMATCH']);
    expect([...describeTree(target).keys()]).to.deep.equal(['a', 'c']);
  });

  it('reports a file the provider lost, and restores the others', async () => {
    const { problems } = await restore(files, {
      piece: (bytes) => ({
        encoding: bytes.includes('of b') ? 'missing' : 'raw',
        sizeBytes: bytes.length,
        bytes,
      }),
    });
    expect(codes(problems)).to.deep.equal(['WEIR_CONTENT_MISSING']);
    expect([...describeTree(target).keys()]).to.deep.equal(['a', 'c']);
  });

  it('reports a file whose compressed bytes are garbage or a bomb, and restores the others', async () => {
    const bomb = Buffer.concat([
      Buffer.from('28b52ffd', 'hex'),
      Buffer.from('84', 'hex'),
      Buffer.alloc(30, 0xff),
    ]);
    for (const garbage of [Buffer.from('garbage'), bomb, Buffer.alloc(0)]) {
      const { problems } = await restore(files, {
        piece: (bytes) =>
          bytes.includes('of b')
            ? { encoding: 'zstd', sizeBytes: bytes.length, bytes: garbage }
            : { encoding: 'raw', sizeBytes: bytes.length, bytes },
      });
      expect(codes(problems)).to.deep.equal(['WEIR_RESTORE_MISMATCH']);
      expect([...describeTree(target).keys()]).to.deep.equal(['a', 'c']);
      rmSync(target, { recursive: true });
    }
  });

  it('ends with a code when more or less is sent than was asked for', async () => {
    expect(await codeOf(restore(files, { pieces: (all) => all.slice(1) }))).to.equal('WEIR_RESTORE_MISMATCH');
    expect(await codeOf(restore(files, { pieces: (all) => [...all, ...all] }))).to.equal(
      'WEIR_RESTORE_MISMATCH',
    );
  });

  it('ends with a code when it speaks out of turn, garbage, or of other things', async () => {
    const device = testDevice(provider.enrolment, directory.path, []);
    const answers: ((frame: Frame, send: Send) => void)[] = [
      (_, send) => send(messages.done, null),
      (_, send) => send(messages.verdict, { isAccepted: true, lost: [] }),
      (frame, send) => {
        answerFrom(files, {})(frame, send);
        send(messages.done, null);
      },
    ];
    for (const answer of answers) {
      provider.answer = answer;
      expect(await codeOf(device.restore('', target))).to.equal('WEIR_WIRE_ORDER');
    }
    provider.answer = (_, __, socket) => void socket.write(Buffer.from('ffffffff40', 'hex'));
    expect(await codeOf(device.restore('', target))).to.equal('WEIR_WIRE_TOO_LARGE');
    provider.answer = (_, __, socket) => void socket.write(Buffer.from('0300000040aabbcc', 'hex'));
    expect(await codeOf(device.restore('', target))).to.equal('WEIR_WIRE_MALFORMED');
    provider.answer = (_, __, socket) => void socket.end(Buffer.from('0300000040aa', 'hex'));
    expect(await codeOf(device.restore('', target))).to.be.oneOf([
      'WEIR_WIRE_MALFORMED',
      'WEIR_DISCONNECTED',
    ]);
  });
});

interface Answers {
  readonly directories: (all: readonly Encoded[]) => readonly Encoded[];
  readonly piece: (bytes: Buffer) => wire.ContentPiece;
  readonly pieces: (all: readonly wire.ContentPiece[]) => readonly wire.ContentPiece[];
}

/** Answers as a provider that holds this tree, but for what is overridden. */
function answerFrom(
  entries: readonly FalseEntry[],
  overrides: Partial<Answers>,
): (frame: Frame, send: Send) => void {
  const { directories = (all) => all, pieces = (all) => all } = overrides;
  const { piece = (bytes: Buffer) => ({ encoding: 'raw' as const, sizeBytes: bytes.length, bytes }) } =
    overrides;
  const listed: Encoded[] = [];
  const files: FalseEntry[] = [];
  const list = (below: readonly FalseEntry[]) => {
    listed.push(encode(below));
    files.push(...below.filter(({ kind, bytes }) => kind === 'file' && (bytes?.length ?? 0) > 0));
    for (const entry of below) if (entry.kind === 'directory') list(entry.below ?? []);
  };
  list(entries);
  const bytes = {
    files: 0,
    totalBytes: 0,
    unchangedBytes: 0,
    knownBytes: 0,
    passedBytes: 0,
    portionBytes: 0,
    uploadedBytes: 0,
  };
  const rootAttributesId = listed[0]?.attributesId ?? Buffer.alloc(32);
  const snapshot = {
    id: Buffer.alloc(16),
    deviceName: 'd',
    timeMs: 0,
    paths: [],
    tags: [],
    rootAttributesId,
    bytes,
  };
  return ({ type, payload }, send) => {
    if (type === messages.hello.type)
      send(messages.welcome, {
        nonce: Buffer.alloc(32),
        salt: Buffer.alloc(16),
        knowsDirectories: false,
        subscriberName: 's',
      });
    if (type === wire.openPath.type)
      send(wire.opened, { snapshot, attributesId: rootAttributesId, single: undefined });
    if (type === wire.listDirectories.type) {
      for (const objects of directories(listed)) send(wire.directories, [objects]);
      send(messages.done, null);
    }
    if (type === wire.fetch.type) {
      const wanted = wire.fetch.decode(payload).map((file) => piece(files[file]?.bytes ?? Buffer.alloc(0)));
      send(wire.content, pieces(wanted));
      send(messages.done, null);
    }
  };
}

interface Encoded extends wire.DirectoryObjects {
  readonly attributesId: Buffer;
  readonly treeId: Buffer;
}

const KINDS = ['file', 'directory', 'symlink', 'unknown'];

const encodedBefore = new WeakMap<readonly FalseEntry[], Encoded>();

/** docs/format.md without its rules: names of any kind in any order. */
function encode(entries: readonly FalseEntry[]): Encoded {
  const before = encodedBefore.get(entries);
  if (before !== undefined) return before;
  const tree = new ByteWriter();
  const attributes = new ByteWriter();
  const below = entries.map((entry) => (entry.kind === 'directory' ? encode(entry.below ?? []) : undefined));
  tree.byteString('WTR1');
  tree.varint(entries.length);
  for (const [index, entry] of entries.entries()) {
    tree.prefixedByteString(entry.name);
    tree.u8(KINDS.indexOf(entry.kind));
    tree.varint(0o644);
    const bytes = entry.bytes ?? Buffer.alloc(0);
    if (entry.kind === 'file') {
      tree.varint(bytes.length);
      tree.bytes(contentId(entry.isForged === true ? Buffer.from('forged') : bytes));
    } else if (entry.kind === 'directory') tree.bytes(below[index]?.treeId ?? Buffer.alloc(32));
    else tree.prefixedByteString(entry.target ?? '');
  }
  const treeId = contentId(tree.finish());
  attributes.byteString('WAT1');
  attributes.bytes(treeId);
  for (const child of below) {
    for (let field = 0; field < 4; field++) attributes.varint(0);
    if (child !== undefined) attributes.bytes(child.attributesId);
  }
  const objects = { tree: tree.finish(), attributes: attributes.finish() };
  const encoded = { ...objects, treeId, attributesId: contentId(objects.attributes) };
  encodedBefore.set(entries, encoded);
  return encoded;
}

/** Trees in which most things are as they should be, so that the rest is reached. */
function hostileTree(canary: string): fc.Arbitrary<FalseEntry[]> {
  const names = fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom('a', 'b', 'c', 'file', 'canary') },
    {
      weight: 1,
      arbitrary: fc.constantFrom('..', '.', '', '/', '../canary', 'a/b', `${canary}/file`, 'n\0', '\xff'),
    },
  );
  const leaf = fc.record({
    name: names,
    kind: fc.constantFrom('file' as const, 'symlink' as const, 'file' as const, 'unknown' as const),
    bytes: fc.constantFrom(Buffer.from('harm'), Buffer.alloc(0), Buffer.alloc(70_000, 1)),
    target: fc.constantFrom(canary, '..', '../canary', '/', 'a', `${canary}/file`),
    isForged: fc.constantFrom(false, false, false, true),
  });
  const isRarely = fc.constantFrom(false, false, false, true);
  const { tree } = fc.letrec<{ tree: FalseEntry[]; entry: FalseEntry }>((tie) => ({
    tree: fc
      .tuple(fc.array(tie('entry'), { maxLength: 5 }), isRarely)
      .map(([entries, isUnsorted]) => (isUnsorted ? entries : sorted(entries))),
    entry: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc.record({ name: names, kind: fc.constant('directory' as const), below: tie('tree') }),
    ),
  }));
  return tree;
}

function sorted(entries: readonly FalseEntry[]): FalseEntry[] {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  return [...byName.values()].toSorted((left, right) => (left.name < right.name ? -1 : 1));
}
