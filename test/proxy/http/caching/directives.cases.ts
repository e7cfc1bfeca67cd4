import { A_WHILE_MS, ANYTHING, type Case, fill, hit, miss, type Step } from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';

/** An answer is stored with `stored`; a request with `directive` is then a hit, or reaches the origin. */
function asked(
  says: string,
  rfc: string,
  stored: readonly string[],
  directive: string,
  expected: 'hit' | 'miss',
  more: Step & Pick<Case, 'optional'> = {},
): Case {
  const { optional, ...step } = more;
  const headers = [directive];
  return {
    says,
    rfc,
    ...(optional && { optional }),
    steps: [fill(stored), expected === 'hit' ? hit({ headers, ...step }) : miss({ headers, ...step })],
  };
}

const FOR_A_MINUTE = ['Cache-Control: max-age=60', 'Age: 30'];
const STALE_SOON = ['Cache-Control: max-age=1'];
const LATER = { pauseMs: A_WHILE_MS };

const FRESHNESS: readonly Case[] = [
  asked('no-cache reaches the origin', '9111 5.2.1.4', [FRESH], 'Cache-Control: no-cache', 'miss'),
  asked('no-cache is understood in any case', '9111 5.2', [FRESH], 'cache-control: No-Cache', 'miss'),
  asked(
    'no-cache among others reaches the origin',
    '9111 5.2',
    [FRESH],
    'Cache-Control: max-stale=5, no-cache',
    'miss',
  ),
  asked(
    'no-cache goes before immutable',
    '8246 2.1',
    ['Cache-Control: max-age=3600, immutable'],
    'Cache-Control: no-cache',
    'miss',
  ),
  {
    says: 'what no-cache brings replaces what is stored',
    rfc: '9111 4',
    steps: [
      fill([FRESH]),
      { headers: ['Cache-Control: no-cache'], origin: { headers: [FRESH] } },
      hit({ from: 2 }),
    ],
  },
  {
    says: 'no-cache may be answered by a validation of what is stored',
    rfc: '9111 5.2.1.4',
    optional: true,
    steps: [
      fill([FRESH, 'ETag: "a"']),
      {
        from: 1,
        asks: 1,
        headers: ['Cache-Control: no-cache'],
        asked: { 'If-None-Match': '"a"' },
        origin: { status: 304, headers: ['ETag: "a"', FRESH] },
      },
      hit(),
    ],
  },
  {
    says: 'no-cache that brings an error leaves the client with the error',
    rfc: '9111 5.2.1.4',
    steps: [fill([FRESH]), { headers: ['Cache-Control: no-cache'], origin: { status: 404 } }],
  },
  {
    says: 'no-cache that brings a no-store answer removes what is stored, or keeps it fresh, but does not mix them',
    rfc: '9111 3',
    steps: [
      fill([FRESH]),
      {
        headers: ['Cache-Control: no-cache'],
        origin: { headers: ['Cache-Control: no-store', 'X-A: secret'] },
      },
      { from: 1, asks: 'any', body: ANYTHING, origin: {}, gets: { 'X-A': null } },
    ],
  },
  asked(
    'Pragma: no-cache is no-cache where there is no Cache-Control',
    '9111 5.4',
    [FRESH],
    'Pragma: no-cache',
    'miss',
    { optional: true },
  ),
  {
    says: 'Pragma: no-cache beside a Cache-Control means nothing',
    rfc: '9111 5.4',
    optional: true,
    steps: [fill([FRESH]), hit({ headers: ['Pragma: no-cache', 'Cache-Control: max-age=1000'] })],
  },
  asked('max-age=0 reaches the origin', '9111 5.2.1.1', [FRESH], 'Cache-Control: max-age=0', 'miss'),
  asked(
    'an Age above the max-age asked for reaches the origin',
    '9111 5.2.1.1',
    FOR_A_MINUTE,
    'Cache-Control: max-age=10',
    'miss',
  ),
  asked(
    'an Age below the max-age asked for is a hit',
    '9111 5.2.1.1',
    FOR_A_MINUTE,
    'Cache-Control: max-age=45',
    'hit',
  ),
  asked(
    'a max-age asked for does not make a stale answer fresh',
    '9111 5.2.1.1',
    STALE_SOON,
    'Cache-Control: max-age=3600',
    'miss',
    LATER,
  ),
  asked(
    'a min-fresh below the time left is a hit',
    '9111 5.2.1.3',
    FOR_A_MINUTE,
    'Cache-Control: min-fresh=10',
    'hit',
  ),
  asked(
    'a min-fresh above the time left reaches the origin',
    '9111 5.2.1.3',
    FOR_A_MINUTE,
    'Cache-Control: min-fresh=45',
    'miss',
  ),
  asked(
    'a min-fresh of more than the whole time reaches the origin',
    '9111 5.2.1.3',
    FOR_A_MINUTE,
    'Cache-Control: min-fresh=3600',
    'miss',
  ),
  asked('a directive nobody knows changes nothing', '9111 5.2.3', [FRESH], 'Cache-Control: frob=0', 'hit'),
  asked('no-transform changes nothing', '9111 5.2.1.6', [FRESH], 'Cache-Control: no-transform', 'hit'),
  asked(
    'a max-age that is no number does not open what is stale',
    '9111 4.2.1',
    STALE_SOON,
    'Cache-Control: max-age=soon',
    'miss',
    LATER,
  ),
];

const LENIENCE: readonly Case[] = [
  asked('max-stale takes what is stale', '9111 5.2.1.2', STALE_SOON, 'Cache-Control: max-stale', 'hit', {
    ...LATER,
    age: [2, 8],
    optional: true,
  }),
  asked(
    'max-stale takes what is stale for no longer than it says',
    '9111 5.2.1.2',
    STALE_SOON,
    'Cache-Control: max-stale=60',
    'hit',
    { ...LATER, optional: true },
  ),
  asked(
    'max-stale does not take what is stale for longer than it says',
    '9111 5.2.1.2',
    ['Cache-Control: max-age=10', 'Age: 60', 'ETag: "a"'],
    'Cache-Control: max-stale=20',
    'miss',
  ),
  asked(
    'max-stale=0 takes nothing that is stale',
    '9111 5.2.1.2',
    STALE_SOON,
    'Cache-Control: max-stale=0',
    'miss',
    LATER,
  ),
  asked(
    'max-stale that is no number takes nothing far stale',
    '9111 5.2.1.2',
    ['Cache-Control: max-age=10', 'Age: 60', 'ETag: "a"'],
    'Cache-Control: max-stale=-5',
    'miss',
    { optional: true },
  ),
  asked(
    'max-stale does not go against must-revalidate',
    '9111 5.2.2.2',
    ['Cache-Control: max-age=1, must-revalidate'],
    'Cache-Control: max-stale=60',
    'miss',
    LATER,
  ),
  asked(
    'max-stale does not go against proxy-revalidate',
    '9111 5.2.2.8',
    ['Cache-Control: max-age=1, proxy-revalidate'],
    'Cache-Control: max-stale=60',
    'miss',
    LATER,
  ),
  asked(
    'max-stale does not go against s-maxage',
    '9111 5.2.2.10',
    ['Cache-Control: s-maxage=1'],
    'Cache-Control: max-stale=60',
    'miss',
    LATER,
  ),
  asked(
    'max-stale does not go against no-cache',
    '9111 5.2.2.4',
    ['Cache-Control: no-cache, max-age=3600'],
    'Cache-Control: max-stale=60',
    'miss',
  ),
  asked(
    'max-stale does not open what is no-store',
    '9111 5.2.2.5',
    ['Cache-Control: no-store'],
    'Cache-Control: max-stale',
    'miss',
  ),
  asked(
    'without max-stale nothing stale is taken',
    '9111 4.2.4',
    STALE_SOON,
    'Cache-Control: max-age=60',
    'miss',
    LATER,
  ),
];

const ONLY_IF_CACHED = ['Cache-Control: only-if-cached'];
const GATEWAY_TIMEOUT: Step = { headers: ONLY_IF_CACHED, status: 504, asks: 0, body: ANYTHING };

const CACHED_ONLY: readonly Case[] = [
  {
    says: 'only-if-cached of what is not stored is a 504, and the origin is not asked',
    rfc: '9111 5.2.1.7',
    steps: [GATEWAY_TIMEOUT, miss({ origin: { headers: [FRESH] } }), hit({ from: 2 })],
  },
  asked('only-if-cached of what is fresh is a hit', '9111 5.2.1.7', [FRESH], ONLY_IF_CACHED[0] ?? '', 'hit'),
  {
    says: 'only-if-cached of what is stale is a 504',
    rfc: '9111 5.2.1.7',
    steps: [fill(STALE_SOON), { ...GATEWAY_TIMEOUT, pauseMs: A_WHILE_MS }],
  },
  {
    says: 'only-if-cached with max-stale takes what is stale',
    rfc: '9111 5.2.1.7',
    optional: true,
    steps: [
      fill(STALE_SOON),
      hit({ pauseMs: A_WHILE_MS, headers: ['Cache-Control: only-if-cached, max-stale=60'] }),
    ],
  },
  {
    says: 'only-if-cached of another variant is a 504',
    rfc: '9111 5.2.1.7',
    steps: [
      fill([FRESH, 'Vary: X-Kind'], { headers: ['X-Kind: a'] }),
      { ...GATEWAY_TIMEOUT, headers: [...ONLY_IF_CACHED, 'X-Kind: b'] },
    ],
  },
  {
    says: 'only-if-cached of what must be validated is a 504',
    rfc: '9111 5.2.1.7',
    steps: [fill(['Cache-Control: no-cache', 'ETag: "a"']), GATEWAY_TIMEOUT],
  },
  {
    says: 'only-if-cached with no-cache is a 504',
    rfc: '9111 5.2.1.7',
    steps: [fill([FRESH]), { ...GATEWAY_TIMEOUT, headers: ['Cache-Control: only-if-cached, no-cache'] }],
  },
  {
    says: 'only-if-cached with the ETag of what is fresh is a 304',
    rfc: '9111 4.3.2',
    steps: [
      fill([FRESH, 'ETag: "a"']),
      hit({ headers: [...ONLY_IF_CACHED, 'If-None-Match: "a"'], status: 304 }),
    ],
  },
  {
    says: 'only-if-cached of a HEAD is answered from a stored GET',
    rfc: '9110 9.3.2',
    optional: true,
    steps: [fill([FRESH]), hit({ method: 'HEAD', headers: ONLY_IF_CACHED })],
  },
];

const NOT_KEPT: readonly Case[] = [
  {
    says: 'no-store in a request leaves nothing for another client',
    rfc: '9111 5.2.1.5',
    steps: [
      fill(['Cache-Control: public, max-age=3600'], { headers: ['Cache-Control: No-Store'] }),
      miss({ client: 2 }),
    ],
  },
  {
    says: 'no-store in a request that replaces a stale answer keeps the new one out',
    rfc: '9111 5.2.1.5',
    steps: [
      fill(STALE_SOON),
      { pauseMs: A_WHILE_MS, headers: ['Cache-Control: no-store'], origin: { headers: [FRESH] } },
      miss(),
    ],
  },
  {
    says: 'directives of a request are passed on to the origin',
    rfc: '9111 5.2',
    steps: [
      fill([FRESH], { headers: ['Cache-Control: max-age=0, frob=1'], asked: { 'Cache-Control': /frob=1/ } }),
    ],
  },
];

export const DIRECTIVE_CASES: readonly Case[] = [...FRESHNESS, ...LENIENCE, ...CACHED_ONLY, ...NOT_KEPT];
