import { type Case, refetches, reuses } from './case.ts';

const LONG_UNCHANGED = 'Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT';

/** RFC 9110 section 15.1, less 206, which is a partial answer. */
const HEURISTIC = [203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
const NOT_HEURISTIC = [201, 202, 302, 303, 307, 400, 402, 403, 406, 418, 429, 500, 502, 503, 504, 599];

export const HEURISTIC_CASES: readonly Case[] = [
  reuses('a 200 long unchanged is reused without being told so', '9111 4.2.2', [LONG_UNCHANGED]),
  reuses('a 200 long unchanged and public is reused', '9111 4.2.2', [
    LONG_UNCHANGED,
    'Cache-Control: public',
  ]),
  ...HEURISTIC.map((status) =>
    reuses(`a ${status} long unchanged may be reused without being told so`, '9110 15.1', [LONG_UNCHANGED], {
      optional: true,
      answer: { status },
    }),
  ),
  ...NOT_HEURISTIC.map((status) =>
    refetches(`a ${status} is not reused without being told so`, '9111 4.2.2', [LONG_UNCHANGED], {
      answer: { status },
    }),
  ),
  reuses(
    'a 302 long unchanged and public may be reused',
    '9111 4.2.2',
    [LONG_UNCHANGED, 'Cache-Control: public'],
    { optional: true, answer: { status: 302 } },
  ),
  refetches('no time is guessed where one is stated', '9111 4.2.2', [
    LONG_UNCHANGED,
    'Cache-Control: max-age=0',
  ]),
  refetches('no time is guessed beside an Expires gone by', '9111 4.2.2', [
    LONG_UNCHANGED,
    'Expires: {now-60}',
  ]),
  refetches('no time is guessed beside no-cache', '9111 5.2.2.4', [
    LONG_UNCHANGED,
    'Cache-Control: no-cache',
  ]),
  refetches('no time is guessed beside no-store', '9111 5.2.2.5', [
    LONG_UNCHANGED,
    'Cache-Control: no-store',
  ]),
  refetches('no time is guessed beside private', '9111 5.2.2.7', [LONG_UNCHANGED, 'Cache-Control: private']),
  refetches('a guess does not outlast an Age far above the time unchanged', '9111 4.2.2', [
    'Last-Modified: {now-86400}',
    'Age: 864000',
  ]),
  refetches('a Last-Modified that is no date gives no guess', '9111 4.2.2', ['Last-Modified: yesterday']),
  refetches('a Last-Modified ahead gives no guess', '9111 4.2.2', ['Last-Modified: {now+86400}']),
];
