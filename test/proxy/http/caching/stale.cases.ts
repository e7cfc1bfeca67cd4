import { A_WHILE_MS, ANYTHING, type Answer, type Case, fill, hit, miss, type Step } from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';
const LOST: Answer = { raw: '' };

/** Stored with `stored`, grown stale, and then the origin answers `origin`. */
function whenStale(
  says: string,
  rfc: string,
  stored: readonly string[],
  step: Step,
  more: { readonly optional?: true; readonly pauseMs?: number; readonly next?: readonly Step[] } = {},
): Case {
  const { optional, pauseMs = A_WHILE_MS, next = [] } = more;
  return { says, rfc, ...(optional && { optional }), steps: [fill(stored), { pauseMs, ...step }, ...next] };
}

const REFRESHING = ['Cache-Control: max-age=1, stale-while-revalidate=60'];
/** The stale answer at once, though the origin is slow; the origin is asked behind it. */
const BEHIND: Step = {
  from: 1,
  asks: 1,
  withinMs: 900,
  settleMs: 1_700,
  age: [2, 8],
  origin: { delayMs: 1_200, headers: [FRESH] },
};

const WHILE_REVALIDATING: readonly Case[] = [
  whenStale('a stale answer is sent at once while a new one is fetched, once', '5861 3', REFRESHING, BEHIND, {
    next: [hit({ from: 2 })],
  }),
  whenStale(
    'a stale answer is sent at once while it is validated',
    '5861 3',
    [...REFRESHING, 'ETag: "a"'],
    {
      ...BEHIND,
      asked: { 'If-None-Match': '"a"' },
      origin: { delayMs: 1_200, status: 304, headers: [FRESH, 'ETag: "a"', 'X-A: new'] },
    },
    { next: [hit({ age: [0, 6], gets: { 'X-A': 'new' } })] },
  ),
  whenStale(
    'a fetch behind an answer to only-if-cached does not say only-if-cached itself',
    '5861 3',
    REFRESHING,
    {
      from: 1,
      headers: ['Cache-Control: only-if-cached'],
      status: [200, 504],
      body: ANYTHING,
      asks: 'any',
      asked: { 'Cache-Control': /^(?!.*only-if-cached)/ },
      settleMs: 200,
      origin: { headers: [FRESH] },
    },
  ),
  whenStale(
    'a fetch behind an answer with a part is one of the whole',
    '5861 3',
    REFRESHING,
    {
      headers: ['Range: bytes=0-5'],
      status: [200, 206],
      body: /^answer/,
      asks: 'any',
      asked: { Range: null },
      settleMs: 200,
      origin: { headers: [FRESH] },
    },
    { next: [{ from: 2, asks: 'any', origin: { headers: [FRESH] } }] },
  ),
  whenStale(
    'a fetch behind an answer to HEAD is one of the whole',
    '5861 3',
    REFRESHING,
    { method: 'HEAD', status: 200, asks: 'any', settleMs: 200, origin: { headers: [FRESH] } },
    { next: [{ status: 200, asks: 'any', body: /^answer [123] /, origin: { headers: [FRESH] } }] },
  ),
  whenStale(
    "a fetch behind asks with the cache's condition, not the client's",
    '5861 3',
    [...REFRESHING, 'ETag: "a"'],
    {
      from: 1,
      headers: ['If-None-Match: "other"'],
      asks: 'any',
      asked: { 'If-None-Match': /^(?!.*other)/ },
      settleMs: 200,
      origin: { headers: [FRESH], body: 'the other' },
    },
    { next: [{ status: 200, asks: 'any', body: /^answer [13] |^the other$/, origin: { headers: [FRESH] } }] },
  ),
  whenStale(
    'a fetch behind an answer to Authorization is not stored for others',
    '9111 3.5',
    REFRESHING,
    {
      from: 1,
      client: 1,
      headers: ['Authorization: Basic eDp5'],
      asks: 'any',
      settleMs: 200,
      origin: { headers: [FRESH], body: 'secret' },
    },
    { next: [{ client: 2, status: 200, asks: 'any', body: /^answer/, origin: { headers: [FRESH] } }] },
  ),
  whenStale(
    'the window of stale-while-revalidate ends',
    '5861 3',
    ['Cache-Control: max-age=1, stale-while-revalidate=1'],
    miss(),
    { pauseMs: 3_200 },
  ),
  ...['must-revalidate', 'proxy-revalidate', 'no-cache'].map((directive) =>
    whenStale(
      `stale-while-revalidate does not go against ${directive}`,
      '9111 4.2.4',
      [`Cache-Control: max-age=1, stale-while-revalidate=60, ${directive}`],
      miss(),
    ),
  ),
  whenStale(
    'stale-while-revalidate does not go against s-maxage',
    '9111 5.2.2.10',
    ['Cache-Control: s-maxage=1, stale-while-revalidate=60'],
    miss(),
  ),
  whenStale(
    'stale-while-revalidate does not go against no-cache in the request',
    '9111 5.2.1.4',
    REFRESHING,
    miss({ headers: ['Cache-Control: no-cache'] }),
  ),
  whenStale(
    'a fetch behind that fails leaves the stale answer in its window',
    '5861 3',
    REFRESHING,
    { from: 1, asks: 1, settleMs: 300, origin: { status: 503 } },
    { next: [{ from: 1, asks: 1, settleMs: 300, origin: { status: 503 } }] },
  ),
  whenStale(
    'a fetch behind that finds the answer gone does not keep it alive',
    '5861 3',
    REFRESHING,
    { from: 1, asks: 1, settleMs: 300, origin: { status: 404, headers: [FRESH] } },
    { next: [hit({ from: 2 })] },
  ),
  whenStale(
    'a fetch behind that is cut short does not spoil what is stored',
    '5861 3',
    REFRESHING,
    { from: 1, asks: 1, settleMs: 300, origin: { headers: [FRESH], cut: 'end' } },
    { next: [{ status: 200, asks: 'any', settleMs: 300, body: /^answer [13] / }] },
  ),
  whenStale(
    'a fetch behind that finds a private answer shows it to nobody',
    '9111 5.2.2.7',
    REFRESHING,
    {
      from: 1,
      asks: 1,
      settleMs: 300,
      origin: { headers: ['Cache-Control: private, max-age=60'], body: 'secret' },
    },
    { next: [{ client: 2, asks: 'any', body: /^answer/, origin: { headers: [FRESH] } }] },
  ),
  {
    says: 'what is fresh is not fetched behind',
    rfc: '5861 3',
    steps: [fill(['Cache-Control: max-age=3600, stale-while-revalidate=60']), hit({ settleMs: 300 })],
  },
  whenStale(
    'stale-while-revalidate without a number gives no time',
    '5861 3',
    ['Cache-Control: max-age=1, stale-while-revalidate'],
    miss(),
  ),
];

const FORGIVING = ['Cache-Control: max-age=1, stale-if-error=60'];

const IF_ERROR: readonly Case[] = [
  ...[500, 502, 503, 504].map((status) =>
    whenStale(`a stale answer is sent instead of a ${status} under stale-if-error`, '5861 4', FORGIVING, {
      from: 1,
      asks: 1,
      age: [2, 8],
      origin: { status },
    }),
  ),
  whenStale('a stale answer is sent instead of none under stale-if-error', '5861 4', FORGIVING, {
    from: 1,
    asks: 'any',
    origin: LOST,
  }),
  whenStale(
    'a stale answer sent instead of an error was validated first',
    '5861 4',
    [...FORGIVING, 'ETag: "a"'],
    { from: 1, asks: 1, asked: { 'If-None-Match': '"a"' }, origin: { status: 503 } },
  ),
  whenStale(
    'a stale answer sent instead of an error is replaced by the next good one',
    '5861 4',
    FORGIVING,
    { from: 1, asks: 1, origin: { status: 503 } },
    { next: [miss({ origin: { headers: [FRESH] } }), hit({ from: 3 })] },
  ),
  ...[404, 403, 410].map((status) =>
    whenStale(`a ${status} is no error that stale-if-error is for`, '5861 4', FORGIVING, {
      origin: { status },
    }),
  ),
  whenStale(
    'the window of stale-if-error ends',
    '5861 4',
    ['Cache-Control: max-age=1, stale-if-error=1'],
    { origin: { status: 503 } },
    {
      pauseMs: 3_200,
    },
  ),
  ...['must-revalidate', 'proxy-revalidate', 'no-cache'].map((directive) =>
    whenStale(
      `stale-if-error does not go against ${directive}`,
      '9111 4.2.4',
      [`Cache-Control: max-age=1, stale-if-error=60, ${directive}`],
      { origin: { status: 503 }, status: [503, 504], body: /^(?!answer 1 )/ },
    ),
  ),
  whenStale(
    'stale-if-error does not go against s-maxage',
    '9111 5.2.2.10',
    ['Cache-Control: s-maxage=1, stale-if-error=60'],
    { origin: { status: 503 }, status: [503, 504], body: /^(?!answer 1 )/ },
  ),
  whenStale(
    'stale-if-error in a request is a wish for the stale answer',
    '5861 4',
    ['Cache-Control: max-age=1'],
    {
      headers: ['Cache-Control: stale-if-error=60'],
      from: 1,
      asks: 1,
      origin: { status: 503 },
    },
    { optional: true },
  ),
];

const NEVER_STALE: Step = { origin: LOST, asks: 'any', status: [502, 504], body: /^(?!answer 1 )/ };

const DISCONNECTED: readonly Case[] = [
  whenStale(
    'a stale answer may be sent when the origin does not answer',
    '9111 4.2.4',
    ['Cache-Control: max-age=1'],
    {
      from: 1,
      asks: 'any',
      origin: LOST,
    },
    { optional: true },
  ),
  ...['must-revalidate, max-age=1', 'proxy-revalidate, max-age=1', 's-maxage=1', 'no-cache'].map(
    (directives) =>
      whenStale(
        `"${directives}" is not sent stale when the origin does not answer`,
        '9111 4.2.4',
        [`Cache-Control: ${directives}`],
        NEVER_STALE,
      ),
  ),
  whenStale(
    'no-cache in a request is not answered from the cache when the origin does not answer',
    '9111 4.2.4',
    [FRESH],
    {
      ...NEVER_STALE,
      headers: ['Cache-Control: no-cache'],
    },
    { pauseMs: 0 },
  ),
  whenStale(
    'a new answer cut short is not completed from the old one',
    '9111 3.3',
    ['Cache-Control: max-age=1, stale-if-error=60', 'ETag: "a"'],
    { origin: { headers: [FRESH], body: 'a new body that is never sent whole', cut: 'end' }, isCut: true },
    { next: [{ asks: 'any', from: 3, status: 200, body: /^answer [13]/, origin: { headers: [FRESH] } }] },
  ),
];

/** Stale when it arrives, for longer than its windows: it may be stored, and is of no use. */
const FAR_GONE: readonly Case[] = [
  {
    says: 'an Age beyond the window of stale-while-revalidate is not sent',
    rfc: '5861 3',
    steps: [fill(['Cache-Control: max-age=10, stale-while-revalidate=50', 'Age: 100']), miss()],
  },
  {
    says: 'an Age beyond the window of stale-if-error is not sent',
    rfc: '5861 4',
    steps: [
      fill(['Cache-Control: max-age=10, stale-if-error=50', 'Age: 100']),
      { origin: { status: 503 }, status: 503 },
    ],
  },
];

export const STALE_CASES: readonly Case[] = [
  ...WHILE_REVALIDATING,
  ...IF_ERROR,
  ...DISCONNECTED,
  ...FAR_GONE,
];
