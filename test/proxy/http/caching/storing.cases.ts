import { A_WHILE_MS, ANYTHING, type Case, fill, hit, miss, refetches, reuses } from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';
const UNCHANGED = 'Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT';

const DIRECTIVES: readonly Case[] = [
  refetches('no-store is not stored', '9111 5.2.2.5', ['Cache-Control: no-store']),
  refetches('no-store goes before max-age', '9111 3', ['Cache-Control: no-store, max-age=3600']),
  refetches('no-store goes before public and s-maxage', '9111 3', [
    'Cache-Control: public, s-maxage=3600, no-store',
  ]),
  refetches('no-store is understood in any case', '9111 5.2', ['Cache-Control: No-StOrE, max-age=3600']),
  refetches('no-store on a second line counts', '9110 5.3', [FRESH, 'Cache-Control: no-store']),
  refetches('no-store after a quoted comma counts', '9111 5.2', [
    'Cache-Control: frob="a,b", no-store, max-age=3600',
  ]),
  refetches('no-store goes before an Expires ahead', '9111 3', [
    'Cache-Control: no-store',
    'Expires: {now+60}',
  ]),
  refetches('private is not stored', '9111 5.2.2.7', ['Cache-Control: private']),
  refetches('private goes before max-age', '9111 3', ['Cache-Control: private, max-age=3600']),
  refetches('private goes before s-maxage', '9111 3', ['Cache-Control: s-maxage=3600, private']),
  refetches('private goes before an Expires ahead', '9111 3', [
    'Cache-Control: private',
    'Expires: {now+60}',
  ]),
  refetches('private is understood in any case', '9111 5.2', ['Cache-Control: PRIVATE, max-age=3600']),
  {
    says: 'fields that private names are not given to the next one',
    rfc: '9111 5.2.2.7',
    steps: [
      fill(['Cache-Control: max-age=3600, private="x-mine"', 'X-Mine: secret', 'X-Ours: 1']),
      { from: 1, asks: 'any', body: ANYTHING, gets: { 'X-Mine': null } },
    ],
  },
  refetches('no-cache asks the origin each time', '9111 5.2.2.4', ['Cache-Control: no-cache']),
  refetches('no-cache goes before max-age', '9111 5.2.2.4', ['Cache-Control: no-cache, max-age=3600']),
  refetches('no-cache goes before s-maxage', '9111 5.2.2.4', ['Cache-Control: s-maxage=3600, no-cache']),
  refetches('no-cache goes before an Expires ahead', '9111 5.2.2.4', [
    'Cache-Control: no-cache',
    'Expires: {now+60}',
  ]),
  {
    says: 'fields that no-cache names are not sent again without asking the origin',
    rfc: '9111 5.2.2.4',
    steps: [
      fill(['Cache-Control: max-age=3600, no-cache="x-new"', 'X-New: old', 'X-Ours: 1']),
      { from: 1, asks: 'any', body: ANYTHING, gets: { 'X-New': null } },
    ],
  },
  {
    says: 'no-cache with an ETag is stored, and validated',
    rfc: '9111 5.2.2.4',
    optional: true,
    steps: [
      fill(['Cache-Control: no-cache', 'ETag: "a"']),
      {
        from: 1,
        asks: 1,
        asked: { 'If-None-Match': '"a"' },
        origin: { status: 304, headers: ['ETag: "a"', 'Cache-Control: no-cache'] },
      },
    ],
  },
  reuses(
    'must-understand lets no-store be forgotten for a known status',
    '9111 5.2.2.3',
    ['Cache-Control: must-understand, no-store, max-age=3600'],
    { optional: true },
  ),
  refetches(
    'must-understand keeps an unknown status out',
    '9111 3',
    ['Cache-Control: must-understand, max-age=3600'],
    { answer: { status: 599 } },
  ),
  reuses('public changes nothing for an answer that is fresh', '9111 5.2.2.9', [
    'Cache-Control: public, max-age=3600',
  ]),
  reuses('must-revalidate does not hinder while fresh', '9111 5.2.2.2', [
    'Cache-Control: must-revalidate, max-age=3600',
  ]),
  reuses('proxy-revalidate does not hinder while fresh', '9111 5.2.2.8', [
    'Cache-Control: proxy-revalidate, max-age=3600',
  ]),
  reuses('no-transform does not hinder', '9111 5.2.2.6', ['Cache-Control: no-transform, max-age=3600']),
  reuses('immutable does not hinder', '8246 2', ['Cache-Control: immutable, max-age=3600']),
  refetches(
    'immutable does not keep an answer past its time',
    '8246 2',
    ['Cache-Control: max-age=1, immutable'],
    {
      second: { pauseMs: A_WHILE_MS },
    },
  ),
  refetches('immutable alone gives no time', '8246 2', ['Cache-Control: immutable']),
  {
    says: 'no-store in a request keeps the answer out',
    rfc: '9111 5.2.1.5',
    steps: [fill([FRESH], { headers: ['Cache-Control: no-store'] }), miss()],
  },
  ...['private="Set-Cookie"', 'no-cache="Set-Cookie"', 'private=Set-Cookie', 'no-cache=set-cookie'].map(
    (directive): Case => ({
      says: `${directive} keeps the cookie from the next one`,
      rfc: '9111 5.2.2.7',
      steps: [
        fill([`Cache-Control: public, max-age=3600, ${directive}`, 'Set-Cookie: id=secret']),
        { from: 1, asks: 'any', body: ANYTHING, gets: { 'Set-Cookie': null } },
      ],
    }),
  ),
  refetches('Set-Cookie is not shared for max-age alone', 'Weir', [FRESH, 'Set-Cookie: id=1']),
  refetches('Set-Cookie is not shared for an Expires', 'Weir', ['Expires: {now+3600}', 'Set-Cookie: id=1']),
  refetches('Set-Cookie is not shared for a guess', 'Weir', [UNCHANGED, 'Set-Cookie: id=1']),
  reuses('Set-Cookie with public is stored', 'Weir', [
    'Cache-Control: public, max-age=60',
    'Set-Cookie: id=1',
  ]),
  reuses('Set-Cookie with s-maxage is stored', 'Weir', ['Cache-Control: s-maxage=60', 'Set-Cookie: id=1']),
];

const KNOWN = [
  200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 500, 501, 502, 503, 504,
];
const UNKNOWN = [299, 499, 599];

const STATUSES: readonly Case[] = [
  ...KNOWN.map((status) =>
    reuses(`a ${status} that states its time is reused`, '9111 3', [FRESH, 'Location: /elsewhere'], {
      answer: { status },
      second: { gets: { Location: '/elsewhere' } },
    }),
  ),
  ...UNKNOWN.map((status) =>
    reuses(`a ${status} that states its time may be reused`, '9111 3', [FRESH], {
      optional: true,
      answer: { status },
    }),
  ),
  refetches('a 302 that states no time is not reused', '9111 3', ['Location: /elsewhere'], {
    answer: { status: 302 },
  }),
  refetches('a 404 that is no-store is not stored', '9111 3', ['Cache-Control: no-store'], {
    answer: { status: 404 },
  }),
  refetches('a 404 whose time is over is asked for again', '9111 4.2', ['Cache-Control: max-age=1'], {
    answer: { status: 404 },
    second: { pauseMs: A_WHILE_MS },
  }),
  {
    says: 'a redirect is passed on, not followed',
    rfc: '9110 15.4',
    steps: [fill(['Location: /next'], { answer: { status: 301 }, asks: 1, gets: { Location: '/next' } })],
  },
  {
    says: 'the reason phrase is kept',
    rfc: '9112 4',
    optional: true,
    steps: [
      fill([FRESH], { answer: { status: 404, reason: 'Lost At Sea' } }),
      hit({ reason: 'Lost At Sea' }),
    ],
  },
];

const METHODS: readonly Case[] = [
  ...['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'MKCOL', 'LINK'].map((method): Case => {
    const body = ['DELETE', 'OPTIONS', 'MKCOL'].includes(method) ? {} : { sends: 'sent' };
    return {
      says: `an answer to ${method} is not given to the next ${method}, nor to a GET`,
      rfc: '9111 3',
      steps: [fill([FRESH], { method, ...body }), fill([FRESH], { method, ...body }), miss()],
    };
  }),
  {
    says: 'an answer to GET is not given to a POST',
    rfc: '9111 4',
    steps: [fill([FRESH]), miss({ method: 'POST', sends: 'sent' })],
  },
  {
    says: 'a method nobody knows is refused or passed on, and is no GET',
    rfc: '9110 9.1',
    steps: [
      fill([FRESH], {
        method: 'FROB',
        asks: 'any',
        status: [200, 400, 405, 501],
        answer: { body: '' },
        body: ANYTHING,
      }),
      miss(),
    ],
  },
];

export const STORING_CASES: readonly Case[] = [...DIRECTIVES, ...STATUSES, ...METHODS];
