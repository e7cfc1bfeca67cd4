import { expect } from 'chai';
import fc from 'fast-check';
import { ByteWriter } from '../../src/base/binary.ts';
import { WeirError } from '../../src/base/errors.ts';
import { contentId } from '../../src/content/content-id.ts';
import {
  checkName,
  decodeDirectory,
  type Entry,
  encodeDirectory,
  MAX_NAME_BYTES,
  MAX_TARGET_BYTES,
  treeIdOf,
} from '../../src/content/tree.ts';
import { mutated, underSeed } from '../base/seeded.ts';
import { entriesArbitrary } from './entries.ts';

const id = (text: string) => contentId(Buffer.from(text));
const attributes = { mode: 0o644, mtimeSeconds: 1_700_000_000, mtimeMicros: 123_456, uid: 1000, gid: 100 };

function file(name: string, changes: object = {}): Entry {
  return { kind: 'file', name, ...attributes, sizeBytes: 5, contentId: id('hello'), ...changes };
}

const SAMPLE: readonly Entry[] = [
  file('a.txt'),
  {
    kind: 'directory',
    name: 'b',
    ...attributes,
    mode: 0o4755,
    treeId: id('tree'),
    attributesId: id('attributes'),
  },
  { kind: 'symlink', name: 'c\xff\xfe', ...attributes, mtimeSeconds: -1, target: '../\xe9' },
];

/** A tree of one entry by hand, and attributes that belong to it. */
function byHand(
  writeTree: (out: ByteWriter) => void,
  writeAttributes: (out: ByteWriter) => void = oneAttributes,
): [Buffer, Buffer] {
  const tree = new ByteWriter();
  tree.byteString('WTR1');
  writeTree(tree);
  return [tree.finish(), attributesOf(tree.finish(), writeAttributes)];
}

function attributesOf(tree: Uint8Array, write: (out: ByteWriter) => void): Buffer {
  const out = new ByteWriter();
  out.byteString('WAT1');
  out.bytes(contentId(tree));
  write(out);
  return out.finish();
}

function oneAttributes(out: ByteWriter): void {
  for (const value of [0, 0, 0, 0]) out.varint(value);
}

function symlink(out: ByteWriter, name: string, mode = 0o777, target = 't'): void {
  out.prefixedByteString(name);
  out.u8(2);
  out.varint(mode);
  out.prefixedByteString(target);
}

function oneSymlink(name: string, mode?: number, target?: string): [Buffer, Buffer] {
  return byHand((out) => {
    out.varint(1);
    symlink(out, name, mode, target);
  });
}

function symlinks(...names: string[]): [Buffer, Buffer] {
  return byHand(
    (out) => {
      out.varint(names.length);
      for (const name of names) symlink(out, name);
    },
    (out) => {
      for (const _ of names) oneAttributes(out);
    },
  );
}

function expectRefused(what: string, [tree, when]: readonly [Uint8Array, Uint8Array]): void {
  expect(() => decodeDirectory(tree, when), what)
    .to.throw(WeirError)
    .with.property('code', 'WEIR_TREE_INVALID');
}

describe('tree', () => {
  it('has the ids it has always had: they are part of the format', () => {
    const { treeId, attributesId } = encodeDirectory(SAMPLE);
    expect(Buffer.from(treeId).toString('hex')).to.equal(
      '8dcac64512073ae4cbd16d4dffb3de9998c62b0f553e9565578072f1090572b4',
    );
    expect(Buffer.from(attributesId).toString('hex')).to.equal(
      'ab2f392a96eeaa748b71f5cd224441a335f562efa6c3a2f5b79064eeb0e75b78',
    );
    const empty = encodeDirectory([]);
    expect(empty.tree.toString('hex')).to.equal('5754523100');
    expect(empty.attributes.toString('hex')).to.equal(`57415431${Buffer.from(empty.treeId).toString('hex')}`);
  });

  it('gives back any entries, also names that are not UTF-8', () => {
    fc.assert(
      fc.property(entriesArbitrary, (entries) => {
        const encoded = encodeDirectory(entries);
        expect(decodeDirectory(encoded.tree, encoded.attributes)).to.deep.equal(entries);
        expect(treeIdOf(encoded.attributes).equals(encoded.treeId)).to.equal(true);
        expect(contentId(encoded.attributes).equals(encoded.attributesId)).to.equal(true);
      }),
      { numRuns: 300 },
    );
  });

  it('is the same tree whatever the times and owners, and other attributes', () => {
    const touched = SAMPLE.map((entry) => ({ ...entry, mtimeSeconds: 5, mtimeMicros: 0, uid: 0, gid: 0 }));
    const [before, after] = [encodeDirectory(SAMPLE), encodeDirectory(touched)];
    expect(before.tree.equals(after.tree)).to.equal(true);
    expect(before.attributes.equals(after.attributes)).to.equal(false);
    const renamed = encodeDirectory(SAMPLE.map((entry) => ({ ...entry, name: `${entry.name}x` })));
    expectRefused('attributes of another tree', [before.tree, renamed.attributes]);
  });

  it('refuses to encode what is out of order or no name', () => {
    for (const names of [
      ['b', 'a'],
      ['a', 'a'],
      ['a', 'A'],
      ['é', 'z'],
      ['.'],
      ['..'],
      [''],
      ['a/b'],
      ['/'],
      ['a\0'],
      ['a'.repeat(MAX_NAME_BYTES + 1)],
    ]) {
      const entries = names.map((name) => file(name));
      expect(() => encodeDirectory(entries), names.join())
        .to.throw(WeirError)
        .with.property('code', 'WEIR_TREE_INVALID');
    }
    encodeDirectory(['A', 'a', 'a ', 'a.', 'aa', 'z', '\xe9', '\xff'].map((name) => file(name)));
    encodeDirectory([file('a'.repeat(MAX_NAME_BYTES))]);
    expect(() => checkName('b', 'a')).not.to.throw();
  });

  it('decodes what the hand writes', () => {
    const [tree, when] = symlinks('a', 'b');
    expect(decodeDirectory(tree, when).map(({ name }) => name)).to.deep.equal(['a', 'b']);
    expect(decodeDirectory(...oneSymlink('n', 0o7777, 'x'.repeat(MAX_TARGET_BYTES)))).to.have.length(1);
  });

  it('refuses names that lead elsewhere, repeat or are out of order', () => {
    for (const name of ['', '.', '..', '/', 'a/b', '../x', '\0', 'a\0b', 'x'.repeat(256)]) {
      expectRefused(JSON.stringify(name), oneSymlink(name));
    }
    expectRefused('repeated', symlinks('a', 'a'));
    expectRefused('unsorted', symlinks('b', 'a'));
    expectRefused('unsorted at the end', symlinks('a', 'c', 'b'));
    expectRefused('unsorted bytes', symlinks('\xff', 'a'));
  });

  it('refuses numbers out of range, padded or missing', () => {
    expectRefused('mode', oneSymlink('a', 0o10000));
    expectRefused('long target', oneSymlink('a', 0, 'x'.repeat(MAX_TARGET_BYTES + 1)));
    expectRefused(
      'kind',
      byHand((out) => out.bytes(Buffer.from([1, 1, 0x61, 3, 0, 0]))),
    );
    expectRefused(
      'padded count',
      byHand(
        (out) => out.bytes(Buffer.from([0x80, 0])),
        () => undefined,
      ),
    );
    expectRefused(
      'padded mode',
      byHand((out) => out.bytes(Buffer.from([1, 1, 0x61, 2, 0x80, 0, 1, 0x62]))),
    );
    expectRefused(
      'a count of 2^40',
      byHand((out) => out.varint(2 ** 40)),
    );
    expectRefused(
      'a count above what is there',
      byHand((out) => out.varint(2)),
    );
    const [tree] = oneSymlink('a');
    for (const [what, values] of Object.entries({
      'micros of a second': [0, 1_000_000, 0, 0],
      'a user above 32 bits': [0, 0, 2 ** 32, 0],
      'a group above 32 bits': [0, 0, 0, 2 ** 32],
      'one too few': [0, 0, 0],
      'one too many': [0, 0, 0, 0, 0],
    })) {
      expectRefused(what, [tree, attributesOf(tree, (out) => values.forEach((value) => out.varint(value)))]);
    }
  });

  it('refuses what follows the end, wrong magic and every truncation', () => {
    const { tree, attributes: when } = encodeDirectory(SAMPLE);
    const longer = Buffer.concat([tree, Buffer.from([0])]);
    const rest = when.subarray(36);
    expectRefused('a byte after the tree', [longer, attributesOf(longer, (out) => out.bytes(rest))]);
    expectRefused('a byte after the attributes', [tree, Buffer.concat([when, Buffer.from([0])])]);
    for (let length = 0; length < tree.length; length++) {
      const part = tree.subarray(0, length);
      expectRefused(`${length} bytes of tree`, [part, attributesOf(part, (out) => out.bytes(rest))]);
    }
    for (let length = 0; length < when.length; length++) {
      expectRefused(`${length} bytes of attributes`, [tree, when.subarray(0, length)]);
    }
    const magic = Buffer.from(tree);
    magic[3] = 0x32;
    expectRefused('WTR2', [magic, attributesOf(magic, (out) => out.bytes(rest))]);
    expect(() => treeIdOf(tree))
      .to.throw(WeirError)
      .with.property('code', 'WEIR_TREE_INVALID');
    expect(() => treeIdOf(when.subarray(0, 30))).to.throw(WeirError);
  });

  it('refuses link targets that no link has', () => {
    expectRefused('an empty target', oneSymlink('a', 0, ''));
    expectRefused('a NUL in a target', oneSymlink('a', 0, 'x\0y'));
    for (const target of ['', 'x\0y', 'x'.repeat(MAX_TARGET_BYTES + 1)]) {
      expect(() => encodeDirectory([{ kind: 'symlink', name: 'a', ...attributes, target }]))
        .to.throw(WeirError)
        .with.property('code', 'WEIR_TREE_INVALID');
    }
  });

  it('has one encoding: of 10,000 mutants each is refused or encodes to itself', () => {
    const samples = fc.sample(entriesArbitrary, 40).map(encodeDirectory);
    underSeed((chance) => {
      let accepted = 0;
      for (let run = 0; run < 10_000; run++) {
        const sample = samples[run % samples.length] ?? encodeDirectory(SAMPLE);
        const isTreeMutated = run % 3 > 0;
        const tree = isTreeMutated ? mutated(sample.tree, chance) : sample.tree;
        const rest = sample.attributes.subarray(36);
        const when = attributesOf(tree, (out) => out.bytes(run % 3 < 2 ? mutated(rest, chance) : rest));
        let entries: Entry[];
        try {
          entries = decodeDirectory(tree, when);
        } catch (error) {
          expect(error).to.be.instanceOf(WeirError).with.property('code', 'WEIR_TREE_INVALID');
          continue;
        }
        accepted += 1;
        const again = encodeDirectory(entries);
        expect(again.tree.equals(tree), 'the tree').to.equal(true);
        expect(again.attributes.equals(when), 'the attributes').to.equal(true);
      }
      expect(accepted, 'mutants that are directories').to.be.greaterThan(100);
    });
  });
});
