import { A_WHILE_MS, ANYTHING, type Case, fill, hit, miss, type Step } from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';
const ALICE: Step = { client: 1, headers: ['Authorization: Basic YWxpY2U6eA=='] };
const BOB: Step = { client: 2, headers: ['Authorization: Basic Ym9iOng='] };
const ANYBODY: Step = { client: 2 };

/** Alice is answered with `headers`; then somebody else asks. */
function authorized(
  says: string,
  headers: readonly string[],
  second: Step,
  expected: 'hit' | 'miss' | 'may hit',
): Case {
  return {
    says,
    rfc: '9111 3.5',
    ...(expected === 'may hit' && { optional: true }),
    steps: [fill(headers, ALICE), expected === 'miss' ? miss(second) : hit(second)],
  };
}

export const PRIVACY_CASES: readonly Case[] = [
  {
    says: 'what one subscriber fetched is there for another',
    rfc: '9111 1',
    steps: [fill([FRESH]), hit({ client: 2 }), hit({ client: 3 })],
  },
  authorized('an answer to Authorization is not given to somebody else', [FRESH], BOB, 'miss'),
  authorized('an answer to Authorization is not given to somebody without', [FRESH], ANYBODY, 'miss'),
  authorized('an answer to Authorization is not given to the same again', [FRESH], ALICE, 'miss'),
  authorized(
    'an answer to Authorization is not guessed to be fresh',
    ['Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT'],
    BOB,
    'miss',
  ),
  authorized(
    'an answer to Authorization with an Expires is not given to somebody else',
    ['Expires: {now+3600}'],
    BOB,
    'miss',
  ),
  authorized(
    'proxy-revalidate does not open an answer to Authorization',
    ['Cache-Control: max-age=3600, proxy-revalidate'],
    BOB,
    'miss',
  ),
  authorized(
    'immutable does not open an answer to Authorization',
    ['Cache-Control: max-age=3600, immutable'],
    BOB,
    'miss',
  ),
  authorized('public opens an answer to Authorization', ['Cache-Control: public, max-age=3600'], BOB, 'hit'),
  authorized('s-maxage opens an answer to Authorization', ['Cache-Control: s-maxage=3600'], BOB, 'hit'),
  authorized(
    'must-revalidate opens an answer to Authorization',
    ['Cache-Control: max-age=3600, must-revalidate'],
    BOB,
    'may hit',
  ),
  authorized(
    'public with private does not open an answer to Authorization',
    ['Cache-Control: public, private, max-age=3600'],
    BOB,
    'miss',
  ),
  authorized(
    'public with no-store does not open an answer to Authorization',
    ['Cache-Control: public, no-store, max-age=3600'],
    BOB,
    'miss',
  ),
  {
    says: 'what was fetched without Authorization is there for a request with it',
    rfc: '9111 3.5',
    optional: true,
    steps: [fill([FRESH]), hit(BOB)],
  },
  {
    says: 'public that must be validated is validated under the name of who asks',
    rfc: '9111 3.5',
    steps: [
      fill(['Cache-Control: public, no-cache', 'ETag: "a"'], ALICE),
      { ...BOB, asked: { Authorization: 'Basic Ym9iOng=' }, origin: { status: 403 } },
    ],
  },
  {
    says: 'must-revalidate opened for Authorization is validated under the name of who asks once stale',
    rfc: '9111 3.5',
    steps: [
      fill(['Cache-Control: max-age=1, must-revalidate', 'ETag: "a"'], ALICE),
      { ...BOB, pauseMs: A_WHILE_MS, asked: { Authorization: 'Basic Ym9iOng=' }, origin: { status: 403 } },
    ],
  },
  {
    says: 'a 401 is not given to who has the password',
    rfc: '9111 3',
    steps: [
      fill(['WWW-Authenticate: Basic realm="x"'], { ...ANYBODY, answer: { status: 401 } }),
      miss(ALICE),
    ],
  },
  {
    says: 'a refusal of one password is not given to another',
    rfc: '9111 3.5',
    steps: [fill([FRESH], { ...BOB, answer: { status: 403 } }), miss(ALICE)],
  },
  {
    says: 'a private answer is not given to somebody else',
    rfc: '9111 5.2.2.7',
    steps: [fill(['Cache-Control: private, max-age=3600']), miss(ANYBODY)],
  },
  {
    says: 'a private answer takes the place of no public one',
    rfc: '9111 5.2.2.7',
    steps: [
      fill([FRESH]),
      {
        headers: ['Cache-Control: no-cache'],
        origin: { headers: ['Cache-Control: private, max-age=60', 'X-Mine: secret'], body: 'secret' },
      },
      { client: 2, asks: 'any', body: /^answer/, gets: { 'X-Mine': null } },
    ],
  },
  {
    says: 'a cookie set for one is not set for another',
    rfc: 'Weir',
    steps: [fill([FRESH, 'Set-Cookie: session=secret']), miss({ client: 2, gets: { 'Set-Cookie': null } })],
  },
  {
    says: 'a cookie set by a validation is not set for the next one',
    rfc: 'Weir',
    steps: [
      fill(['Cache-Control: max-age=1', 'ETag: "a"']),
      {
        pauseMs: A_WHILE_MS,
        from: 1,
        asks: 1,
        origin: { status: 304, headers: ['ETag: "a"', FRESH, 'Set-Cookie: session=secret'] },
      },
      {
        client: 2,
        from: 1,
        asks: 'any',
        origin: { status: 304, headers: ['ETag: "a"'] },
        gets: { 'Set-Cookie': null },
      },
    ],
  },
  {
    says: 'a cookie set by a fetch behind is set for nobody',
    rfc: 'Weir',
    steps: [
      fill(['Cache-Control: max-age=1, stale-while-revalidate=60']),
      {
        pauseMs: A_WHILE_MS,
        from: 1,
        asks: 1,
        settleMs: 300,
        origin: { headers: [FRESH, 'Set-Cookie: session=secret'] },
      },
      { client: 2, asks: 'any', body: ANYTHING, gets: { 'Set-Cookie': null } },
    ],
  },
  {
    says: 'a request with a cookie may be answered from what is stored, without Vary',
    rfc: '9111 4.1',
    optional: true,
    steps: [fill([FRESH]), hit({ headers: ['Cookie: id=1'], client: 2 })],
  },
  {
    says: 'Authorization is passed on to the origin',
    rfc: '9110 11.6.2',
    steps: [fill([FRESH], { ...ALICE, asked: { Authorization: 'Basic YWxpY2U6eA==' } })],
  },
];
