import { createHash } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { AssertionError } from '../../src/base/assert.ts';
import {
  type CandidateTable,
  createCandidateTable,
  MAX_CANDIDATES,
  PROVED,
} from '../../src/catalog/candidate-table.ts';

function contentId(text: string | number): Buffer {
  return createHash('sha256').update(`${text}`).digest();
}

function find(table: CandidateTable, hi: number, lo: number): number[] {
  const found = new Uint32Array(MAX_CANDIDATES);
  return [...found.subarray(0, table.find(hi, lo, found))];
}

describe('candidate table', () => {
  it('finds every content under its key, and none under another', () => {
    const table = createCandidateTable();
    expect(table.add(1, 2, contentId('a'), 0)).to.equal(0);
    expect(table.add(1, 2, contentId('b'), PROVED)).to.equal(1);
    expect(table.add(2, 1, contentId('a'), 0)).to.equal(2);
    expect(find(table, 1, 2)).to.have.members([0, 1]);
    expect(find(table, 2, 1)).to.deep.equal([2]);
    for (const [hi, lo] of [
      [1, 1],
      [2, 2],
      [0, 0],
    ] as const)
      expect(find(table, hi, lo)).to.deep.equal([]);
    expect(Buffer.compare(table.contentId(1), contentId('b'))).to.equal(0);
    expect(table.flags(1)).to.equal(PROVED);
    expect(table.entries).to.equal(3);
  });

  it('enters a content once under a key and gathers its flags', () => {
    const table = createCandidateTable();
    table.add(7, 7, contentId('a'), 0);
    expect(table.add(7, 7, contentId('a'), PROVED)).to.equal(0);
    expect(table.add(7, 7, contentId('a'), 2)).to.equal(0);
    expect(table.flags(0)).to.equal(PROVED | 2);
    table.setFlags(0, 0);
    expect(table.flags(0)).to.equal(0);
    expect(table.entries).to.equal(1);
  });

  it('takes so many contents under one key and no more', () => {
    const table = createCandidateTable();
    for (let n = 0; n < MAX_CANDIDATES; n += 1) expect(table.add(1, 1, contentId(n), 0)).to.equal(n);
    expect(table.add(1, 1, contentId('more'), 0)).to.equal(undefined);
    expect(table.add(1, 1, contentId(3), PROVED)).to.equal(3);
    expect(table.add(1, 2, contentId('more'), 0)).to.equal(MAX_CANDIDATES);
    expect(find(table, 1, 1).length).to.equal(MAX_CANDIDATES);
  });

  it('does as a map of sets does, also when entries leave', () => {
    const half = fc.constantFrom(0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff);
    const entry = fc.tuple(half, half, fc.integer({ min: 0, max: 20 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 400 }), (entries) => {
        const table = createCandidateTable();
        const model = new Map<string, Set<number>>();
        for (const [hi, lo, n, isToGo] of entries) {
          const ordinal = table.add(hi, lo, contentId(n), n) ?? -1;
          expect(table.flags(ordinal)).to.equal(n);
          model.set(`${hi},${lo}`, (model.get(`${hi},${lo}`) ?? new Set()).add(n));
          if (!isToGo) continue;
          table.remove(hi, lo, ordinal);
          model.get(`${hi},${lo}`)?.delete(n);
        }
        expect(table.entries).to.equal([...model.values()].reduce((sum, { size }) => sum + size, 0));
        for (const [name, numbers] of model) {
          const [hi = 0, lo = 0] = name.split(',').map(Number);
          const ids = find(table, hi, lo).map((ordinal) =>
            Buffer.from(table.contentId(ordinal)).toString('hex'),
          );
          expect(ids).to.have.members([...numbers].map((n) => contentId(n).toString('hex')));
        }
      }),
      { numRuns: 100, verbose: true },
    );
  });

  it('counts listings up to where it stops counting', () => {
    const table = createCandidateTable();
    table.add(1, 1, contentId('a'), 0);
    table.add(1, 1, contentId('b'), 0);
    table.addListing(0);
    table.addListing(0);
    expect([table.dropListing(0), table.dropListing(0), table.listings(0)]).to.deep.equal([1, 0, 0]);
    for (let n = 0; n < 70_000; n += 1) table.addListing(1);
    expect([table.dropListing(1), table.dropListing(1)]).to.deep.equal([65_535, 65_535]);
    table.remove(1, 1, 1);
    expect(table.add(2, 2, contentId('c'), 0)).to.equal(1);
    expect(table.listings(1)).to.equal(0);
  });

  it('takes what is not there for a programmer error', () => {
    const table = createCandidateTable();
    table.add(1, 1, contentId('a'), 0);
    expect(() => table.remove(1, 2, 0)).to.throw(AssertionError);
    expect(() => table.dropListing(0)).to.throw(AssertionError);
  });

  const patterns: [string, (n: number) => [number, number]][] = [
    ['uniform', (n) => [contentId(n).readUInt32LE(), n]],
    ['counting up in the low half', (n) => [0, n]],
    ['counting up in the high half', (n) => [n, 0]],
    ['counting in steps of 65,536', (n) => [n >>> 16, (n << 16) >>> 0]],
    ['alike in both halves', (n) => [n, n]],
    ['in the top bits alone', (n) => [(n << 14) >>> 0, 5]],
  ];
  for (const [name, keyOf] of patterns) {
    it(`grows to 200,000 keys, ${name}, with short probes`, () => {
      const table = createCandidateTable();
      const id = contentId('one');
      for (let n = 0; n < 200_000; n += 1) table.add(...keyOf(n), id, n & 255);
      expect(table.entries).to.equal(200_000);
      expect(table.longestProbe()).to.be.lessThan(160);
      for (let n = 0; n < 200_000; n += 997) expect(find(table, ...keyOf(n))).to.deep.equal([n]);
      expect(table.flags(199_999)).to.equal(199_999 & 255);
      expect(table.sizeBytes / table.entries).to.be.lessThan(80);
    });
  }

  it('keeps views valid while it grows', () => {
    const table = createCandidateTable();
    table.add(0, 0, contentId('first'), 0);
    const view = table.contentId(0);
    for (let n = 1; n < 70_000; n += 1) table.add(n, n, contentId('other'), 0);
    expect(Buffer.compare(view, contentId('first'))).to.equal(0);
    expect(Buffer.compare(table.contentId(69_999), contentId('other'))).to.equal(0);
  });

  it('takes halves out of range, short ids and unknown ordinals for programmer errors', () => {
    const table = createCandidateTable();
    expect(() => table.add(-1, 0, contentId('a'), 0)).to.throw(AssertionError);
    expect(() => table.add(0, 2 ** 32, contentId('a'), 0)).to.throw(AssertionError);
    expect(() => table.add(0, 0, new Uint8Array(31), 0)).to.throw(AssertionError);
    expect(() => table.contentId(0)).to.throw(AssertionError);
  });
});
