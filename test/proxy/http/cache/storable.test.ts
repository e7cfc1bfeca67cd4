import { expect } from 'chai';
import { isStorable, storedHeaders } from '../../../../proxy/http/cache/storable.ts';
import { at, lines, NOW } from './responses.ts';

interface Case {
  readonly status?: number;
  readonly method?: string;
  readonly request?: string;
  readonly targets?: readonly string[];
}

const LAST_MODIFIED = `Last-Modified: ${at(-1000)}`;

function stored(headers: string, { status = 200, method = 'GET', request = '', targets = [] }: Case = {}) {
  return isStorable({ method, headers: lines(request) }, { status, headers: lines(headers) }, targets);
}

describe('storing in a shared cache', () => {
  it('only answers to GET', () => {
    expect(stored('Cache-Control: max-age=9')).to.equal(true);
    for (const method of ['HEAD', 'POST', 'PUT', 'OPTIONS', 'get', 'FOO']) {
      expect(stored('Cache-Control: max-age=9, public', { method }), method).to.equal(false);
    }
  });

  it('any final status with explicit freshness, also one nobody has heard of', () => {
    for (const status of [200, 201, 202, 203, 204, 299, 302, 307, 400, 403, 418, 429, 499, 500, 503, 599]) {
      for (const headers of ['Cache-Control: max-age=9', 'Cache-Control: s-maxage=9', `Expires: ${at(9)}`]) {
        expect(stored(headers, { status }), `${status} ${headers}`).to.equal(true);
      }
    }
    for (const status of [100, 103, 199, 304, 600]) {
      expect(stored('Cache-Control: max-age=9, public', { status }), String(status)).to.equal(false);
    }
  });

  it('without explicit freshness, a heuristically cacheable status or what is public', () => {
    for (const status of [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 451, 501]) {
      expect(stored(LAST_MODIFIED, { status }), String(status)).to.equal(true);
    }
    for (const status of [201, 202, 299, 302, 303, 307, 400, 403, 416, 429, 500, 502, 503, 504, 599]) {
      expect(stored(LAST_MODIFIED, { status }), String(status)).to.equal(false);
      expect(stored(`${LAST_MODIFIED}\nCache-Control: public`, { status }), `${status} public`).to.equal(
        true,
      );
    }
  });

  it('nothing that has neither explicit freshness nor a validator, nor a negative answer by its tag', () => {
    expect(stored('Content-Type: text/html')).to.equal(false);
    expect(stored('Cache-Control: public')).to.equal(false);
    expect(stored('ETag: "a"')).to.equal(true);
    expect(stored('ETag: "a"\nCache-Control: public', { status: 299 })).to.equal(true);
    expect(stored('ETag: "a"\nCache-Control: public', { status: 300 })).to.equal(false);
    expect(stored('ETag: "a"', { status: 404 })).to.equal(false);
    expect(stored('', { status: 404 })).to.equal(false);
    expect(stored('Cache-Control: no-cache, max-age=9')).to.equal(false);
    expect(stored('Cache-Control: no-cache\nETag: "a"')).to.equal(true);
    expect(stored('Cache-Control: no-cache, max-age=9\nETag: "a"', { status: 404 })).to.equal(false);
  });

  it('no part as if it were the whole', () => {
    const part = 'Cache-Control: public, max-age=9\nContent-Range: bytes 0-4/10';
    expect(stored(part, { status: 206 })).to.equal(false);
    expect(stored(part, { status: 206, request: 'Range: bytes=0-4' })).to.equal(false);
  });

  it('a 416 or 412 only when it is not about the range or preconditions of one client', () => {
    const headers = 'Cache-Control: max-age=9';
    expect(stored(headers, { status: 416 })).to.equal(true);
    expect(stored(headers, { status: 416, request: 'Range: bytes=9-' })).to.equal(false);
    expect(stored(headers, { status: 412 })).to.equal(true);
    expect(stored(headers, { status: 412, request: 'If-Match: "a"' })).to.equal(false);
  });

  it('not with no-store in the response, in any spelling', () => {
    for (const value of [
      'no-store, max-age=9',
      'max-age=9, NO-STORE',
      'max-age=9,,no-store,',
      'max-age=9, no-store=1',
      'max-age=9, no-store="x"',
      'max-age=9, no-store;',
      'max-age=9\nCache-Control: no-store',
      'max-age=9, a="b, no-store',
      'max-age=9, a="b\nCache-Control: c="no-store, no-store',
    ]) {
      expect(stored(`Cache-Control: ${value}`), value).to.equal(false);
    }
    for (const value of [
      'max-age=9, a="no-store"',
      'max-age=9, a="b, no-store, c"',
      'max-age=9, a="\\", no-store, \\""',
      'max-age=9, no-storee, xno-store, foo=no-store',
    ]) {
      expect(stored(`Cache-Control: ${value}`), value).to.equal(true);
    }
    expect(stored('Cache-Control: max-age=9\nPragma: no-cache, no-store')).to.equal(true);
  });

  it('not when the request says no-store', () => {
    const headers = 'Cache-Control: max-age=9, public';
    expect(stored(headers, { request: 'Cache-Control: max-age=0\nCache-Control: No-Store' })).to.equal(false);
    expect(stored(headers, { request: 'Cache-Control: no-cache' })).to.equal(true);
    expect(stored(headers, { request: 'Pragma: no-store' })).to.equal(true);
  });

  it('with must-understand only a status that is understood, and then in spite of no-store', () => {
    const headers = 'Cache-Control: must-understand, no-store, max-age=9';
    expect(stored(headers)).to.equal(true);
    expect(stored(headers, { status: 404 })).to.equal(true);
    expect(stored(headers, { status: 299 })).to.equal(false);
    expect(stored('Cache-Control: must-understand, max-age=9', { status: 599 })).to.equal(false);
    expect(stored('Cache-Control: must-understand;, no-store, max-age=9')).to.equal(false);
    expect(stored('Cache-Control: must-understand, no-store, max-age=9, private')).to.equal(false);
  });

  it('not what is private, but the rest of what has private fields', () => {
    for (const value of [
      'private',
      'Private',
      'public, private',
      'private=',
      'private=""',
      'private="a b"',
      'private="content-encoding"',
      'private="x", private',
    ]) {
      expect(stored(`Cache-Control: max-age=9, ${value}`), value).to.equal(false);
    }
    expect(stored('Cache-Control: max-age=9, private="x-a, X-B"')).to.equal(true);
    expect(stored('Cache-Control: max-age=9, private=x-a')).to.equal(true);
  });

  it('what answered credentials only by must-revalidate, public or s-maxage', () => {
    const request = 'authorization: Basic eA==';
    for (const [value, expected] of [
      ['max-age=9', false],
      ['max-age=9, proxy-revalidate', false],
      ['max-age=9, a="public"', false],
      ['max-age=9, must-revalidate', true],
      ['max-age=9, public', true],
      ['s-maxage=9', true],
      ['s-maxage=9, private', false],
    ] as const) {
      expect(stored(`Cache-Control: ${value}`, { request }), value).to.equal(expected);
    }
  });

  it('what sets a cookie only when it is public, has s-maxage or names the cookie', () => {
    for (const [value, expected] of [
      ['max-age=9', false],
      ['max-age=9, must-revalidate', false],
      ['max-age=9, public', true],
      ['s-maxage=9', true],
      ['max-age=9, private="set-cookie"', true],
      ['max-age=9, no-cache="Set-Cookie"', true],
    ] as const) {
      expect(stored(`Cache-Control: ${value}\nSet-Cookie: s=1`), value).to.equal(expected);
    }
    expect(stored(`Set-Cookie: s=1\nExpires: ${at(9)}`)).to.equal(false);
  });

  it('by the targeted field when there is one', () => {
    const targets = ['isp-cache-control'];
    const headers = 'Cache-Control: no-store\nISP-Cache-Control: max-age=9';
    expect(stored(headers)).to.equal(false);
    expect(stored(headers, { targets })).to.equal(true);
    expect(stored(`Expires: ${at(9)}\nISP-Cache-Control: no-store`, { targets })).to.equal(false);
    const request = 'Authorization: Basic eA==';
    expect(stored('ISP-Cache-Control: max-age=9', { targets, request })).to.equal(false);
    expect(stored('ISP-Cache-Control: max-age=9, public', { targets, request })).to.equal(true);
  });
});

describe('the fields stored with a response', () => {
  it('are all but those of the proxy, unknown ones included', () => {
    const headers = lines(`X-New: 1\nProxy-Authenticate: Basic\nDate: ${NOW}\nx-new: 2
      Proxy-Authentication-Info: a\nPROXY-AUTHORIZATION: b`);
    expect(storedHeaders(headers)).to.deep.equal(lines(`X-New: 1\nDate: ${NOW}\nx-new: 2`));
  });

  it('are not those that private or no-cache names', () => {
    const control = 'Cache-Control: private="X-A, x-b", no-cache="x-c", private=x-d';
    const headers = lines(`${control}\nx-a: 1\nX-B: 2\nX-C: 3\nX-D: 4\nX-E: 5`);
    expect(storedHeaders(headers)).to.deep.equal(lines(`${control}\nX-E: 5`));
    const targeted = ['Cache-Control', 'public', 'ISP', 'private="x-a"', 'X-A', '1', 'X-B', '2'];
    expect(storedHeaders(targeted, ['isp'])).to.not.include('X-A');
  });

  it('are without a cookie unless the response is for everybody', () => {
    const headers = (control: string) => lines(`Cache-Control: ${control}\nSet-Cookie: s=1`);
    expect(storedHeaders(headers('max-age=9'))).to.not.include('Set-Cookie');
    expect(storedHeaders(headers('max-age=9, public'))).to.include('Set-Cookie');
    expect(storedHeaders(headers('s-maxage=9'))).to.include('Set-Cookie');
  });
});
