import { A_WHILE_MS, ANYTHING, type Case, fill, hit, type Step } from './case.ts';

/** Headers of the stored answer, of the 304 that validates it, and what the client then sees. */
function updates(
  says: string,
  stored: readonly string[],
  newer: readonly string[],
  gets: NonNullable<Step['gets']>,
  more: Pick<Case, 'optional'> & { readonly rfc?: string } = {},
): Case {
  return {
    says,
    rfc: '9111 3.2',
    ...more,
    steps: [
      fill(['Cache-Control: max-age=1', 'ETag: "a"', ...stored]),
      {
        pauseMs: A_WHILE_MS,
        from: 1,
        asks: 1,
        gets,
        origin: { status: 304, headers: ['ETag: "a"', 'Cache-Control: max-age=3600', ...newer] },
      },
      hit({ gets }),
    ],
  };
}

export const UPDATE_CASES: readonly Case[] = [
  updates('a field of a 304 replaces the stored one', ['X-A: old'], ['X-A: new'], { 'X-A': 'new' }),
  updates('a field of a 304 is added', [], ['X-A: new'], { 'X-A': 'new' }),
  updates('a field a 304 does not have stays', ['X-A: old'], [], { 'X-A': 'old' }),
  updates('a field of a 304 replaces all stored lines of it', ['X-A: 1', 'X-A: 2'], ['X-A: 3'], {
    'X-A': '3',
  }),
  updates('all lines of a field of a 304 are taken', ['X-A: 1'], ['X-A: 2', 'X-A: 3'], { 'X-A': '2, 3' }),
  updates('a field is replaced whatever the case of its name', ['X-A: old'], ['x-a: new'], { 'X-A': 'new' }),
  updates('Cache-Control of a 304 replaces the stored one', ['X-A: 1'], [], {
    'Cache-Control': 'max-age=3600',
  }),
  updates(
    'Expires of a 304 replaces the stored one',
    ['Expires: Wed, 01 Jan 2020 00:00:00 GMT'],
    ['Expires: Sat, 01 Jan 2095 00:00:00 GMT'],
    { Expires: 'Sat, 01 Jan 2095 00:00:00 GMT' },
  ),
  updates(
    'Last-Modified of a 304 replaces the stored one',
    ['Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT'],
    ['Last-Modified: Fri, 01 Jan 2021 00:00:00 GMT'],
    { 'Last-Modified': 'Fri, 01 Jan 2021 00:00:00 GMT' },
  ),
  {
    says: 'Date of a 304 replaces the stored one',
    rfc: '9111 3.2',
    steps: [
      fill(['Date: Sat, 01 Jan 2022 00:00:00 GMT', 'Age: 100', 'Cache-Control: max-age=1', 'ETag: "a"']),
      {
        from: 1,
        asks: 1,
        origin: {
          status: 304,
          headers: ['Date: Sun, 01 Jan 2023 00:00:00 GMT', 'ETag: "a"', 'Cache-Control: max-age=999999999'],
        },
      },
      hit({ gets: { Date: 'Sun, 01 Jan 2023 00:00:00 GMT' } }),
    ],
  },
  updates(
    'Content-Type of a 304 replaces the stored one',
    ['Content-Type: text/a'],
    ['Content-Type: text/b'],
    {
      'Content-Type': 'text/b',
    },
    { optional: true },
  ),
  updates('Content-Length of a 304 is not taken', [], ['Content-Length: 3'], {
    'X-A': null,
    'Content-Length': /^\d\d$/,
  }),
  updates(
    'Content-Encoding of a 304 does not relabel the stored body',
    ['Content-Encoding: gzip'],
    ['Content-Encoding: br'],
    { 'Content-Encoding': 'gzip' },
    { optional: true },
  ),
  updates(
    'Content-Range of a 304 is not taken',
    [],
    ['Content-Range: bytes 0-1/2'],
    { 'Content-Range': null },
    {
      optional: true,
    },
  ),
  updates('Transfer-Encoding of a 304 is not taken', [], ['Transfer-Encoding: chunked'], {
    'Transfer-Encoding': null,
  }),
  updates(
    'Keep-Alive of a 304 is not taken',
    [],
    ['Keep-Alive: timeout=77'],
    { 'Keep-Alive': null },
    {
      rfc: '9111 3.1',
    },
  ),
  updates(
    'a field that Connection names in a 304 is not taken',
    ['X-Kept: 1'],
    ['Connection: X-Hop', 'X-Hop: 1'],
    { 'X-Hop': null, 'X-Kept': '1' },
    { rfc: '9111 3.1' },
  ),
  {
    says: 'a 304 with no-store updates nothing for longer than its request',
    rfc: '9111 5.2.2.5',
    optional: true,
    steps: [
      fill(['Cache-Control: max-age=1', 'ETag: "a"']),
      {
        pauseMs: A_WHILE_MS,
        from: 1,
        asks: 1,
        origin: { status: 304, headers: ['ETag: "a"', 'Cache-Control: no-store'] },
      },
      { origin: {}, asks: 1 },
    ],
  },
  {
    says: 'a 304 with must-revalidate makes the stored answer strict',
    rfc: '9111 3.2',
    steps: [
      fill(['Cache-Control: max-age=1, stale-if-error=3600', 'ETag: "a"']),
      {
        pauseMs: A_WHILE_MS,
        from: 1,
        asks: 1,
        origin: { status: 304, headers: ['ETag: "a"', 'Cache-Control: max-age=1, must-revalidate'] },
      },
      { pauseMs: A_WHILE_MS, origin: { status: 503 }, status: [503, 504], body: ANYTHING },
    ],
  },
];
