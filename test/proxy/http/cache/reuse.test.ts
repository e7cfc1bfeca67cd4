import { expect } from 'chai';
import { judge } from '../../../../proxy/http/cache/judge.ts';
import {
  decideReuse,
  mayServeOnError,
  type Reuse,
  requestDirectives,
} from '../../../../proxy/http/cache/reuse.ts';
import { lines, NOW_MS, response } from './responses.ts';

/** What is done with a response of this Cache-Control when it is so many seconds old. */
function reuse(control: string, ageS: number, request = ''): Reuse {
  const judgement = judge(response(`Cache-Control: ${control}`));
  return decideReuse(requestDirectives(lines(request)), judgement, NOW_MS + ageS * 1000);
}

function onError(control: string, ageS: number, cause: 'disconnected' | 'error', request = ''): boolean {
  const judgement = judge(response(`Cache-Control: ${control}`));
  return mayServeOnError(requestDirectives(lines(request)), judgement, NOW_MS + ageS * 1000, cause);
}

function cases(table: readonly (readonly [control: string, ageS: number, request: string, Reuse])[]): void {
  for (const [control, ageS, request, expected] of table) {
    expect(reuse(control, ageS, request), `${control} | ${ageS} | ${request}`).to.equal(expected);
  }
}

describe('reuse', () => {
  it('while the lifetime is greater than the age', () => {
    cases([
      ['max-age=60', 0, '', 'fresh'],
      ['max-age=60', 59.999, '', 'fresh'],
      ['max-age=60', 60, '', 'validate'],
      ['max-age=0', 0, '', 'validate'],
      ['foo', 0, '', 'validate'],
      ['s-maxage=10, max-age=60', 11, '', 'validate'],
      ['s-maxage=60, max-age=10', 11, '', 'fresh'],
      ['max-age=60, must-revalidate', 59, '', 'fresh'],
    ]);
  });

  it('never of no-cache without validation', () => {
    cases([
      ['no-cache, max-age=60', 0, '', 'validate'],
      ['no-cache, max-age=60, stale-while-revalidate=60', 61, 'Cache-Control: max-stale', 'validate'],
      ['no-cache="x", max-age=60', 0, '', 'fresh'],
    ]);
  });

  it('not for a request that says no-cache, or Pragma alone', () => {
    cases([
      ['max-age=60', 0, 'Cache-Control: no-cache', 'validate'],
      ['max-age=60', 0, 'cache-control: a="b", NO-CACHE', 'validate'],
      ['max-age=60, immutable', 0, 'Cache-Control: no-cache', 'validate'],
      ['max-age=60', 0, 'Pragma: no-cache', 'validate'],
      ['max-age=60', 0, 'Pragma: foo, No-Cache', 'validate'],
      ['max-age=60', 0, 'Pragma: foo', 'fresh'],
      ['max-age=60', 0, 'Pragma: no-cache\nCache-Control: max-age=100', 'fresh'],
      ['max-age=60', 0, 'Cache-Control: foo\nPragma: no-cache', 'fresh'],
      ['max-age=60', 0, 'Cache-Control: a="no-cache"', 'fresh'],
      ['max-age=60', 0, 'Cache-Control: no-store', 'fresh'],
      ['max-age=60', 0, 'Cache-Control: only-if-cached', 'fresh'],
    ]);
  });

  it('up to the max-age of the request', () => {
    cases([
      ['max-age=60', 10, 'Cache-Control: max-age=10', 'fresh'],
      ['max-age=60', 10.001, 'Cache-Control: max-age=10', 'validate'],
      ['max-age=60', 0.001, 'Cache-Control: max-age=0', 'validate'],
      ['max-age=60', 61, 'Cache-Control: max-age=100', 'validate'],
      ['max-age=60', 10, 'Cache-Control: max-age="5"', 'validate'],
      ['max-age=60', 10, 'Cache-Control: max-age=x', 'fresh'],
      ['max-age=60', 61, 'Cache-Control: max-age=5, max-stale=10', 'validate'],
      ['max-age=60', 61, 'Cache-Control: max-age=100, max-stale=10', 'fresh'],
    ]);
  });

  it('of what is immutable and fresh whatever max-age the request has', () => {
    cases([
      ['max-age=60, immutable', 10, 'Cache-Control: max-age=0', 'fresh'],
      ['max-age=60, immutable', 60, 'Cache-Control: max-age=0', 'validate'],
      ['max-age=60, immutable', 61, '', 'validate'],
    ]);
  });

  it('while min-fresh of the request is left', () => {
    cases([
      ['max-age=60', 50, 'Cache-Control: min-fresh=10', 'fresh'],
      ['max-age=60', 50.001, 'Cache-Control: min-fresh=10', 'validate'],
      ['max-age=60', 50, 'Cache-Control: min-fresh=100', 'validate'],
      ['max-age=60', 50, 'Cache-Control: min-fresh=x', 'fresh'],
      ['max-age=60, stale-while-revalidate=60', 70, 'Cache-Control: min-fresh=1', 'validate'],
      ['max-age=60', 50, 'Cache-Control: min-fresh=100, max-stale', 'validate'],
    ]);
  });

  it('within max-stale of the request, unless it must be validated', () => {
    cases([
      ['max-age=60', 70, 'Cache-Control: max-stale=10', 'fresh'],
      ['max-age=60', 70.001, 'Cache-Control: max-stale=10', 'validate'],
      ['max-age=60', 1e6, 'Cache-Control: max-stale', 'fresh'],
      ['max-age=60', 70, 'Cache-Control: max-stale=x', 'validate'],
      ['max-age=60', 70, 'Cache-Control: max-stale=', 'validate'],
      ['max-age=60, must-revalidate', 70, 'Cache-Control: max-stale', 'validate'],
      ['max-age=60, proxy-revalidate', 70, 'Cache-Control: max-stale', 'validate'],
      ['s-maxage=60', 70, 'Cache-Control: max-stale', 'validate'],
    ]);
  });

  it('within stale-while-revalidate, and then it is revalidated beside', () => {
    cases([
      ['max-age=60, stale-while-revalidate=10', 59, '', 'fresh'],
      ['max-age=60, stale-while-revalidate=10', 70, '', 'stale-while-revalidate'],
      ['max-age=60, stale-while-revalidate=10', 70.001, '', 'validate'],
      ['max-age=60, stale-while-revalidate=10, must-revalidate', 61, '', 'validate'],
      ['max-age=60, stale-while-revalidate=10, proxy-revalidate', 61, '', 'validate'],
      ['s-maxage=60, stale-while-revalidate=10', 61, '', 'validate'],
      ['max-age=60, stale-while-revalidate=10', 61, 'Cache-Control: max-age=100', 'validate'],
      [
        'max-age=60, stale-while-revalidate=10',
        61,
        'Cache-Control: max-age=99, max-stale=0',
        'stale-while-revalidate',
      ],
      ['max-age=60, stale-while-revalidate=10', 61, 'Cache-Control: max-stale', 'stale-while-revalidate'],
      ['max-age=60, stale-while-revalidate=10', 80, 'Cache-Control: max-stale', 'fresh'],
    ]);
  });

  it('costs a request without directives nothing', () => {
    const plain = requestDirectives(lines('Accept: a\nX-Thirteen-Ch: b\nCookie: c'));
    expect(requestDirectives([])).to.equal(plain);
    expect(plain).to.deep.include({ isNoStore: false, isOnlyIfCached: false });
    const all = requestDirectives(lines('Cache-Control: no-store\nCACHE-CONTROL: only-if-cached'));
    expect(all).to.deep.include({ isNoStore: true, isOnlyIfCached: true });
  });
});

describe('reuse when the origin fails', () => {
  it('is permitted by stale-if-error of the response or the request', () => {
    for (const cause of ['error', 'disconnected'] as const) {
      expect(onError('max-age=60, stale-if-error=10', 70, cause)).to.equal(true);
      expect(onError('max-age=60', 70, cause, 'Cache-Control: stale-if-error=10')).to.equal(true);
      expect(onError('max-age=60', 70, cause, 'Cache-Control: max-stale=10')).to.equal(true);
    }
    expect(onError('max-age=60', 70, 'error')).to.equal(false);
    expect(onError('max-age=60, stale-if-error=10', 71, 'error')).to.equal(false);
    expect(onError('max-age=60', 71, 'error', 'Cache-Control: stale-if-error=10')).to.equal(false);
  });

  it('is permitted at any age when no origin can be reached', () => {
    expect(onError('max-age=60', 1e6, 'disconnected')).to.equal(true);
    expect(onError('max-age=60, stale-if-error=10', 1e6, 'disconnected')).to.equal(true);
    expect(onError('max-age=60', 70, 'disconnected', 'Cache-Control: max-age=100')).to.equal(false);
  });

  it('never where validation is demanded', () => {
    const directives = ['must-revalidate', 'proxy-revalidate', 's-maxage=60', 'no-cache'];
    for (const directive of directives) {
      const control = `max-age=60, stale-if-error=100, ${directive}`;
      for (const cause of ['error', 'disconnected'] as const) {
        expect(onError(control, 70, cause, 'Cache-Control: max-stale'), control).to.equal(false);
      }
    }
    expect(onError('max-age=60, no-cache', 10, 'disconnected')).to.equal(false);
    expect(onError('max-age=60', 10, 'disconnected', 'Cache-Control: no-cache')).to.equal(false);
    expect(onError('max-age=60, must-revalidate', 59, 'error')).to.equal(true);
    expect(onError('max-age=60, must-revalidate', 60, 'error')).to.equal(false);
  });
});
