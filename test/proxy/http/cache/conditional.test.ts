import { expect } from 'chai';
import {
  hasOwnPreconditions,
  isNotModified,
  notModifiedHeaders,
  validationHeaders,
} from '../../../../proxy/http/cache/conditional.ts';
import { at, lines, NOW, response } from './responses.ts';

function notModified(request: string, stored: string, status = 200): boolean {
  return isNotModified(lines(request), response(stored, status));
}

describe('validating a stored response', () => {
  it('sends its entity tag and its Last-Modified as they are', () => {
    const modified = 'Sunday, 06-Nov-94 08:49:37 GMT';
    expect(validationHeaders(response(`ETag: W/"a"\nLast-Modified: ${modified}`))).to.deep.equal(
      lines(`If-None-Match: W/"a"\nIf-Modified-Since: ${modified}`),
    );
    expect(validationHeaders(response('etag: abc'))).to.deep.equal(lines('If-None-Match: abc'));
    expect(validationHeaders(response(`Last-Modified: ${NOW}`))).to.have.length(2);
  });

  it('sends nothing without a validator', () => {
    expect(validationHeaders(response(`Date: ${NOW}`))).to.deep.equal([]);
    expect(validationHeaders(response('Last-Modified: long ago'))).to.deep.equal([]);
  });

  it('sends nothing for an answer an origin would not make a 304 of', () => {
    for (const status of [301, 404, 410, 503]) {
      expect(validationHeaders(response('ETag: "a"', status)), String(status)).to.deep.equal([]);
    }
    expect(validationHeaders(response('ETag: "a"', 203))).to.have.length(2);
  });
});

describe('a conditional request', () => {
  it('is found in one look', () => {
    const none = hasOwnPreconditions(lines('Accept: a\nIf: b\nRanges: c'));
    expect(Object.values(none)).to.not.include(true);
    expect(hasOwnPreconditions([])).to.equal(none);
    for (const [name, key] of [
      ['if-match', 'ifMatch'],
      ['IF-NONE-MATCH', 'ifNoneMatch'],
      ['If-Modified-Since', 'ifModifiedSince'],
      ['If-Unmodified-Since', 'ifUnmodifiedSince'],
      ['If-Range', 'ifRange'],
      ['RaNGe', 'range'],
    ] as const) {
      expect(hasOwnPreconditions(['A', 'b', name, 'x'])).to.deep.equal({ ...none, [key]: true });
    }
  });

  it('compares entity tags weakly', () => {
    for (const [wanted, stored, expected] of [
      ['"a"', '"a"', true],
      ['W/"a"', '"a"', true],
      ['"a"', 'W/"a"', true],
      ['W/"a"', 'W/"a"', true],
      ['"b"', '"a"', false],
      ['"A"', '"a"', false],
      ['"b", W/"a"', '"a"', true],
      ['"b","a"', '"a"', true],
      [',, "a",', '"a"', true],
      ['"b"\nIf-None-Match: "a"', '"a"', true],
      ['"x, \'a\'", "y"', '"a"', false],
      ['"a,b"', '"a,b"', true],
      ['"a,b"', '"b"', false],
      ['""', '""', true],
      ['*', '"a"', true],
      ['a', '"a"', false],
      ['a', 'a', true],
      ['w/"a"', '"b"', false],
      ['', '"a"', false],
    ] as const) {
      expect(notModified(`If-None-Match: ${wanted}`, `ETag: ${stored}`), wanted).to.equal(expected);
    }
    expect(notModified('If-None-Match: *', '')).to.equal(true);
    expect(notModified('If-None-Match: "a"', '')).to.equal(false);
  });

  it('gives If-None-Match precedence over If-Modified-Since', () => {
    const stored = `ETag: "a"\nLast-Modified: ${at(-10)}`;
    expect(notModified(`If-None-Match: "b"\nIf-Modified-Since: ${NOW}`, stored)).to.equal(false);
    expect(notModified(`If-None-Match: "a"\nIf-Modified-Since: ${at(-99)}`, stored)).to.equal(true);
    expect(notModified(`If-None-Match: "b"\nIf-Modified-Since: ${NOW}`, `Date: ${NOW}`)).to.equal(false);
  });

  it('compares If-Modified-Since with Last-Modified, else Date, else the time of reception', () => {
    for (const [since, stored, expected] of [
      [at(-10), `Last-Modified: ${at(-10)}`, true],
      [at(-9), `Last-Modified: ${at(-10)}`, true],
      [at(-11), `Last-Modified: ${at(-10)}`, false],
      [at(100), `Last-Modified: ${at(-10)}`, true],
      ['Friday, 20-Nov-26 12:00:00 GMT', `Last-Modified: ${at(-10)}`, true],
      [at(-5), `Date: ${at(-5)}`, true],
      [at(-6), `Date: ${at(-5)}\nLast-Modified: long ago`, false],
      [NOW, '', true],
      [at(-1), '', false],
      ['0', `Last-Modified: ${at(-10)}`, false],
      [`${NOW}, ${NOW}`, `Last-Modified: ${at(-10)}`, false],
      [`${NOW}\nIf-Modified-Since: ${NOW}`, `Last-Modified: ${at(-10)}`, false],
    ] as const) {
      expect(notModified(`If-Modified-Since: ${since}`, stored), `${since} | ${stored}`).to.equal(expected);
    }
  });

  it('is answered with 304 only where the stored response is a 200', () => {
    for (const status of [204, 206, 301, 404]) {
      expect(notModified('If-None-Match: "a"', 'ETag: "a"', status), String(status)).to.equal(false);
    }
  });

  it('leaves If-Match and If-Unmodified-Since to the origin', () => {
    expect(notModified('If-Match: "a"', 'ETag: "a"')).to.equal(false);
    expect(notModified(`If-Unmodified-Since: ${NOW}`, `Last-Modified: ${NOW}`)).to.equal(false);
  });
});

describe('the headers of a 304', () => {
  it('are those a cache can use, Last-Modified only without an entity tag', () => {
    const kept = `Cache-Control: max-age=9\nContent-Location: /a\nDate: ${NOW}\nETag: "a"\nEXPIRES: 0
      Vary: A\nAge: 1`;
    const headers = lines(`Content-Type: a\nContent-Length: 9\n${kept}\nLast-Modified: ${NOW}\nX-A: 1`);
    expect(notModifiedHeaders(headers)).to.deep.equal(lines(kept));
    const untagged = lines(`Last-Modified: ${NOW}\nContent-Encoding: gzip`);
    expect(notModifiedHeaders(untagged)).to.deep.equal(lines(`Last-Modified: ${NOW}`));
  });
});
