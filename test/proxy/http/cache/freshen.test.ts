import { expect } from 'chai';
import { agreesWith304, freshen, headAgrees } from '../../../../proxy/http/cache/freshen.ts';
import { currentAgeMs, judge } from '../../../../proxy/http/cache/judge.ts';
import type { CacheableResponse } from '../../../../proxy/http/cache/response.ts';
import { isStorable, storedHeaders } from '../../../../proxy/http/cache/storable.ts';
import { at, lines, NOW_MS, response } from './responses.ts';

const LATER_MS = NOW_MS + 100_000;

function later(headers: string, status = 304): CacheableResponse {
  return { status, headers: lines(headers), requestMs: LATER_MS - 1000, responseMs: LATER_MS };
}

function merged(stored: string, answer: string): readonly string[] {
  return freshen(response(stored), later(`${answer}\nDate: ${at(100)}`)).headers;
}

describe('freshening with a 304', () => {
  it('replaces every field the answer has, and keeps the others', () => {
    const stored = `A: 1\nB: 2\nb: 3\nCache-Control: max-age=1\nDate: ${at(0)}\nContent-Type: a/b`;
    const answer = 'B: 4\nX-New: 5\nX-New: 6\ncache-control: max-age=2\nContent-Type: c/d';
    expect(merged(stored, answer)).to.deep.equal([...lines('A: 1'), ...lines(answer), 'Date', at(100)]);
  });

  it('leaves what describes the stored bytes', () => {
    const bytes = 'Content-Encoding: gzip\nContent-Length: 9\nContent-Range: bytes 0-8/9';
    const headers = merged(
      bytes,
      'content-encoding: br\nContent-Length: 0\nContent-Range: bytes 0-0/1\nTransfer-Encoding: chunked',
    );
    expect(headers).to.deep.equal([...lines(bytes), 'Date', at(100)]);
  });

  it('starts a new age, with the times of the answer and without the old Age', () => {
    const fresh = freshen(response(`Age: 500\nDate: ${at(-500)}`), later(''));
    expect(fresh).to.deep.include({ status: 200, requestMs: LATER_MS - 1000, responseMs: LATER_MS });
    expect(fresh.headers).to.deep.equal(['Date', at(100)]);
    expect(currentAgeMs(judge(fresh), LATER_MS)).to.equal(1000);
    expect(freshen(response('Age: 500'), later('Age: 7')).headers).to.include.members(['Age', '7']);
  });

  it('has the Date of the answer, or the time it came', () => {
    const stored = response(`Date: ${at(0)}`);
    expect(freshen(stored, later(`Date: ${at(99)}`)).headers).to.deep.equal(['Date', at(99)]);
    expect(freshen(stored, later('Date: never')).headers).to.deep.equal(['Date', at(100)]);
  });

  it('gives the freshness the answer states', () => {
    const fresh = freshen(response(`Expires: ${at(-5)}\nDate: ${at(-9)}`), later(`Expires: ${at(160)}`));
    expect(judge(fresh).freshnessLifetimeMs).to.equal(60_000);
  });

  it('keeps what the stored response is beside', () => {
    const fresh = freshen({ ...response('A: 1'), contentId: 'x' }, later(''));
    expect(fresh.contentId).to.equal('x');
  });

  it('keeps a cookie of the answer for its client alone', () => {
    const fresh = freshen(response('Cache-Control: max-age=9\nETag: "a"'), later('Set-Cookie: s=1'));
    expect(fresh.headers).to.include('s=1');
    expect(judge(fresh).headers).to.not.include('s=1');
    expect(storedHeaders(fresh.headers)).to.not.include('s=1');
    expect(freshen(fresh, later('')).headers).to.not.include('s=1');
    const open = freshen(response('Cache-Control: public, max-age=9'), later('Set-Cookie: s=1'));
    expect(judge(open).headers).to.include('s=1');
  });

  it('updates or removes what no-cache names, and does not take what private names', () => {
    const control = 'Cache-Control: no-cache="x-a, x-b", private="x-c"';
    const fresh = freshen(response('X-A: 1\nX-B: 2\nX-C: 3'), later(`${control}\nX-A: 4\nX-C: 5`));
    expect(fresh.headers).to.deep.equal([...lines(`${control}\nX-A: 4`), 'Date', at(100)]);
  });

  it('can end the right to store', () => {
    const fresh = freshen(response('Cache-Control: max-age=9\nETag: "a"'), later('Cache-Control: no-store'));
    const kept = { status: 200, headers: storedHeaders(fresh.headers) };
    expect(isStorable({ method: 'GET', headers: [] }, kept)).to.equal(false);
  });
});

describe('a 304 is about a stored response', () => {
  const modified = `Last-Modified: ${at(-10)}`;
  for (const [name, stored, answer, expected] of [
    ['with the same strong tag', 'ETag: "a"', 'ETag: "a"', true],
    ['not with another strong tag', 'ETag: "a"', 'ETag: "b"', false],
    ['not with a strong tag for a weak one', 'ETag: W/"a"', 'ETag: "a"', false],
    ['with a weak tag for a strong one', 'ETag: "a"', 'ETag: W/"a"', true],
    ['with the same weak tag', 'ETag: W/"a"', 'ETag: W/"a"', true],
    ['not with another weak tag', 'ETag: W/"a"', 'ETag: W/"b"', false],
    [
      'with the same tag, whatever its date',
      `ETag: "a"\n${modified}`,
      `ETag: "a"\nLast-Modified: ${at(0)}`,
      true,
    ],
    ['not with the same date alone', `ETag: "a"\n${modified}`, `ETag: "b"\n${modified}`, false],
    ['with the same malformed tag', 'ETag: a', 'ETag: a', true],
    ['with the same date', modified, modified, true],
    ['with the same date in another form', modified, 'Last-Modified: Friday, 20-Nov-26 11:59:50 GMT', true],
    ['not with another date', modified, `Last-Modified: ${at(-9)}`, false],
    ['not with a date for one that cannot be read', 'Last-Modified: x', 'Last-Modified: y', false],
    ['with the same date that cannot be read', 'Last-Modified: x', 'Last-Modified: x', true],
    ['not with a date it never had', 'ETag: "a"', modified, false],
    ['not with a tag it never had', '', 'ETag: "a"', false],
    ['with a new tag beside the same date', modified, `ETag: "a"\n${modified}`, true],
    ['without validators on either side', '', '', true],
    ['when it repeats none of the validators sent', `ETag: "a"\n${modified}`, '', true],
  ] as const) {
    it(name, () => {
      expect(agreesWith304(response(stored), lines(answer))).to.equal(expected);
    });
  }
});

describe('a HEAD agrees with a stored response', () => {
  const stored = response(`ETag: "a"\nLast-Modified: ${at(-10)}`);
  for (const [name, answer, expected] of [
    ['with all the same', `ETag: "a"\nLast-Modified: ${at(-10)}\nContent-Length: 9`, true],
    ['with what it has', 'ETag: "a"', true],
    ['with nothing to tell', '', true],
    ['not with another tag', 'ETag: "b"\nContent-Length: 9', false],
    ['not with another date', `ETag: "a"\nLast-Modified: ${at(-9)}`, false],
    ['not with another size', 'ETag: "a"\nContent-Length: 8', false],
  ] as const) {
    it(name, () => {
      expect(headAgrees(stored, 9, later(answer, 200))).to.equal(expected);
    });
  }

  it('not with a field it never had, nor with another status', () => {
    expect(headAgrees(response(''), 9, later('ETag: "a"', 200))).to.equal(false);
    expect(headAgrees(stored, 9, later('ETag: "a"', 404))).to.equal(false);
    expect(headAgrees(response('', 404), 9, later('', 200))).to.equal(false);
  });
});
