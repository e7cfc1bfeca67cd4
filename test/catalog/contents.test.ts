import { createHmac } from 'node:crypto';
import { expect } from 'chai';
import { WeirError } from '../../src/base/errors.ts';
import type { Catalog } from '../../src/catalog/catalog.ts';
import type { NewObject } from '../../src/catalog/objects.ts';
import { createScope, type Scope } from '../../src/catalog/scope.ts';
import { contentId } from '../../src/content/content-id.ts';
import { identifierOfId } from '../../src/content/identifier.ts';
import { portionListBuilder, singlePortion } from '../../src/content/portion-list.ts';
import { MAX_GROUP_OPERATIONS, type Operation } from '../../src/store/records.ts';
import { chance } from '../base/seeded.ts';
import {
  codeOf,
  EMBEDDED,
  failingRecords,
  fileObject,
  holdFile,
  MEMORY,
  type OpenedCatalog,
  openTestCatalog,
} from './opened-catalog.ts';

const { bytes } = chance(8);
const SMALL = bytes(1000);
const LARGE = bytes(700_000);

function found(catalog: Catalog, scope: Scope, { level, identifier, sizeBytes }: NewObject): string[] {
  return catalog.contents
    .find(scope, level, identifier, sizeBytes, 64)
    .map(({ contentId: id, isProved }) => `${Buffer.from(id).toString('hex')}${isProved ? ' proved' : ''}`);
}

function hexOf(object: NewObject): string {
  return Buffer.from(object.contentId).toString('hex');
}

function portionOf(object: NewObject, index: number): NewObject {
  const id = object.portions.id(index);
  return {
    level: 'portion',
    contentId: id,
    sizeBytes: object.portions.lengthBytes(index),
    identifier: identifierOfId(id),
    isProved: true,
    portions: singlePortion(id, object.portions.lengthBytes(index)),
  };
}

async function readBack(catalog: Catalog, scope: Scope, object: NewObject): Promise<Buffer | undefined> {
  const [list] = await catalog.contents.portionsOf(scope, 'file', [object.contentId]);
  if (list === undefined) return undefined;
  const ids = Array.from({ length: list.count }, (_, index) => list.id(index));
  const pieces = await catalog.contents.portions(scope, ids);
  return Buffer.concat(pieces.map((piece) => piece ?? Buffer.from('missing')));
}

for (const drivers of [MEMORY, EMBEDDED]) {
  describe(`contents over ${drivers.name} drivers`, () => {
    let opened: OpenedCatalog;
    let scope: Scope;
    let other: Scope;

    beforeEach(async () => {
      opened = await openTestCatalog(drivers);
      scope = (await opened.catalog.subscribers.add('ada', [])).scope;
      other = (await opened.catalog.subscribers.add('bob', [])).scope;
    });
    afterEach(() => opened.remove());

    const reopened = async () => {
      const catalog = await opened.reopen();
      return { catalog, scope: catalog.subscribers.scopeOf(1) ?? scope };
    };

    it('find, list and read what is held, also when opened again', async () => {
      const objects = [
        await holdFile(opened.catalog, scope, SMALL),
        await holdFile(opened.catalog, scope, LARGE, true),
      ];
      const look = async (catalog: Catalog, scope: Scope) => {
        for (const [index, object] of objects.entries()) {
          expect(found(catalog, scope, object)).to.deep.equal([
            hexOf(object) + (index === 1 ? ' proved' : ''),
          ]);
          expect(found(catalog, scope, { ...object, sizeBytes: object.sizeBytes + 1 })).to.deep.equal([]);
          expect(found(catalog, scope, { ...object, level: 'directory' })).to.deep.equal([]);
          const back = await readBack(catalog, scope, object);
          expect(back?.equals(index === 0 ? SMALL : LARGE)).to.equal(true);
        }
        const [, large] = objects;
        for (let index = 0; large && index < large.portions.count; index++) {
          const portion = portionOf(large, index);
          expect(found(catalog, scope, portion)).to.deep.equal([`${hexOf(portion)} proved`]);
        }
        expect(
          await catalog.contents.portionsOf(scope, 'file', [contentId(Buffer.from('never'))]),
        ).to.deep.equal([undefined]);
        expect(catalog.contents.hasDirectories(scope)).to.equal(false);
      };
      await look(opened.catalog, scope);
      const again = await reopened();
      await look(again.catalog, again.scope);
    });

    it('keep two scopes strangers: the same bytes under other keys, and found in neither by the other', async () => {
      const object = await holdFile(opened.catalog, scope, LARGE);
      expect(found(opened.catalog, other, object)).to.deep.equal([]);
      expect(await readBack(opened.catalog, other, object)).to.equal(undefined);
      const ids = Array.from({ length: object.portions.count }, (_, index) => object.portions.id(index));
      expect(await opened.catalog.contents.portions(other, ids)).to.deep.equal(ids.map(() => undefined));
      const entries = opened.stores.bytes.stats().entries;
      await holdFile(opened.catalog, other, LARGE);
      expect(opened.stores.bytes.stats().entries).to.equal(entries * 2);
      const plain = [...ids, object.contentId].flatMap((id) => [
        id,
        other.contentKey(id),
        scope.contentKey(id),
      ]);
      const held = await opened.stores.bytes.has(plain);
      expect(held.slice(0, 3)).to.deep.equal([false, true, true]);
      for (let at = 0; at < held.length; at += 3)
        expect(held[at], 'a plain content id is a key').to.equal(false);
    });

    it('remember what was proved', async () => {
      const object = await holdFile(opened.catalog, scope, SMALL);
      const candidates = opened.catalog.contents.find(scope, 'file', object.identifier, object.sizeBytes, 64);
      expect(candidates.map(({ isProved }) => isProved)).to.deep.equal([false]);
      await opened.catalog.contents.markProved(scope, 'file', candidates);
      await opened.catalog.contents.markProved(scope, 'file', []);
      expect(found(opened.catalog, scope, object)).to.deep.equal([`${hexOf(object)} proved`]);
      const again = await reopened();
      expect(found(again.catalog, again.scope, object)).to.deep.equal([`${hexOf(object)} proved`]);
    });

    it('keep a proof when the same content passes again', async () => {
      const object = await holdFile(opened.catalog, scope, SMALL, true);
      await holdFile(opened.catalog, scope, SMALL, false);
      const again = await reopened();
      expect(found(again.catalog, again.scope, object)).to.deep.equal([`${hexOf(object)} proved`]);
    });

    it('keep a proof when the same content passes while it is given', async () => {
      const [proved, passing] = [fileObject(LARGE, true), fileObject(LARGE, false)];
      const { contents } = opened.catalog;
      await Promise.all([contents.hold(scope, [proved]), contents.hold(scope, [passing])]);
      const again = await reopened();
      expect(found(again.catalog, again.scope, proved)).to.deep.equal([`${hexOf(proved)} proved`]);
    });

    it('give back lists of more portions than a record holds', async () => {
      for (const count of drivers === MEMORY ? [200_000, 200_001] : [400_001]) {
        const builder = portionListBuilder();
        const id = Buffer.alloc(32);
        for (let index = 0; index < count; index++) {
          id.writeUInt32BE(index * 7, 0);
          builder.add(id, index + 1);
        }
        const list = builder.list();
        const object = { ...fileObject(Buffer.from(`${count}`)), portions: list, sizeBytes: list.sizeBytes };
        await opened.catalog.contents.hold(scope, [object]);
        const [back] = await opened.catalog.contents.portionsOf(scope, 'file', [object.contentId]);
        expect(back?.packed.equals(list.packed), `${count}`).to.equal(true);
      }
      const again = await reopened();
      const count = drivers === MEMORY ? 200_001 : 400_001;
      const last = contentId(Buffer.from(`${count}`));
      const [list] = await again.catalog.contents.portionsOf(again.scope, 'file', [last]);
      expect([list?.count, list?.lengthBytes(count - 1)]).to.deep.equal([count, count]);
      expect(again.catalog.contents.entries).to.equal(opened.catalog.contents.entries);
    }).timeout(30_000);

    it('load a directory whole, within its bound', async () => {
      const object = { ...(await holdFile(opened.catalog, scope, LARGE)), level: 'directory' as const };
      const { contents } = opened.catalog;
      await contents.hold(scope, [object]);
      expect(contents.hasDirectories(scope)).to.equal(true);
      expect(contents.hasDirectories(other)).to.equal(false);
      expect((await contents.load(scope, object.contentId, LARGE.length))?.equals(LARGE)).to.equal(true);
      expect(await contents.load(scope, object.contentId, LARGE.length - 1)).to.equal(undefined);
      expect(await contents.load(other, object.contentId, LARGE.length)).to.equal(undefined);
      expect(await contents.load(scope, contentId(Buffer.from('never')), 1)).to.equal(undefined);
    });
  });
}

describe('contents', () => {
  it('read around what is corrupt, and give out no bytes of another hash', async () => {
    const bad = new Set<string>();
    const swapped = new Set<string>();
    const hex = (key: Uint8Array) => Buffer.from(key).toString('hex');
    const opened = await openTestCatalog(MEMORY, ({ records, bytes: store }) => {
      const refuse = (keys: readonly Uint8Array[]) => {
        if (keys.some((key) => bad.has(hex(key)))) throw new WeirError('WEIR_STORE_CORRUPT', 'rotten');
      };
      return {
        records,
        bytes: {
          ...store,
          async get(keys) {
            refuse(keys);
            const read = await store.get(keys);
            return read.map((one, at) =>
              swapped.has(hex(keys[at] ?? new Uint8Array(0))) ? Buffer.from('other') : one,
            );
          },
          async getEncoded(keys) {
            refuse(keys);
            return store.getEncoded(keys);
          },
        },
      };
    });
    const { scope } = await opened.catalog.subscribers.add('ada', []);
    const object = await holdFile(opened.catalog, scope, LARGE);
    const ids = Array.from({ length: object.portions.count }, (_, index) => object.portions.id(index));
    expect(ids.length).to.be.greaterThan(3);
    const [first = ids[0], second = ids[1]] = ids;
    bad.add(hex(scope.contentKey(first ?? Buffer.alloc(0))));
    swapped.add(hex(scope.contentKey(second ?? Buffer.alloc(0))));
    const { contents } = opened.catalog;
    const read = await contents.portions(scope, ids);
    expect(read.map((one) => one === undefined)).to.deep.equal(ids.map((_, at) => at < 2));
    const encoded = await contents.encodedPortions(scope, ids);
    expect(encoded.map((one) => one === undefined)).to.deep.equal(ids.map((_, at) => at === 0));
    expect(await contents.load(scope, object.contentId, LARGE.length)).to.equal(undefined);
  });

  it('pass on every other failure of the store', async () => {
    const opened = await openTestCatalog(MEMORY, ({ records, bytes: store }) => ({
      records,
      bytes: { ...store, get: () => Promise.reject(new WeirError('WEIR_STORE_CLOSED', 'closed')) },
    }));
    const { scope } = await opened.catalog.subscribers.add('ada', []);
    expect(await codeOf(opened.catalog.contents.portions(scope, [Buffer.alloc(32)]))).to.equal(
      'WEIR_STORE_CLOSED',
    );
  });

  it('find nothing of what could not be written', async () => {
    let fail = () => undefined as void;
    const opened = await openTestCatalog(MEMORY, ({ records, bytes: store }) => {
      const failing = failingRecords(records);
      fail = failing.fail;
      return { records: failing.records, bytes: store };
    });
    const { catalog } = opened;
    const { scope } = await catalog.subscribers.add('ada', []);
    fail();
    expect(await codeOf(holdFile(catalog, scope, SMALL))).to.equal('WEIR_STORE_FULL');
    const object = fileObject(SMALL);
    expect(found(catalog, scope, object)).to.deep.equal([]);
    await holdFile(catalog, scope, SMALL);
    fail();
    const candidates = catalog.contents.find(scope, 'file', object.identifier, object.sizeBytes, 64);
    expect(await codeOf(catalog.contents.markProved(scope, 'file', candidates))).to.equal('WEIR_STORE_FULL');
    expect(found(catalog, scope, object)).to.deep.equal([hexOf(object)]);
  });

  it('write what goes alongside last, however many objects there are', async () => {
    const groups: (readonly Operation[])[] = [];
    const opened = await openTestCatalog(MEMORY, ({ records, bytes: store }) => ({
      bytes: store,
      records: {
        ...records,
        write(operations) {
          groups.push(operations);
          return records.write(operations);
        },
      },
    }));
    const { scope } = await opened.catalog.subscribers.add('ada', []);
    const many = Array.from({ length: MAX_GROUP_OPERATIONS }, (_, index) => {
      const id = contentId(Buffer.from(`${index}`));
      return {
        level: 'file' as const,
        contentId: id,
        sizeBytes: 1,
        identifier: index,
        isProved: false,
        portions: singlePortion(id, 1),
      };
    });
    const alongside = opened.catalog.watchList.enter(scope, {
      identifier: 1,
      sizeBytes: 1,
      deadlineMs: 1,
      priority: 0,
    });
    groups.length = 0;
    await opened.catalog.contents.hold(scope, many, [alongside]);
    expect(groups.map((group) => group.length)).to.deep.equal([MAX_GROUP_OPERATIONS, 1]);
    expect(groups[1]?.[0]).to.equal(alongside);
  }).timeout(20_000);

  it('find no more than the limit', async () => {
    const { catalog } = await openTestCatalog();
    const { scope } = await catalog.subscribers.add('ada', []);
    const twins = ['a', 'b', 'c'].map((text) =>
      Object.assign(fileObject(Buffer.from(text)), { identifier: 5 }),
    );
    await catalog.contents.hold(scope, twins);
    expect(catalog.contents.find(scope, 'file', 5, 1, 64)).to.have.length(3);
    expect(catalog.contents.find(scope, 'file', 5, 1, 2)).to.have.length(2);
    expect(catalog.contents.find(scope, 'file', 5, 1, 0)).to.have.length(0);
  });

  it('find the same bytes as a file and as a portion, also when opened again', async () => {
    const opened = await openTestCatalog();
    const { scope } = await opened.catalog.subscribers.add('ada', []);
    const file = fileObject(SMALL, true);
    const portion: NewObject = { ...file, level: 'portion', identifier: identifierOfId(file.contentId) };
    for (const [first, second] of [
      [file, portion],
      [portion, file],
    ] as const) {
      await opened.catalog.contents.hold(scope, [first]);
      await opened.catalog.contents.hold(scope, [second]);
    }
    const catalog = await opened.reopen();
    expect(found(catalog, scope, file), 'the file').to.deep.equal([`${hexOf(file)} proved`]);
    expect(found(catalog, scope, portion), 'the portion').to.deep.equal([`${hexOf(portion)} proved`]);
  });

  it('keep the proof of a portion that is also a file by itself', async () => {
    const opened = await openTestCatalog();
    const { scope } = await opened.catalog.subscribers.add('ada', []);
    const large = await holdFile(opened.catalog, scope, LARGE);
    const portion = portionOf(large, 0);
    await holdFile(opened.catalog, scope, LARGE.subarray(0, portion.sizeBytes));
    const { contents } = opened.catalog;
    await contents.markProved(scope, 'portion', contents.find(scope, 'portion', portion.identifier, 0, 64));
    expect(found(opened.catalog, scope, portion)).to.deep.equal([`${hexOf(portion)} proved`]);
    expect(found(await opened.reopen(), scope, portion)).to.deep.equal([`${hexOf(portion)} proved`]);
  });
});

describe('scope', () => {
  it('names content by HMAC-SHA-256 under its key, and identifiers under a seed of its own', () => {
    const key = bytes(32);
    const [scope, other] = [createScope(1, key), createScope(2, bytes(32))];
    const id = bytes(32);
    expect(scope.contentKey(id).equals(createHmac('sha256', key).update(id).digest())).to.equal(true);
    expect(scope.contentKey(id).equals(other.contentKey(id))).to.equal(false);
    expect(scope.candidateKey('file', 1, 2)).to.equal(createScope(9, key).candidateKey('file', 1, 2));
    const keys = [
      scope.candidateKey('file', 1, 2),
      scope.candidateKey('file', 2, 1),
      scope.candidateKey('file', 1, 3),
      scope.candidateKey('portion', 1, 2),
      scope.candidateKey('directory', 1, 2),
      other.candidateKey('file', 1, 2),
      scope.candidateKey('file', 2 ** 48 - 1, 2 ** 48 - 1),
    ];
    expect(new Set(keys).size).to.equal(keys.length);
    expect(scope.candidateKey('portion', 1, 2)).to.equal(scope.candidateKey('portion', 1, 99));
  });
});
