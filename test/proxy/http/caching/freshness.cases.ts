import { A_WHILE_MS, type Case, fill, hit, miss, refetches, reuses } from './case.ts';

const FUTURE = '{now+3600}';
const PAST = '{now-3600}';

const FRESH: readonly Case[] = [
  reuses('max-age makes an answer reusable', '9111 4.2.1', ['Cache-Control: max-age=3600']),
  reuses('an Expires ahead makes an answer reusable', '9111 4.2.1', [`Expires: ${FUTURE}`]),
  reuses('s-maxage makes an answer reusable', '9111 5.2.2.10', ['Cache-Control: s-maxage=3600']),
  reuses('s-maxage goes before max-age', '9111 4.2.1', ['Cache-Control: max-age=0, s-maxage=3600']),
  reuses('s-maxage goes before max-age, whichever is named first', '9111 4.2.1', [
    'Cache-Control: s-maxage=3600, max-age=0',
  ]),
  reuses('max-age goes before an Expires gone by', '9111 5.3', [
    'Cache-Control: max-age=3600',
    `Expires: ${PAST}`,
  ]),
  reuses('max-age goes before an Expires that is no date', '9111 5.3', [
    'Cache-Control: max-age=3600',
    'Expires: 0',
  ]),
  reuses('s-maxage goes before an Expires gone by', '9111 5.3', [
    'Cache-Control: s-maxage=3600',
    `Expires: ${PAST}`,
  ]),
  reuses('Expires counts beside a Cache-Control that gives no time', '9111 4.2.1', [
    'Cache-Control: public',
    `Expires: ${FUTURE}`,
  ]),
  reuses(
    'Expires counts from the time of arrival where there is no Date',
    '9111 4.2.1',
    [`Expires: ${FUTURE}`],
    {
      answer: { isDateless: true },
    },
  ),
  reuses('max-age counts where there is no Date', '9111 4.2.3', ['Cache-Control: max-age=3600'], {
    answer: { isDateless: true },
  }),
  reuses('a Date ahead does not make an answer old', '9111 4.2.3', [
    `Date: ${FUTURE}`,
    'Cache-Control: max-age=3600',
  ]),
  reuses('an Age below max-age leaves an answer fresh', '9111 4.2', [
    'Cache-Control: max-age=3600',
    'Age: 1800',
  ]),
  reuses('a Date less than max-age ago leaves an answer fresh', '9111 4.2.3', [
    'Date: {now-1800}',
    'Cache-Control: max-age=3600',
  ]),
  reuses('an Expires in the form of RFC 850 is understood', '9110 5.6.7', [
    'Expires: Thursday, 18-Aug-50 02:01:18 GMT',
  ]),
  reuses('an Expires in the form of asctime is understood', '9110 5.6.7', [
    'Expires: Thu Aug 18 02:01:18 2050',
  ]),
  reuses('an Expires decades ahead is understood', '9111 5.3', ['Expires: Sat, 01 Jan 2095 00:00:00 GMT']),
];

const SPELLINGS: readonly Case[] = [
  reuses('directives are understood in any case', '9111 5.2', ['Cache-Control: MaX-aGe=3600']),
  reuses('the name of Cache-Control is understood in any case', '9110 5.1', ['cAcHe-CoNtRoL: max-age=3600']),
  reuses('empty elements of Cache-Control are passed over', '9110 5.6.1', [
    'Cache-Control: , ,max-age=3600 ,,',
  ]),
  reuses('white space around directives is passed over', '9110 5.6.1', [
    'Cache-Control:   public \t,\t max-age=3600   ',
  ]),
  reuses('directives on several lines are one list', '9110 5.3', [
    'Cache-Control: public',
    'X-Between: 1',
    'Cache-Control: max-age=3600',
  ]),
  reuses('a directive nobody knows changes nothing', '9111 5.2.3', ['Cache-Control: frob, max-age=3600']),
  reuses('a directive nobody knows may have an argument', '9111 5.2.3', [
    'Cache-Control: frob=1, max-age=3600',
  ]),
  reuses('max-age as a quoted string is understood', '9111 5.2', ['Cache-Control: max-age="3600"']),
  reuses(
    'a comma in a quoted argument does not end it',
    '9111 5.2',
    ['Cache-Control: frob="a, no-store", max-age=3600'],
    { optional: true },
  ),
  refetches('max-age inside a quoted argument does not count', '9111 5.2', [
    'Cache-Control: frob="a, max-age=3600"',
  ]),
  refetches('a directive whose name ends in max-age is another one', '9111 5.2', [
    'Cache-Control: x-max-age=3600',
  ]),
  reuses('a directive whose name ends in max-age does not hide max-age', '9111 5.2', [
    'Cache-Control: frob-max-age=0, max-age=3600',
  ]),
  reuses('max-age may have leading zeros', '9111 1.2.2', ['Cache-Control: max-age=003600']),
  reuses('max-age of 2^31 counts', '9111 1.2.2', ['Cache-Control: max-age=2147483648']),
  reuses('max-age above 2^31 counts as very long', '9111 1.2.2', ['Cache-Control: max-age=4294967297']),
  reuses('max-age beyond every number counts as very long', '9111 1.2.2', [
    'Cache-Control: max-age=99999999999999999999999999',
  ]),
  refetches('max-age without a value gives no time', '9111 4.2.1', ['Cache-Control: max-age']),
  refetches('max-age with an empty value gives no time', '9111 4.2.1', ['Cache-Control: max-age=']),
  refetches('max-age of no number gives no time', '9111 4.2.1', ['Cache-Control: max-age=soon']),
  refetches('a negative max-age gives no time', '9111 4.2.1', ['Cache-Control: max-age=-3600']),
  refetches('a fraction as max-age is stale', '9111 4.2.1', ['Cache-Control: max-age=3600.0'], {
    optional: true,
  }),
  refetches('a max-age that ends in letters is stale', '9111 4.2.1', ['Cache-Control: max-age=3600s'], {
    optional: true,
  }),
  refetches('max-age between single quotes is stale', '9111 4.2.1', ["Cache-Control: max-age='3600'"], {
    optional: true,
  }),
  refetches('of two max-age the first counts, or neither', '9111 4.2.1', [
    'Cache-Control: max-age=0, max-age=3600',
  ]),
  refetches('of two max-age on two lines the first counts, or neither', '9111 4.2.1', [
    'Cache-Control: max-age=0',
    'Cache-Control: max-age=3600',
  ]),
  refetches('of two Expires the first counts, or neither', '9111 4.2.1', [
    `Expires: ${PAST}`,
    `Expires: ${FUTURE}`,
  ]),
  reuses(
    'Pragma in an answer has no meaning',
    '9111 5.4',
    ['Pragma: no-cache', 'Cache-Control: max-age=3600'],
    {
      optional: true,
    },
  ),
];

const STALE: readonly Case[] = [
  refetches('max-age=0 is stale at once', '9111 4.2.1', ['Cache-Control: max-age=0']),
  refetches('max-age=0 goes before an Expires ahead', '9111 5.3', [
    'Cache-Control: max-age=0',
    `Expires: ${FUTURE}`,
  ]),
  refetches('s-maxage=0 goes before max-age', '9111 5.2.2.10', ['Cache-Control: max-age=3600, s-maxage=0']),
  refetches('s-maxage=0 goes before an Expires ahead', '9111 5.2.2.10', [
    'Cache-Control: s-maxage=0',
    `Expires: ${FUTURE}`,
  ]),
  refetches('an Expires gone by is stale', '9111 4.2.1', [`Expires: ${PAST}`]),
  refetches('an Expires equal to Date is stale', '9111 4.2.1', ['Expires: {now}', 'Date: {now}']),
  refetches('an Expires ahead of now but not of Date is stale', '9111 4.2.1', [
    'Date: {now+3600}',
    'Expires: {now+1800}',
  ]),
  ...['0', '-1', 'tomorrow', '', '2050-08-18T02:01:18Z', '2545875678'].map((value) =>
    refetches(`"${value}" as Expires is a time gone by`, '9111 5.3', [
      `Expires: ${value}`,
      'Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT',
    ]),
  ),
  refetches(
    'an Expires in an unknown time zone is a time gone by',
    '9111 5.3',
    ['Expires: Thu, 18 Aug 2050 02:01:18 AEST'],
    { optional: true },
  ),
  refetches('an Age of max-age is stale', '9111 4.2', ['Cache-Control: max-age=3600', 'Age: 3600']),
  refetches('an Age above max-age is stale', '9111 4.2', ['Cache-Control: max-age=3600', 'Age: 12000']),
  refetches('an Age above s-maxage is stale, though max-age is longer', '9111 4.2', [
    'Cache-Control: max-age=3600, s-maxage=60',
    'Age: 120',
  ]),
  refetches(
    'a Date longer ago than max-age is stale where a cache of HTTP/1.0 may not have told the Age',
    '9111 4.2.3',
    ['Date: {now-7200}', 'Cache-Control: max-age=3600', 'Via: 1.0 old'],
    { optional: true },
  ),
  refetches('an Expires ahead of Date by less than the Age is stale', '9111 4.2', [
    'Expires: {now+60}',
    'Age: 120',
  ]),
  refetches('max-age ends', '9111 4.2', ['Cache-Control: max-age=1'], { second: { pauseMs: A_WHILE_MS } }),
  refetches('s-maxage ends', '9111 4.2', ['Cache-Control: s-maxage=1, max-age=3600'], {
    second: { pauseMs: A_WHILE_MS },
  }),
  refetches('Expires ends', '9111 4.2', ['Expires: {now+1}'], { second: { pauseMs: A_WHILE_MS } }),
  refetches(
    'time in the cache adds to the Age an answer came with',
    '9111 4.2.3',
    ['Cache-Control: max-age=3600', 'Age: 3599'],
    { second: { pauseMs: A_WHILE_MS } },
  ),
  refetches(
    'time in the cache adds to how long ago Date was where a cache of HTTP/1.0 is on the way',
    '9111 4.2.3',
    ['Cache-Control: max-age=3600', 'Date: {now-3599}', 'Via: 1.0 old, 1.1 new'],
    { optional: true, second: { pauseMs: A_WHILE_MS } },
  ),
  refetches(
    'how long an answer was on its way counts',
    '9111 4.2.3',
    ['Cache-Control: max-age=3600', 'Age: 3599'],
    { answer: { delayMs: 2_100 } },
  ),
  {
    says: 'an answer stays fresh until its max-age ends, then is fetched once, and is fresh again',
    rfc: '9111 4.2',
    steps: [
      fill(['Cache-Control: max-age=5']),
      hit({ pauseMs: 1_200 }),
      miss({ pauseMs: 5_000, origin: { headers: ['Cache-Control: max-age=5'] } }),
      hit({ from: 3 }),
    ],
  },
  ...['CDN-Cache-Control', 'Surrogate-Control', 'Weir-Cache-Control'].map((name) =>
    reuses(`${name} is meant for other caches`, '9213 2.1', [
      'Cache-Control: max-age=3600',
      `${name}: no-store`,
    ]),
  ),
  refetches('an answer that tells no time and no date of change is not reused', '9111 4.2.2', [], {
    optional: true,
  }),
];

export const FRESHNESS_CASES: readonly Case[] = [...FRESH, ...SPELLINGS, ...STALE];
