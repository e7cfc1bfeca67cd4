import { type Case, fieldOf, fill, hit, miss, type Step } from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';
const CHANGED = 'Wed, 01 Jan 2020 00:00:00 GMT';
const BEFORE = 'Tue, 31 Dec 2019 23:59:59 GMT';
const AFTER = 'Wed, 01 Jan 2020 00:00:01 GMT';

interface Asks {
  readonly etag?: string;
  readonly changed?: string;
  readonly headers: readonly string[];
  readonly rfc?: string;
  readonly optional?: true;
}

function stored({ etag, changed }: Asks): Step {
  return fill([
    FRESH,
    ...(etag === undefined ? [] : [`ETag: ${etag}`]),
    ...(changed === undefined ? [] : [`Last-Modified: ${changed}`]),
  ]);
}

function isNotModified(says: string, asks: Asks): Case {
  const { headers, rfc = '9111 4.3.2', optional } = asks;
  return { says, rfc, ...(optional && { optional }), steps: [stored(asks), hit({ headers, status: 304 })] };
}

function isWhole(says: string, asks: Asks): Case {
  const { headers, rfc = '9111 4.3.2', optional } = asks;
  return { says, rfc, ...(optional && { optional }), steps: [stored(asks), hit({ headers })] };
}

const BY_ETAG: readonly Case[] = [
  isNotModified('the ETag of the stored answer gets a 304', { etag: '"a"', headers: ['If-None-Match: "a"'] }),
  isWhole('another ETag gets the whole answer', { etag: '"a"', headers: ['If-None-Match: "b"'] }),
  isNotModified('a weak form of a strong ETag gets a 304', {
    etag: '"a"',
    headers: ['If-None-Match: W/"a"'],
  }),
  isNotModified('a strong form of a weak ETag gets a 304', {
    etag: 'W/"a"',
    headers: ['If-None-Match: "a"'],
  }),
  isNotModified('a weak ETag itself gets a 304', { etag: 'W/"a"', headers: ['If-None-Match: W/"a"'] }),
  isNotModified('the ETag last in a list gets a 304', {
    etag: '"a"',
    headers: ['If-None-Match: "x", W/"y", "a"'],
  }),
  isNotModified('the ETag first in a list gets a 304', { etag: '"a"', headers: ['If-None-Match: "a", "x"'] }),
  isNotModified('the ETag in a list without spaces gets a 304', {
    etag: '"a"',
    headers: ['If-None-Match: "x","a","y"'],
  }),
  isNotModified('the ETag on a second line gets a 304', {
    etag: '"a"',
    headers: ['If-None-Match: "x"', 'If-None-Match: "a"'],
    rfc: '9110 5.3',
  }),
  isNotModified('empty elements of a list are passed over', {
    etag: '"a"',
    headers: ['If-None-Match: , "x",, "a"'],
    rfc: '9110 5.6.1',
  }),
  isWhole('a list without the ETag gets the whole answer', {
    etag: '"a"',
    headers: ['If-None-Match: "x", "y", W/"z"'],
  }),
  isNotModified('* gets a 304', { etag: '"a"', headers: ['If-None-Match: *'], rfc: '9110 13.1.2' }),
  isNotModified('* gets a 304 of an answer without an ETag', {
    headers: ['If-None-Match: *'],
    rfc: '9110 13.1.2',
  }),
  isWhole('an ETag gets the whole of an answer that has none', { headers: ['If-None-Match: "a"'] }),
  isWhole('ETags are compared as they are spelled', {
    etag: '"a"',
    headers: ['If-None-Match: "A"'],
    rfc: '9110 8.8.3',
  }),
  isWhole('an ETag is not its beginning', {
    etag: '"abc"',
    headers: ['If-None-Match: "ab"'],
    rfc: '9110 8.8.3',
  }),
  isNotModified('an ETag may have a comma inside', {
    etag: '"a,b"',
    headers: ['If-None-Match: "a,b"'],
    rfc: '9110 8.8.3',
  }),
  isWhole('a part of an ETag with a comma is another one', {
    etag: '"b"',
    headers: ['If-None-Match: "a,"b""'],
    rfc: '9110 8.8.3',
    optional: true,
  }),
  isNotModified('an empty ETag is one', { etag: '""', headers: ['If-None-Match: ""'], rfc: '9110 8.8.3' }),
  isNotModified('a backslash in an ETag is itself', {
    etag: '"a\\"',
    headers: ['If-None-Match: "x", "a\\"'],
    rfc: '9110 8.8.3',
  }),
  isWhole('an ETag without quotes matches nothing', {
    etag: '"a"',
    headers: ['If-None-Match: a'],
    optional: true,
  }),
];

const BY_DATE: readonly Case[] = [
  isNotModified('the date of the last change gets a 304', {
    changed: CHANGED,
    headers: [`If-Modified-Since: ${CHANGED}`],
  }),
  isNotModified('a date after the last change gets a 304', {
    changed: CHANGED,
    headers: [`If-Modified-Since: ${AFTER}`],
  }),
  isWhole('a date before the last change gets the whole answer', {
    changed: CHANGED,
    headers: [`If-Modified-Since: ${BEFORE}`],
  }),
  isNotModified('the date in the form of RFC 850 gets a 304', {
    changed: 'Sun, 06 Nov 1994 08:49:37 GMT',
    headers: ['If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT'],
    rfc: '9110 5.6.7',
  }),
  isNotModified('the date in the form of asctime gets a 304', {
    changed: 'Sun, 06 Nov 1994 08:49:37 GMT',
    headers: ['If-Modified-Since: Sun Nov  6 08:49:37 1994'],
    rfc: '9110 5.6.7',
  }),
  isWhole('what is no date is no condition', {
    changed: CHANGED,
    headers: ['If-Modified-Since: recently'],
    rfc: '9110 13.1.3',
  }),
  isNotModified('without a Last-Modified, Date counts', {
    headers: ['If-Modified-Since: {now+60}'],
    optional: true,
  }),
  isWhole('a date before Date gets the whole of an answer without Last-Modified', {
    headers: ['If-Modified-Since: {now-3600}'],
  }),
  isWhole('If-None-Match goes before If-Modified-Since, and does not match', {
    etag: '"a"',
    changed: CHANGED,
    headers: ['If-None-Match: "b"', `If-Modified-Since: ${AFTER}`],
    rfc: '9110 13.2.2',
  }),
  isNotModified('If-None-Match goes before If-Modified-Since, and matches', {
    etag: '"a"',
    changed: CHANGED,
    headers: ['If-None-Match: "a"', `If-Modified-Since: ${BEFORE}`],
    rfc: '9110 13.2.2',
  }),
  isWhole('If-None-Match goes before If-Modified-Since though the answer has no ETag', {
    changed: CHANGED,
    headers: ['If-None-Match: "a"', `If-Modified-Since: ${AFTER}`],
    rfc: '9110 13.1.3',
  }),
];

const ANSWERED: readonly Case[] = [
  {
    says: 'a 304 from the cache has the fields that a client needs of it',
    rfc: '9110 15.4.5',
    steps: [
      fill([
        'Cache-Control: public, max-age=3600',
        'ETag: "a"',
        'Vary: Accept',
        'Content-Location: /here',
        'Expires: Sat, 01 Jan 2095 00:00:00 GMT',
        'Date: {now}',
      ]),
      hit({
        headers: ['If-None-Match: "a"'],
        status: 304,
        age: [0, 6],
        gets: {
          'Cache-Control': 'public, max-age=3600',
          ETag: '"a"',
          Vary: 'Accept',
          'Content-Location': '/here',
          Expires: 'Sat, 01 Jan 2095 00:00:00 GMT',
          Date: /GMT$/,
          'Transfer-Encoding': null,
        },
      }),
    ],
  },
  ...[404, 301, 503].map(
    (status): Case => ({
      says: `a stored ${status} is sent whole whatever the condition`,
      rfc: '9110 13.2.1',
      steps: [
        fill([FRESH, 'ETag: "a"', `Last-Modified: ${CHANGED}`], { answer: { status } }),
        hit({ headers: ['If-None-Match: "a"'] }),
        hit({ headers: [`If-Modified-Since: ${AFTER}`] }),
      ],
    }),
  ),
  {
    says: 'conditions meant for the origin are not answered 412 by the cache',
    rfc: '9111 4.3.2',
    steps: [
      fill([FRESH, 'ETag: "a"', `Last-Modified: ${CHANGED}`]),
      { headers: ['If-Match: "b"'], asks: 'any', body: /^answer/, origin: { headers: ['ETag: "a"'] } },
      { headers: [`If-Unmodified-Since: ${BEFORE}`], asks: 'any', body: /^answer/, origin: {} },
    ],
  },
  {
    says: 'a HEAD with the ETag of the stored answer gets a 304',
    rfc: '9110 13.1.2',
    optional: true,
    steps: [
      fill([FRESH, 'ETag: "a"']),
      hit({ method: 'HEAD', headers: ['If-None-Match: "a"'], status: 304 }),
    ],
  },
  {
    says: 'If-None-Match goes before Range',
    rfc: '9110 13.2.2',
    steps: [
      fill([FRESH, 'ETag: "a"']),
      {
        headers: ['If-None-Match: "a"', 'Range: bytes=0-3'],
        status: 304,
        asks: 'any',
        origin: { status: 304, headers: ['ETag: "a"'] },
      },
    ],
  },
];

const NOT_STORED: readonly Case[] = [
  {
    says: 'If-None-Match for what is not stored is the origin’s to answer',
    rfc: '9111 4.3.2',
    steps: [
      {
        headers: ['If-None-Match: "a", W/"b"'],
        asked: { 'If-None-Match': '"a", W/"b"' },
        origin: { status: 304, headers: ['ETag: "a"', FRESH] },
        gets: { ETag: '"a"' },
      },
      miss({ asked: { 'If-None-Match': null } }),
    ],
  },
  {
    says: 'If-Modified-Since for what is not stored is the origin’s to answer',
    rfc: '9111 4.3.2',
    steps: [
      {
        headers: [`If-Modified-Since: ${CHANGED}`],
        asked: { 'If-Modified-Since': CHANGED },
        origin: { status: 304, headers: [`Last-Modified: ${CHANGED}`, FRESH] },
      },
      miss({ asked: { 'If-Modified-Since': null } }),
    ],
  },
  {
    says: 'a 304 nobody stored an answer for is not stored itself',
    rfc: '9111 3',
    steps: [
      { headers: ['If-None-Match: "a"'], origin: { status: 304, headers: ['ETag: "a"', FRESH] } },
      { headers: ['If-None-Match: "b"'], origin: { headers: ['ETag: "c"'] } },
    ],
  },
  {
    says: 'a whole answer to a conditional request is stored',
    rfc: '9111 3',
    steps: [{ headers: ['If-None-Match: "a"'], origin: { headers: ['ETag: "b"', FRESH] } }, hit()],
  },
  {
    says: 'If-Match for what is not stored reaches the origin, and its 412 the client',
    rfc: '9110 13.1.1',
    steps: [
      { headers: ['If-Match: "a"'], asked: { 'If-Match': '"a"' }, origin: { status: 412 } },
      miss({ origin: { headers: [FRESH] } }),
      hit({ from: 2 }),
    ],
  },
  {
    says: 'If-Unmodified-Since for what is not stored reaches the origin',
    rfc: '9110 13.1.4',
    steps: [
      {
        headers: [`If-Unmodified-Since: ${CHANGED}`],
        asked: { 'If-Unmodified-Since': CHANGED },
        origin: { status: 412, headers: [FRESH] },
      },
    ],
  },
  {
    says: 'If-Match of an unsafe request reaches the origin though the answer is stored',
    rfc: '9110 13.1.1',
    steps: [
      fill([FRESH, 'ETag: "a"']),
      {
        method: 'PUT',
        sends: 'new',
        headers: ['If-Match: "old"'],
        asked: { 'If-Match': '"old"' },
        origin: { status: 412 },
      },
    ],
  },
  {
    says: 'If-None-Match: * of a PUT reaches the origin though the answer is stored',
    rfc: '9110 13.1.2',
    steps: [
      fill([FRESH, 'ETag: "a"']),
      {
        method: 'PUT',
        sends: 'new',
        headers: ['If-None-Match: *'],
        asked: { 'If-None-Match': '*' },
        origin: ({ headers }) => ({ status: fieldOf(headers, 'if-none-match') === '*' ? 412 : 200 }),
        status: 412,
      },
    ],
  },
];

export const CONDITIONAL_CASES: readonly Case[] = [...BY_ETAG, ...BY_DATE, ...ANSWERED, ...NOT_STORED];
