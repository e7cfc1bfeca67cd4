import { A_WHILE_MS, type Case, fieldOf, fill, hit, miss, refetches, reuses } from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';
const A_DATE = /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/;

export const AGE_CASES: readonly Case[] = [
  reuses('an answer from the cache has an Age', '9111 5.1', [FRESH], { second: { age: [0, 6] } }),
  reuses('Age grows while an answer is stored', '9111 4.2.3', [FRESH], {
    second: { pauseMs: A_WHILE_MS, age: [2, 8] },
  }),
  reuses('Age goes on from what upstream said', '9111 4.2.3', [FRESH, 'Age: 100'], {
    second: { age: [100, 106] },
  }),
  reuses('Age goes on from what upstream said, while stored', '9111 4.2.3', [FRESH, 'Age: 100'], {
    second: { pauseMs: A_WHILE_MS, age: [102, 108] },
  }),
  reuses(
    'Age is no less than how long ago Date was where a cache of HTTP/1.0 is on the way',
    '9111 4.2.3',
    [FRESH, 'Date: {now-100}', 'Via: 1.0 old'],
    { optional: true, second: { age: [100, 106] } },
  ),
  reuses("an origin's slow clock makes nothing old", 'Weir', [FRESH, 'Date: {now-7200}'], {
    second: { age: [0, 6] },
  }),
  reuses(
    'Age is the greater of what upstream said and how long ago Date was',
    '9111 4.2.3',
    [FRESH, 'Date: {now-50}', 'Age: 100'],
    { second: { age: [100, 106] } },
  ),
  reuses('Age includes the time an answer was on its way', '9111 4.2.3', [FRESH, 'Age: 100'], {
    answer: { delayMs: 2_100 },
    second: { age: [102, 108] },
  }),
  reuses('an Age that is no number is passed over', '9111 5.1', [FRESH, 'Age: old'], {
    second: { age: [0, 6] },
  }),
  reuses('a negative Age is passed over', '9111 5.1', [FRESH, 'Age: -7200'], { second: { age: [0, 6] } }),
  reuses('of a list as Age the first member counts', '9111 5.1', [FRESH, 'Age: 100, 7200'], {
    second: { age: [100, 106] },
  }),
  refetches('of a list as Age the first member counts, and may be too old', '9111 5.1', [
    FRESH,
    'Age: 7200, 0',
  ]),
  refetches('an Age beyond every number is too old', '9111 1.2.2', [FRESH, 'Age: 99999999999999999999999']),
  {
    says: 'an answer on its way through keeps the Age it came with',
    rfc: '9111 5.1',
    steps: [fill([FRESH, 'Age: 100'], { age: [100, 106] })],
  },
  {
    says: 'an answer straight from the origin gets no Age',
    rfc: '9111 5.1',
    optional: true,
    steps: [fill([FRESH], { gets: { Age: null } })],
  },
  {
    says: 'one Age is sent, not two',
    rfc: '9110 5.3',
    steps: [fill([FRESH, 'Age: 100']), hit({ gets: { Age: /^\d+$/ } })],
  },
  {
    says: 'Date of an answer from the cache is that of the origin',
    rfc: '9110 6.6.1',
    steps: [
      fill(['Date: Sun, 01 Jan 2023 00:00:00 GMT', 'Cache-Control: max-age=999999999'], {
        gets: { Date: 'Sun, 01 Jan 2023 00:00:00 GMT' },
      }),
      hit({ pauseMs: 1_200, gets: { Date: 'Sun, 01 Jan 2023 00:00:00 GMT' } }),
    ],
  },
  reuses('a Date is added where the origin sent none', '9110 6.6.1', [FRESH], {
    answer: { isDateless: true },
    first: { gets: { Date: A_DATE } },
    second: { gets: { Date: A_DATE } },
  }),
  {
    says: 'Age begins anew when an answer was validated',
    rfc: '9111 4.3.4',
    steps: [
      fill(['Cache-Control: max-age=3600', 'Age: 3599', 'ETag: "a"']),
      miss({
        pauseMs: A_WHILE_MS,
        from: 1,
        asks: 1,
        origin: { status: 304, headers: ['ETag: "a"', 'Cache-Control: max-age=3600'] },
      }),
      hit({ age: [0, 6] }),
    ],
  },
  {
    says: 'Age goes on from what a 304 said',
    rfc: '9111 4.3.4',
    steps: [
      fill(['Cache-Control: max-age=3600', 'Age: 7200', 'ETag: "a"']),
      {
        from: 1,
        asks: 1,
        origin: ({ headers }) =>
          fieldOf(headers, 'If-None-Match') === undefined
            ? { headers: ['ETag: "a"', FRESH, 'Age: 100'], body: 'unasked' }
            : { status: 304, headers: ['ETag: "a"', FRESH, 'Age: 100'] },
        body: /^(?:answer 1 |unasked)/,
      },
      { from: 2, asks: 0, status: 200, body: /^(?:answer 1 |unasked)/, age: [100, 106] },
    ],
  },
  {
    says: 'Age begins anew when an answer was replaced',
    rfc: '9111 4.2.3',
    steps: [
      fill(['Cache-Control: max-age=3600', 'Age: 7200']),
      miss({ origin: { headers: [FRESH] } }),
      hit({ from: 2, age: [0, 6] }),
    ],
  },
];
