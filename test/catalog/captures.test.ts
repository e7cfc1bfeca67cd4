import { expect } from 'chai';
import { AssertionError } from '../../src/base/assert.ts';
import type { Capture } from '../../src/catalog/captures.ts';
import type { Catalog } from '../../src/catalog/catalog.ts';
import type { NewObject } from '../../src/catalog/objects.ts';
import type { Scope } from '../../src/catalog/scope.ts';
import type { WatchEntry } from '../../src/catalog/watch-list.ts';
import {
  codeOf,
  EMBEDDED,
  failingRecords,
  fileObject,
  MEMORY,
  type OpenedCatalog,
  openTestCatalog,
} from './opened-catalog.ts';

const URL = 'http://origin.test/file';

function capture(object: NewObject, changes: Partial<Capture> = {}): Capture {
  const { contentId, sizeBytes } = object;
  return { url: URL, contentId, sizeBytes, etag: '"1"', lastModified: undefined, timeMs: 1000, ...changes };
}

function entryOf({ identifier, sizeBytes }: NewObject): WatchEntry {
  return { identifier, sizeBytes, deadlineMs: 2_000_000_000_000, priority: 3 };
}

async function enter(catalog: Catalog, scope: Scope, wanted: WatchEntry): Promise<void> {
  await catalog.records.write([catalog.watchList.enter(scope, wanted)]);
  catalog.watchList.entered(scope, wanted);
}

async function listed(catalog: Catalog, scope: Scope): Promise<WatchEntry[]> {
  const entries: WatchEntry[] = [];
  for await (const { identifier, sizeBytes, deadlineMs, priority } of catalog.watchList.list(scope))
    entries.push({ identifier, sizeBytes, deadlineMs, priority });
  return entries;
}

for (const drivers of [MEMORY, EMBEDDED]) {
  describe(`captures and the watch list over ${drivers.name} drivers`, () => {
    let opened: OpenedCatalog;
    let catalog: Catalog;
    let scope: Scope;
    let other: Scope;
    let fail: () => void;
    const object = fileObject(Buffer.from('wanted'));

    beforeEach(async () => {
      opened = await openTestCatalog(drivers, ({ records, bytes }) => {
        const failing = failingRecords(records);
        fail = failing.fail;
        return { records: failing.records, bytes };
      });
      ({ catalog } = opened);
      scope = (await catalog.subscribers.add('ada', [])).scope;
      other = (await catalog.subscribers.add('bob', [])).scope;
    });
    afterEach(() => opened.remove());

    const isFound = (catalog: Catalog, scope: Scope) =>
      catalog.contents.find(scope, 'file', object.identifier, object.sizeBytes, 64).length > 0;
    const isWanted = (catalog: Catalog, scope: Scope) =>
      catalog.watchList.isWanted(scope, object.identifier, object.sizeBytes);

    it('tell what a URL gave last, to its scope alone, also when opened again', async () => {
      const second = fileObject(Buffer.from('second'));
      await catalog.captures.record(scope, object, capture(object));
      const last = capture(second, {
        etag: undefined,
        lastModified: 'Fri, 20 Nov 2026 13:00:00 GMT',
        timeMs: 2000,
      });
      await catalog.captures.record(scope, second, last);
      await catalog.captures.record(scope, object, capture(object, { url: `${URL}?other` }));
      const same = (found: Capture | undefined) =>
        found && { ...found, contentId: Buffer.from(found.contentId) };
      expect(same(await catalog.captures.lookUp(scope, URL))).to.deep.equal(last);
      expect(await catalog.captures.lookUp(other, URL)).to.equal(undefined);
      expect(await catalog.captures.lookUp(scope, `${URL}/`)).to.equal(undefined);
      expect(same(await (await opened.reopen()).captures.lookUp(scope, URL))).to.deep.equal(last);
    });

    it('leave out what is no validator', async () => {
      await catalog.captures.record(
        scope,
        object,
        capture(object, { etag: 'x'.repeat(1025), lastModified: '' }),
      );
      const found = await catalog.captures.lookUp(scope, URL);
      expect([found?.etag, found?.lastModified]).to.deep.equal([undefined, undefined]);
      const longest = 'é'.repeat(512);
      await catalog.captures.record(scope, object, capture(object, { etag: longest }));
      expect((await catalog.captures.lookUp(scope, URL))?.etag).to.equal(longest);
    });

    it('write nothing that cannot be read again', async () => {
      const url = (length: number) => `${URL}?${'x'.repeat(length - URL.length - 1)}`;
      for (const length of [8193, 32 * 1024]) {
        await catalog.captures.record(scope, object, capture(object, { url: url(length) }));
        expect((await catalog.captures.lookUp(scope, url(length)))?.url).to.equal(url(length));
      }
      const beyond = url(32 * 1024 + 1);
      const work = catalog.captures.record(scope, object, capture(object, { url: beyond }));
      expect(await work.catch((error: unknown) => error)).to.be.instanceOf(AssertionError);
      expect(await catalog.captures.lookUp(scope, beyond)).to.equal(undefined);
    });

    it('end a wait in the group that makes the file held', async () => {
      await enter(catalog, scope, entryOf(object));
      expect([isWanted(catalog, scope), isWanted(catalog, other)]).to.deep.equal([true, false]);
      expect(await catalog.captures.record(other, object, capture(object))).to.deep.equal({
        wasWanted: false,
      });
      expect(isWanted(catalog, scope)).to.equal(true);
      expect(await catalog.captures.record(scope, object, capture(object))).to.deep.equal({
        wasWanted: true,
      });
      expect(await catalog.captures.record(scope, object, capture(object))).to.deep.equal({
        wasWanted: false,
      });
      expect([isWanted(catalog, scope), isFound(catalog, scope)]).to.deep.equal([false, true]);
      expect(await listed(catalog, scope)).to.deep.equal([]);
      const again = await opened.reopen();
      const [ada = scope] = again.subscribers.list().map((subscriber) => subscriber.scope);
      expect([isWanted(again, ada), isFound(again, ada), again.watchList.entries]).to.deep.equal([
        false,
        true,
        0,
      ]);
    });

    it('leave both as they were when the group cannot be written', async () => {
      await enter(catalog, scope, entryOf(object));
      fail();
      expect(await codeOf(catalog.captures.record(scope, object, capture(object)))).to.equal(
        'WEIR_STORE_FULL',
      );
      const expectAsBefore = async (catalog: Catalog, scope: Scope) => {
        expect([isWanted(catalog, scope), isFound(catalog, scope)]).to.deep.equal([true, false]);
        expect(await catalog.captures.lookUp(scope, URL)).to.equal(undefined);
        expect(await listed(catalog, scope)).to.deep.equal([entryOf(object)]);
      };
      await expectAsBefore(catalog, scope);
      const again = await opened.reopen();
      await expectAsBefore(again, again.subscribers.byName('ada')?.scope ?? scope);
      expect(await again.captures.record(scope, object, capture(object))).to.deep.equal({ wasWanted: true });
    });

    it('keep the list over a restart, each scope its own', async () => {
      const wanted = ['a', 'bb', 'ccc'].map((text) => entryOf(fileObject(Buffer.from(text))));
      for (const one of wanted) await enter(catalog, scope, one);
      await enter(catalog, other, entryOf(object));
      await enter(catalog, scope, { ...entryOf(fileObject(Buffer.from('a'))), priority: 9 });
      const again = await opened.reopen();
      expect(again.watchList.entries).to.equal(4);
      const entries = await listed(again, again.subscribers.byName('ada')?.scope ?? scope);
      expect(entries).to.have.deep.members([{ ...wanted[0], priority: 9 }, ...wanted.slice(1)]);
      expect(await listed(again, again.subscribers.byName('bob')?.scope ?? other)).to.deep.equal([
        entryOf(object),
      ]);
    });

    it('wait for the size as well as the identifier', async () => {
      await enter(catalog, scope, entryOf(object));
      const larger = { ...object, sizeBytes: object.sizeBytes + 1 };
      expect(await catalog.captures.record(scope, larger, capture(larger))).to.deep.equal({
        wasWanted: false,
      });
      expect(isWanted(catalog, scope)).to.equal(true);
    });
  });
}
