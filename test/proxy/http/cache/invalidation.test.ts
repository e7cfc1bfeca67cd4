import { expect } from 'chai';
import { invalidatedUrls } from '../../../../proxy/http/cache/invalidation.ts';
import { lines } from './responses.ts';

const URL_ASKED = 'http://a.example/x/y?q=1';

function invalidated(method: string, status = 200, headers = ''): string[] {
  return invalidatedUrls(method, URL_ASKED, status, lines(headers));
}

describe('invalidation', () => {
  it('of the target by an unsafe or unknown method', () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'MKCOL', 'FOO', 'get']) {
      expect(invalidated(method), method).to.deep.equal([URL_ASKED]);
    }
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY']) {
      expect(invalidated(method, 200, 'Location: /z'), method).to.deep.equal([]);
    }
  });

  it('only when the answer is no error', () => {
    for (const status of [200, 201, 204, 299, 301, 303, 399]) {
      expect(invalidated('POST', status), String(status)).to.have.length(1);
    }
    for (const status of [100, 400, 404, 412, 500, 503]) {
      expect(invalidated('POST', status, 'Location: /z'), String(status)).to.deep.equal([]);
    }
  });

  it('of Location and Content-Location of the same origin', () => {
    for (const [reference, expected] of [
      ['/z', 'http://a.example/z'],
      ['z', 'http://a.example/x/z'],
      ['?q=2', 'http://a.example/x/y?q=2'],
      ['../z#part', 'http://a.example/z'],
      ['//A.example:80/z', 'http://a.example/z'],
      ['HTTP://a.example/z', 'http://a.example/z'],
      ['http://b.example/z', undefined],
      ['https://a.example/z', undefined],
      ['http://a.example:8080/z', undefined],
      ['http://', undefined],
      ['mailto:a@a.example', undefined],
    ] as const) {
      for (const name of ['Location', 'content-location']) {
        const urls = expected === undefined ? [URL_ASKED] : [URL_ASKED, expected];
        expect(invalidated('PUT', 201, `${name}: ${reference}`), reference).to.deep.equal(urls);
      }
    }
    const both = 'Location: /a\nContent-Location: /b\nLocation: /x/y?q=1';
    expect(invalidated('POST', 303, both)).to.deep.equal([
      URL_ASKED,
      'http://a.example/a',
      'http://a.example/b',
    ]);
  });
});
