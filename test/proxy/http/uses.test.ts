import { expect } from 'chai';
import { contentId } from '../../../src/content/content-id.ts';
import { openTestCatalog } from '../../catalog/opened-catalog.ts';
import { keptIn } from './caching/stage.ts';
import { ask, bodyOf, eventually, get, httpOrigin, testProxy } from './harness.ts';

describe('what the HTTP proxy serves from its cache', () => {
  it('is noted as used, so that it stays longer than what nobody asks for again', async () => {
    const { catalog } = await openTestCatalog();
    const { scope } = await catalog.subscribers.add('ada', ['127.0.0.1']);
    const { recorder, store } = keptIn(catalog);
    await using origin = await httpOrigin((req, res) => {
      res.writeHead(200, { 'Cache-Control': 'max-age=60' }).end(`the body of ${req.url}`);
    });
    await using proxy = await testProxy({ recorder, ...(store && { store }) });
    for (const path of ['/wanted', '/other']) await ask(proxy, get(origin, path));
    await recorder.settle();
    for (let nth = 0; nth < 3; nth++)
      expect(bodyOf(await ask(proxy, get(origin, '/wanted')))).to.equal('the body of /wanted');
    const worthOf = (path: string) =>
      catalog.captures.uses.worth(scope.contentKey(contentId(Buffer.from(`the body of ${path}`))));
    await eventually(() => worthOf('/wanted') >= worthOf('/other') + 3, 'three uses are noted');
  });
});
