import {
  A_WHILE_MS,
  ANYTHING,
  type Answer,
  type Asked,
  type Case,
  fieldOf,
  fill,
  hit,
  miss,
  type Step,
} from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';
const ONE_SECOND = 'Cache-Control: max-age=1';
const CHANGED = 'Wed, 01 Jan 2020 00:00:00 GMT';

/** Stale the next time; validated by what `headers` give. */
function stale(headers: readonly string[], more: Step = {}): readonly Step[] {
  return [fill([ONE_SECOND, ...headers]), { pauseMs: A_WHILE_MS, ...more }];
}

function unchanged(headers: readonly string[], more: Step = {}): Step {
  return { from: 1, asks: 1, origin: { status: 304, headers }, ...more };
}

/** An origin with `etag`: 304 to who has it, else its whole answer. */
function originWith(etag: string, headers: readonly string[] = [FRESH]): (asked: Asked) => Answer {
  return (asked) =>
    fieldOf(asked.headers, 'If-None-Match')?.includes(etag) === true
      ? { status: 304, headers: [...headers, `ETag: ${etag}`], body: `the answer with ${etag}` }
      : { headers: [...headers, `ETag: ${etag}`], body: `the answer with ${etag}` };
}

const ASKING: readonly Case[] = [
  {
    says: 'a stale answer with an ETag is validated with If-None-Match',
    rfc: '9111 4.3.1',
    steps: stale(['ETag: "a"'], unchanged(['ETag: "a"', FRESH], { asked: { 'If-None-Match': '"a"' } })),
  },
  {
    says: 'a stale answer with a weak ETag is validated with it as it is',
    rfc: '9111 4.3.1',
    steps: stale(['ETag: W/"a"'], unchanged(['ETag: W/"a"', FRESH], { asked: { 'If-None-Match': 'W/"a"' } })),
  },
  {
    says: 'a stale answer with a Last-Modified is validated with If-Modified-Since',
    rfc: '9111 4.3.1',
    steps: stale(
      [`Last-Modified: ${CHANGED}`],
      unchanged([`Last-Modified: ${CHANGED}`, FRESH], {
        asked: { 'If-Modified-Since': CHANGED, 'If-None-Match': null },
      }),
    ),
  },
  {
    says: 'a stale answer with both is validated with both',
    rfc: '9111 4.3.1',
    steps: stale(
      ['ETag: "a"', `Last-Modified: ${CHANGED}`],
      unchanged(['ETag: "a"', FRESH], { asked: { 'If-None-Match': '"a"', 'If-Modified-Since': CHANGED } }),
    ),
  },
  {
    says: 'a stale answer without a validator is asked for without a condition',
    rfc: '9111 4.3.1',
    steps: stale([], { origin: {}, asked: { 'If-None-Match': null, 'If-Modified-Since': null } }),
  },
  {
    says: 'an ETag with a comma and a space inside is sent as it is',
    rfc: '9110 8.8.3',
    steps: stale(
      ['ETag: "a, b"'],
      unchanged(['ETag: "a, b"', FRESH], { asked: { 'If-None-Match': '"a, b"' } }),
    ),
  },
  {
    says: 'what is asked for the first time is asked without a condition',
    rfc: '9111 4.3.1',
    steps: [fill([FRESH], { asked: { 'If-None-Match': null, 'If-Modified-Since': null, Range: null } })],
  },
  {
    says: 'no-cache is validated each time, and each time is one request',
    rfc: '9111 5.2.2.4',
    optional: true,
    steps: [
      fill(['Cache-Control: no-cache', 'ETag: "a"']),
      unchanged(['ETag: "a"'], { asked: { 'If-None-Match': '"a"' } }),
      unchanged(['ETag: "a"'], { asked: { 'If-None-Match': '"a"' } }),
    ],
  },
  {
    says: 'the fields of the request are sent along',
    rfc: '9111 4.3.1',
    steps: stale(
      ['ETag: "a"'],
      unchanged(['ETag: "a"', FRESH], {
        headers: ['Accept: text/html', 'X-A: 1'],
        asked: { Accept: 'text/html', 'X-A': '1' },
      }),
    ),
  },
];

const ANSWERED: readonly Case[] = [
  {
    says: 'a validated answer is fresh again',
    rfc: '9111 4.3.4',
    steps: [...stale(['ETag: "a"'], unchanged(['ETag: "a"', FRESH])), hit()],
  },
  {
    says: 'a validated answer is fresh again by Last-Modified alone',
    rfc: '9111 4.3.4',
    steps: [...stale([`Last-Modified: ${CHANGED}`], unchanged([`Last-Modified: ${CHANGED}`, FRESH])), hit()],
  },
  {
    says: 'a weakly validated answer is fresh again',
    rfc: '9111 4.3.4',
    steps: [...stale(['ETag: W/"a"'], unchanged(['ETag: W/"a"', FRESH])), hit()],
  },
  {
    says: 'a 304 that gives no time starts the old one again',
    rfc: '9111 4.3.4',
    optional: true,
    steps: [
      fill(['Cache-Control: max-age=4', 'Age: 3', 'ETag: "a"']),
      unchanged(['ETag: "a"'], { pauseMs: A_WHILE_MS }),
      hit(),
    ],
  },
  {
    says: 'a 304 without a validator confirms the one answer there is',
    rfc: '9111 4.3.4',
    optional: true,
    steps: stale(['ETag: "a"'], unchanged([FRESH])),
  },
  {
    says: 'a 304 for another answer does not make the stored one fresh, and no bare 304 is passed on',
    rfc: '9111 4.3.4',
    steps: [
      ...stale(['ETag: "a"'], {
        asks: 'any',
        status: [200, 502, 504],
        body: /^(?!answer 1 )/,
        origin: ({ headers }) =>
          fieldOf(headers, 'If-None-Match') === undefined
            ? { headers: ['ETag: "b"'] }
            : { status: 304, headers: ['ETag: "b"', FRESH] },
      }),
    ],
  },
  {
    says: 'a 304 for another answer is followed by a request without a condition',
    rfc: '9111 4.3.3',
    optional: true,
    steps: stale(['ETag: "a"'], {
      asks: 2,
      status: 200,
      origin: ({ headers }) =>
        fieldOf(headers, 'If-None-Match') === undefined
          ? { headers: ['ETag: "b"'] }
          : { status: 304, headers: ['ETag: "b"', FRESH] },
    }),
  },
  {
    says: 'a 200 replaces what was stored',
    rfc: '9111 4.3.3',
    steps: [
      ...stale(['ETag: "a"'], { origin: { headers: [FRESH, 'ETag: "b"'] }, gets: { ETag: '"b"' } }),
      hit({ from: 2, gets: { ETag: '"b"' } }),
    ],
  },
  {
    says: 'a 200 with the same ETag replaces what was stored',
    rfc: '9111 4.3.3',
    steps: [...stale(['ETag: "a"'], { origin: { headers: [FRESH, 'ETag: "a"'] } }), hit({ from: 2 })],
  },
  {
    says: 'a 200 that is no-store is passed on, and the old answer is not fresh for it',
    rfc: '9111 4.3.3',
    steps: [...stale(['ETag: "a"'], { origin: { headers: ['Cache-Control: no-store'] } }), miss()],
  },
  ...[404, 410, 403, 302].map(
    (status): Case => ({
      says: `a ${status} where a validation was asked is passed on`,
      rfc: '9111 4.3.3',
      steps: stale(['ETag: "a"'], { origin: { status } }),
    }),
  ),
  {
    says: 'a 404 that states its time takes the place of what was stored',
    rfc: '9111 4.3.3',
    steps: [...stale(['ETag: "a"'], { origin: { status: 404, headers: [FRESH] } }), hit({ from: 2 })],
  },
  ...[500, 502, 503, 504].map(
    (status): Case => ({
      says: `a ${status} where a validation was asked is passed on under must-revalidate`,
      rfc: '9111 5.2.2.2',
      steps: [
        fill(['Cache-Control: max-age=1, must-revalidate', 'ETag: "a"']),
        { pauseMs: A_WHILE_MS, origin: { status }, status: [status, 504], body: ANYTHING },
      ],
    }),
  ),
  {
    says: 'a failed validation leaves what is stored to be validated the next time',
    rfc: '9111 4.3.3',
    optional: true,
    steps: [
      fill(['Cache-Control: max-age=1, must-revalidate', 'ETag: "a"']),
      { pauseMs: A_WHILE_MS, origin: { status: 503 }, status: [503, 504], body: ANYTHING },
      unchanged(['ETag: "a"', FRESH], { asked: { 'If-None-Match': '"a"' } }),
    ],
  },
  {
    says: 'must-revalidate is validated once its time is over',
    rfc: '9111 5.2.2.2',
    steps: [
      fill(['Cache-Control: max-age=1, must-revalidate', 'ETag: "a"']),
      unchanged(['ETag: "a"', FRESH], { pauseMs: A_WHILE_MS }),
    ],
  },
];

const WITH_CONDITION: readonly Case[] = [
  {
    says: 'a client that has the stored answer gets the 304 of its validation',
    rfc: '9111 4.3.3',
    steps: [
      ...stale(['ETag: "a"'], {
        headers: ['If-None-Match: "a"'],
        status: 304,
        origin: originWith('"a"'),
        gets: { ETag: '"a"' },
      }),
      hit(),
    ],
  },
  {
    says: 'a client that has another answer gets the validated one, not a 304',
    rfc: '9111 4.3.2',
    steps: stale(['ETag: "a"'], {
      headers: ['If-None-Match: "other"'],
      status: 200,
      asks: 'any',
      body: /answer/,
      gets: { ETag: '"a"' },
      origin: originWith('"a"'),
    }),
  },
  {
    says: 'a client that has the new answer does not get the old one',
    rfc: '9111 4.3.3',
    steps: stale(['ETag: "a"'], {
      headers: ['If-None-Match: "b"'],
      status: [200, 304],
      asks: 'any',
      body: /^$|the answer with "b"/,
      gets: { ETag: '"b"' },
      origin: originWith('"b"'),
    }),
  },
  {
    says: 'a client without a condition gets the whole answer though the origin said 304',
    rfc: '9111 4.3.3',
    steps: stale(['ETag: "a"'], { ...unchanged(['ETag: "a"', FRESH]), status: 200, gets: { ETag: '"a"' } }),
  },
];

export const VALIDATION_CASES: readonly Case[] = [...ASKING, ...ANSWERED, ...WITH_CONDITION];
