import { expect } from 'chai';
import { readHttpDate, writeHttpDate } from '../../../../proxy/http/cache/http-date.ts';
import { NOW_MS } from './responses.ts';

describe('an HTTP-date', () => {
  const time = Date.UTC(1994, 10, 6, 8, 49, 37);

  for (const [text, expected] of [
    ['Sun, 06 Nov 1994 08:49:37 GMT', time],
    ['Sunday, 06-Nov-94 08:49:37 GMT', time],
    ['Sun Nov  6 08:49:37 1994', time],
    ['Sun Nov 06 08:49:37 1994', time],
    ['sun, 06 nov 1994 08:49:37 gmt', time],
    ['SUNDAY, 06-NOV-94 08:49:37 GMT', time],
    ['Mon, 06 Nov 1994 08:49:37 GMT', time],
    ['Thu, 29 Feb 2024 00:00:00 GMT', Date.UTC(2024, 1, 29)],
    ['Sat, 31 Dec 2016 23:59:60 GMT', Date.UTC(2016, 11, 31, 23, 59, 59)],
    ['Fri, 31 Dec 9999 23:59:59 GMT', Date.UTC(9999, 11, 31, 23, 59, 59)],
    ['Friday, 20-Nov-76 12:00:00 GMT', Date.UTC(2076, 10, 20, 12)],
    ['Friday, 20-Nov-76 12:00:01 GMT', Date.UTC(1976, 10, 20, 12, 0, 1)],
    ['Friday, 20-Nov-99 12:00:00 GMT', Date.UTC(1999, 10, 20, 12)],
    ['Friday, 20-Nov-27 12:00:00 GMT', Date.UTC(2027, 10, 20, 12)],
    ['', undefined],
    ['0', undefined],
    ['-1', undefined],
    ['784111777', undefined],
    ['Sun, 06 Nov 1994 08:49:37', undefined],
    ['Sun, 06 Nov 1994 08:49:37 UTC', undefined],
    ['Sun, 06 Nov 1994 08:49:37 EST', undefined],
    ['Sun, 06 Nov 1994 08:49:37 +0000', undefined],
    ['Sun, 06 Nov 1994 08:49:37 GMT+1', undefined],
    ['Sun, 06 Nov 1994 08:49:37 GMT; a', undefined],
    ['Sun, 06 Nov 94 08:49:37 GMT', undefined],
    ['Sun, 6 Nov 1994 08:49:37 GMT', undefined],
    ['Sun, 06 Nov 1994 8:49:37 GMT', undefined],
    ['Sun, 06 Nov 1994 08:49 GMT', undefined],
    ['Sun 06 Nov 1994 08:49:37 GMT', undefined],
    ['Sun,06 Nov 1994 08:49:37 GMT', undefined],
    ['Sun, 06-Nov-1994 08:49:37 GMT', undefined],
    ['Sun, 06  Nov 1994 08:49:37 GMT', undefined],
    ['06 Nov 1994 08:49:37 GMT', undefined],
    ['Sun, 06 Nov 1994 24:00:00 GMT', undefined],
    ['Sun, 06 Nov 1994 08:60:00 GMT', undefined],
    ['Sun, 31 Nov 1994 08:49:37 GMT', undefined],
    ['Wed, 29 Feb 2023 00:00:00 GMT', undefined],
    ['Sun, 00 Nov 1994 08:49:37 GMT', undefined],
    ['Sun Nov 6 08:49:37 1994', undefined],
    ['Sun Nov  6 08:49:37 1994 GMT', undefined],
    ['1994-11-06T08:49:37Z', undefined],
  ] as const) {
    it(`${JSON.stringify(text)} ${expected === undefined ? 'is none' : 'is read'}`, () => {
      expect(readHttpDate(text, NOW_MS)).to.equal(expected);
    });
  }

  it('is written as IMF-fixdate, cut to the second', () => {
    expect(writeHttpDate(time + 999)).to.equal('Sun, 06 Nov 1994 08:49:37 GMT');
  });
});
