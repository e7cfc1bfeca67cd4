import { expect } from 'chai';
import { currentAgeMs, judge } from '../../../../proxy/http/cache/judge.ts';
import { servedHeaders } from '../../../../proxy/http/cache/served.ts';
import { at, lines, NOW, NOW_MS, response } from './responses.ts';

const DAY_S = 86_400;

function lifetime(headers: string, status = 200): number {
  return judge(response(headers, status)).freshnessLifetimeMs / 1000;
}

function control(value: string): number {
  return lifetime(`Cache-Control: ${value}`);
}

function initialAge(headers: string, delayMs = 0): number {
  return judge({ ...response(headers), requestMs: NOW_MS - delayMs }).initialAgeMs / 1000;
}

describe('the freshness lifetime', () => {
  it('is s-maxage, else max-age, else Expires', () => {
    const expires = `Expires: ${at(30)}\nDate: ${NOW}`;
    expect(lifetime(`Cache-Control: max-age=20, s-maxage=10\n${expires}`)).to.equal(10);
    expect(lifetime(`Cache-Control: max-age=20\n${expires}`)).to.equal(20);
    expect(lifetime(`Cache-Control: foo=20\n${expires}`)).to.equal(30);
    expect(lifetime(`Cache-Control: s-maxage=x, max-age=20\n${expires}`)).to.equal(0);
    expect(lifetime(`Cache-Control: max-age=x\n${expires}`)).to.equal(0);
  });

  for (const [value, seconds] of [
    ['max-age=60', 60],
    ['MAX-AGE=60', 60],
    ['Max-Age="60"', 60],
    ['max-age="6\\0"', 60],
    ['max-age=0060', 60],
    ['  ,, max-age=60 ,,', 60],
    ['max-age=60,', 60],
    ['foo, bar=1, baz="2", max-age=60', 60],
    ['max-age=60, foo="max-age=1, max-age=2"', 60],
    ['foo="max-age=1", max-age=60', 60],
    ['foo="\\", max-age=1, \\"", max-age=60', 60],
    ["foo='max-age=60'", 0],
    ['max-age=60, max-age=60', 60],
    ['max-age=60, max-age=1', 60],
    ['max-age=1, max-age=60', 1],
    ['max-age=60\nCache-Control: max-age=1', 60],
    ['max-age=1\nCache-Control: max-age=60', 1],
    ['max-age=x, max-age=60', 0],
    ['max-age=60, a="b', 60],
    ['a="b, max-age=60', 0],
    ['max-age=2147483648', 2 ** 31],
    ['max-age=2147483649', 2 ** 31],
    ['max-age=99999999999999999999999', 2 ** 31],
    ['max-age=0', 0],
    ['max-age=-1', 0],
    ['max-age=+60', 0],
    ['max-age=60.5', 0],
    ['max-age=0.5', 0],
    ['max-age=60a', 0],
    ['max-age=a60', 0],
    ['max-age=6e1', 0],
    ['max-age=0x60', 0],
    ["max-age='60'", 0],
    ['max-age=" 60"', 0],
    ['max-age="60', 0],
    ['max-age=60"', 0],
    ['max-age =60', 0],
    ['max-age= 60', 0],
    ['max-age = 60', 0],
    ['max-age=', 0],
    ['max-age=""', 0],
    ['max-age', 0],
    ['max-age:60', 0],
    ['max-age=60;foo', 0],
    ['max-age=60 foo', 0],
    ['max-age=6 0', 0],
    ['max_age=60', 0],
    ['xmax-age=60', 0],
  ] as const) {
    it(`of ${JSON.stringify(value)} is ${seconds} s`, () => {
      expect(control(value)).to.equal(seconds);
    });
  }

  it('takes s-maxage in the same spellings', () => {
    expect(control('S-MaxAge="60"')).to.equal(60);
    expect(control('s-maxage=60.0, max-age=9')).to.equal(0);
  });

  for (const [name, headers, seconds] of [
    ['in the future', `Expires: ${at(60)}\nDate: ${NOW}`, 60],
    ['counted from Date, whatever our clock says', `Expires: ${at(160)}\nDate: ${at(100)}`, 60],
    ['in our past, after a Date in our past', `Expires: ${at(-50)}\nDate: ${at(-100)}`, 50],
    ['counted from reception without Date', `Expires: ${at(60)}`, 60],
    ['counted from reception with a Date that is none', `Expires: ${at(60)}\nDate: today`, 60],
    ['equal to Date', `Expires: ${NOW}\nDate: ${NOW}`, 0],
    ['before Date', `Expires: ${at(10)}\nDate: ${at(20)}`, 0],
    ['as RFC 850', `Expires: Friday, 20-Nov-26 12:01:00 GMT\nDate: ${NOW}`, 60],
    ['as asctime', `Expires: Fri Nov 20 12:01:00 2026\nDate: ${NOW}`, 60],
    ['in odd case', 'Expires: fri, 20 NOV 2026 12:01:00 gmt', 60],
    ['0', `Expires: 0\nLast-Modified: ${at(-1000)}`, 0],
    ['-1', 'Expires: -1', 0],
    ['a delay', 'Expires: 3600', 0],
    ['empty', `Expires:\nLast-Modified: ${at(-1000)}`, 0],
    ['of another zone', 'Expires: Fri, 20 Nov 2026 12:01:00 UTC', 0],
    ['of an offset', 'Expires: Fri, 20 Nov 2026 12:01:00 +0000', 0],
    ['twice, the first counting', `Expires: ${at(60)}\nExpires: ${at(10)}\nDate: ${NOW}`, 60],
    ['twice on one line', `Expires: ${at(60)}, ${at(60)}\nDate: ${NOW}`, 0],
    ['after two Dates, the first counting', `Expires: ${at(60)}\nDate: ${NOW}\nDate: ${at(50)}`, 60],
  ] as const) {
    it(`of an Expires ${name}`, () => {
      expect(lifetime(headers)).to.equal(seconds);
    });
  }

  it('without explicit freshness is a tenth of the time since Last-Modified, a week at most', () => {
    expect(lifetime(`Last-Modified: ${at(-1000)}\nDate: ${NOW}`)).to.equal(100);
    expect(lifetime(`Last-Modified: ${at(-1000)}`)).to.equal(100);
    expect(lifetime(`Last-Modified: ${at(-900)}\nDate: ${at(100)}`)).to.equal(100);
    expect(lifetime(`Last-Modified: ${at(-1000 * DAY_S)}\nDate: ${NOW}`)).to.equal(7 * DAY_S);
    expect(lifetime(`Last-Modified: ${at(10)}\nDate: ${NOW}`)).to.equal(0);
    expect(lifetime('Last-Modified: long ago')).to.equal(0);
    expect(lifetime('ETag: "a"')).to.equal(0);
  });

  it('is heuristic only for the statuses made for it and for what is public', () => {
    const modified = `Last-Modified: ${at(-1000)}\nDate: ${NOW}`;
    for (const status of [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501]) {
      expect(lifetime(modified, status), String(status)).to.equal(100);
    }
    for (const status of [201, 202, 302, 303, 307, 403, 429, 500, 503, 599]) {
      expect(lifetime(modified, status), String(status)).to.equal(0);
      expect(lifetime(`${modified}\nCache-Control: public`, status), String(status)).to.equal(100);
    }
  });

  it('is never heuristic beside explicit freshness that cannot be read', () => {
    for (const explicit of ['Expires: 0', 'Cache-Control: max-age=x', 'Cache-Control: s-maxage']) {
      expect(lifetime(`Last-Modified: ${at(-1000)}\n${explicit}`), explicit).to.equal(0);
    }
  });

  it('is that of the first valid targeted field, and then of nothing else', () => {
    const headers = `Cache-Control: max-age=1, s-maxage=2\nExpires: ${at(3)}\nA: max-age=10\nB: max-age=20`;
    const of = (text: string) => judge(response(text), ['a', 'b']).freshnessLifetimeMs / 1000;
    expect(lifetime(headers)).to.equal(2);
    expect(of(headers)).to.equal(10);
    expect(of(headers.replace('A: max-age=10', 'A: max-age=10,'))).to.equal(20);
    expect(of(headers.replace('A: max-age=10', 'A:'))).to.equal(20);
    expect(of(headers.replace('A: max-age=10', 'A: foo'))).to.equal(0);
    expect(of(headers.replace('A: max-age=10', 'A: max-age="10"'))).to.equal(0);
  });
});

describe('the age', () => {
  for (const [value, seconds] of [
    ['100', 100],
    ['0100', 100],
    ['0, 7200', 0],
    ['7200, 0', 7200],
    ['100\nAge: 200', 100],
    [', 100', 100],
    ['99999999999999999999', 2 ** 31],
    ['-100', 0],
    ['+100', 0],
    ['100.5', 0],
    ['abc', 0],
    ['abc, 100', 0],
    ['"100"', 0],
    ['100;foo=bar', 0],
    ['100 s', 0],
    ['', 0],
  ] as const) {
    it(`starts with ${seconds} s for Age ${JSON.stringify(value)}`, () => {
      expect(initialAge(`Age: ${value}`)).to.equal(seconds);
    });
  }

  it('includes the time the response took, and the time since', () => {
    expect(initialAge('Age: 100', 2500)).to.equal(102.5);
    const judgement = judge({ ...response('Age: 100'), requestMs: NOW_MS - 2500 });
    expect(currentAgeMs(judgement, NOW_MS + 10_000)).to.equal(112_500);
  });

  it('does not shrink when our clock is set back', () => {
    expect(currentAgeMs(judge(response('Age: 100')), NOW_MS - 5000)).to.equal(100_000);
  });

  it('owes nothing to Date, unless a cache of HTTP/1.0 was on the way', () => {
    expect(initialAge(`Date: ${at(-500)}`)).to.equal(0);
    expect(initialAge(`Date: ${at(-500)}\nVia: 1.1 a, HTTP/2.0 b`)).to.equal(0);
    expect(initialAge(`Date: ${at(-500)}\nVia: 1.1 a\nVia: 1.0 b`)).to.equal(500);
    expect(initialAge(`Date: ${at(-500)}\nVia: HTTP/1.0 b`)).to.equal(500);
    expect(initialAge(`Date: ${at(500)}\nVia: 1.0 b`)).to.equal(0);
    expect(initialAge(`Date: ${at(-500)}\nAge: 600\nVia: 1.0 b`)).to.equal(600);
  });
});

describe('what a response says about its reuse', () => {
  it('when it was sent: Date, or else the time of reception', () => {
    expect(judge(response(`Date: ${at(-5)}`)).sentMs).to.equal(NOW_MS - 5000);
    expect(judge(response('Date: x')).sentMs).to.equal(NOW_MS);
  });

  it('no-cache: always validated, unless it names fields', () => {
    for (const [value, expected] of [
      ['no-cache', true],
      ['max-age=9, NO-CACHE', true],
      ['no-cache=""', true],
      ['no-cache=', true],
      ['no-cache="a b"', true],
      ['no-cache="a', true],
      ['no-cache="a", no-cache', true],
      ['no-cache="content-encoding"', true],
      ['no-cache="a, b"', false],
      ['no-cache=a', false],
      ['a="no-cache"', false],
      ['no-cached', false],
    ] as const) {
      expect(judge(response(`Cache-Control: ${value}`)).isAlwaysValidated, value).to.equal(expected);
    }
    expect(judge(response('Pragma: no-cache')).isAlwaysValidated).to.equal(false);
  });

  it('must-revalidate, proxy-revalidate and s-maxage: never stale', () => {
    for (const [value, expected] of [
      ['must-revalidate', true],
      ['max-age=9, Proxy-Revalidate', true],
      ['s-maxage=9', true],
      ['must-revalidate=1', true],
      ['max-age=9, a="must-revalidate"', false],
    ] as const) {
      expect(judge(response(`Cache-Control: ${value}`)).isNeverStale, value).to.equal(expected);
    }
  });

  it('windows in which it may be used stale', () => {
    const { staleWhileRevalidateMs, staleIfErrorMs } = judge(
      response('Cache-Control: stale-while-revalidate=10, Stale-If-Error="20"'),
    );
    expect([staleWhileRevalidateMs, staleIfErrorMs]).to.deep.equal([10_000, 20_000]);
    for (const value of ['', 'stale-while-revalidate', 'stale-while-revalidate=x, stale-if-error=-1']) {
      const none = judge(response(`Cache-Control: ${value}`));
      expect([none.staleWhileRevalidateMs, none.staleIfErrorMs], value).to.deep.equal([-1, -1]);
    }
  });

  it('in a targeted field, of the types a dictionary has', () => {
    const of = (value: string) => judge(response(`T: ${value}`), ['t']);
    expect(of('no-cache').isAlwaysValidated).to.equal(true);
    expect(of('no-cache=?0').isAlwaysValidated).to.equal(false);
    expect(of('no-cache=?1').isAlwaysValidated).to.equal(true);
    expect(of('no-cache="a, b"').isAlwaysValidated).to.equal(false);
    expect(of('max-age=60;a=1;b="x", x=(a 1 "c";d);e, y=:aGk=:, z=1.5').freshnessLifetimeMs).to.equal(60_000);
    expect(of('max-age=1, max-age=60').freshnessLifetimeMs).to.equal(60_000);
    for (const malformed of ['Max-Age=60', 'max-age=60 a', 'max-age=60,,a', 'max-age=6é', 'max-age=1.2345']) {
      const fallen = judge(response(`T: ${malformed}\nCache-Control: max-age=7`), ['t']);
      expect(fallen.freshnessLifetimeMs, malformed).to.equal(7000);
    }
  });
});

describe('the headers served from the cache', () => {
  it('have the current age in whole seconds, in place of the one received', () => {
    const judgement = judge(response(`Date: ${NOW}\nAge: 10\nX-A: 1\nage: 20`));
    expect(servedHeaders(judgement, NOW_MS + 1999)).to.deep.equal(lines(`Date: ${NOW}\nX-A: 1\nAge: 11`));
    expect(servedHeaders(judgement, NOW_MS + 2000)).to.deep.equal(lines(`Date: ${NOW}\nX-A: 1\nAge: 12`));
  });

  it('have the time of reception where Date is missing or none', () => {
    expect(servedHeaders(judge(response('X-A: 1')), NOW_MS)).to.deep.equal(
      lines(`X-A: 1\nDate: ${NOW}\nAge: 0`),
    );
    expect(servedHeaders(judge(response('Date: x')), NOW_MS)).to.deep.equal(lines(`Date: ${NOW}\nAge: 0`));
  });

  it('are without what no-cache or private names, and without cookies of another', () => {
    const control = 'Cache-Control: no-cache="x-a", private="x-b"';
    const judgement = judge(response(`${control}\nX-A: 1\nX-B: 2\nSet-Cookie: s=1\nDate: ${NOW}`));
    expect(servedHeaders(judgement, NOW_MS)).to.deep.equal(lines(`${control}\nDate: ${NOW}\nAge: 0`));
  });
});
