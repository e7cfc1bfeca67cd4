import { A_WHILE_MS, type Case, fill, hit, miss, type Step } from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';

function varies(by: string, headers: readonly string[]): Step {
  return fill([FRESH, `Vary: ${by}`], { headers });
}

function pair(
  says: string,
  by: string,
  first: readonly string[],
  second: readonly string[],
  expected: 'hit' | 'miss' | 'may hit',
): Case {
  return {
    says,
    rfc: '9111 4.1',
    ...(expected === 'may hit' && { optional: true }),
    steps: [varies(by, first), expected === 'miss' ? miss({ headers: second }) : hit({ headers: second })],
  };
}

const GERMAN = ['Accept-Language: de'];
const ENGLISH = ['Accept-Language: en'];
const FRENCH = ['Accept-Language: fr'];

const MATCHING: readonly Case[] = [
  pair('the same value of a varying field matches', 'Accept-Language', GERMAN, GERMAN, 'hit'),
  pair('another value of a varying field does not match', 'Accept-Language', GERMAN, ENGLISH, 'miss'),
  pair('a varying field absent from both matches', 'Accept-Language', [], [], 'hit'),
  pair('a varying field absent from the second does not match', 'Accept-Language', GERMAN, [], 'miss'),
  pair('a varying field absent from the first does not match', 'Accept-Language', [], GERMAN, 'miss'),
  pair('an empty varying field is not an absent one', 'X-Kind', ['X-Kind:'], [], 'miss'),
  pair(
    'a field that does not vary may differ',
    'Accept-Language',
    [...GERMAN, 'X-A: 1'],
    [...GERMAN, 'X-A: 2'],
    'hit',
  ),
  pair(
    'two varying fields match when both do',
    'X-A, X-B',
    ['X-A: 1', 'X-B: 2'],
    ['X-B: 2', 'X-A: 1'],
    'hit',
  ),
  pair(
    'two varying fields do not match when the first does not',
    'X-A, X-B',
    ['X-A: 1', 'X-B: 2'],
    ['X-A: 2', 'X-B: 2'],
    'miss',
  ),
  pair(
    'two varying fields do not match when the second does not',
    'X-A, X-B',
    ['X-A: 1', 'X-B: 2'],
    ['X-A: 1', 'X-B: 1'],
    'miss',
  ),
  pair(
    'values of two varying fields are not confused',
    'X-A, X-B',
    ['X-A: 1', 'X-B: 2'],
    ['X-A: 2', 'X-B: 1'],
    'miss',
  ),
  pair(
    'values of two varying fields do not run together',
    'X-A, X-B',
    ['X-A: 1', 'X-B: 12'],
    ['X-A: 11', 'X-B: 2'],
    'miss',
  ),
  pair('names in Vary are understood in any case', 'aCCept-lanGuage', GERMAN, GERMAN, 'hit'),
  pair('names in Vary are compared in any case', 'aCCept-lanGuage', GERMAN, ENGLISH, 'miss'),
  pair(
    'names of request fields are compared in any case',
    'Accept-Language',
    GERMAN,
    ['ACCEPT-language: de'],
    'hit',
  ),
  pair('values are compared as they are spelled', 'X-Kind', ['X-Kind: a'], ['X-Kind: A'], 'miss'),
  pair('a value is not its beginning', 'X-Kind', ['X-Kind: abc'], ['X-Kind: ab'], 'miss'),
  pair('empty elements in Vary are passed over', ', X-Kind,,', ['X-Kind: a'], ['X-Kind: a'], 'hit'),
  pair('Vary: * matches nothing', '*', [], [], 'miss'),
  pair('Vary: * ahead of a field matches nothing', '*, X-Kind', ['X-Kind: a'], ['X-Kind: a'], 'miss'),
  pair('Vary: * after a field matches nothing', 'X-Kind, *', ['X-Kind: a'], ['X-Kind: a'], 'miss'),
  pair(
    'white space around elements may be overlooked',
    'X-Kind',
    ['X-Kind: a,b'],
    ['X-Kind: a,  b'],
    'may hit',
  ),
  pair(
    'white space at the ends of a value is none of it',
    'X-Kind',
    ['X-Kind: a'],
    ['X-Kind:   a \t '],
    'hit',
  ),
  pair(
    'a list on two lines may match one on one line',
    'X-Kind',
    ['X-Kind: a', 'X-Kind: b'],
    ['X-Kind: a, b'],
    'may hit',
  ),
  pair(
    'two lines in another order do not match',
    'X-Kind',
    ['X-Kind: a', 'X-Kind: b'],
    ['X-Kind: b', 'X-Kind: a'],
    'miss',
  ),
  pair(
    'an answer coded for one client is not given to another',
    'Accept-Encoding',
    ['Accept-Encoding: gzip'],
    ['Accept-Encoding: identity'],
    'miss',
  ),
  pair(
    'an answer for one cookie is not given to another',
    'Cookie',
    ['Cookie: id=1'],
    ['Cookie: id=2'],
    'miss',
  ),
  pair(
    'an answer for one site is not given to another',
    'Origin',
    ['Origin: http://a'],
    ['Origin: http://b'],
    'miss',
  ),
  pair(
    'a field named as a property of every object varies',
    '__proto__',
    ['__proto__: a'],
    ['__proto__: b'],
    'miss',
  ),
  {
    says: 'without Vary, requests may differ in every field',
    rfc: '9111 4.1',
    steps: [fill([FRESH], { headers: GERMAN }), hit({ headers: ENGLISH })],
  },
  {
    says: 'Vary on two lines is one list',
    rfc: '9110 5.3',
    steps: [
      fill([FRESH, 'Vary: X-A', 'Vary: X-B'], { headers: ['X-A: 1', 'X-B: 2'] }),
      miss({ headers: ['X-A: 1', 'X-B: 3'] }),
    ],
  },
];

const VARIANTS: readonly Case[] = [
  {
    says: 'variants are kept side by side',
    rfc: '9111 4.1',
    steps: [
      varies('Accept-Language', GERMAN),
      varies('Accept-Language', ENGLISH),
      varies('Accept-Language', FRENCH),
      hit({ headers: GERMAN, from: 1 }),
      hit({ headers: ENGLISH, from: 2 }),
      hit({ headers: FRENCH, from: 3 }),
    ],
  },
  {
    says: 'a variant without the field is kept beside one with it',
    rfc: '9111 4.1',
    steps: [
      varies('Accept-Language', []),
      varies('Accept-Language', GERMAN),
      hit({ headers: [], from: 1 }),
      hit({ headers: GERMAN, from: 2 }),
    ],
  },
  {
    says: 'variants each have their own time',
    rfc: '9111 4.1',
    steps: [
      fill(['Cache-Control: max-age=1', 'Vary: Accept-Language'], { headers: GERMAN }),
      varies('Accept-Language', ENGLISH),
      hit({ pauseMs: A_WHILE_MS, headers: ENGLISH, from: 2 }),
      miss({ headers: GERMAN }),
    ],
  },
  {
    says: 'a variant is validated with its own ETag',
    rfc: '9111 4.3.1',
    steps: [
      fill(['Cache-Control: max-age=1', 'Vary: Accept-Language', 'ETag: "de"'], { headers: GERMAN }),
      fill(['Cache-Control: max-age=1', 'Vary: Accept-Language', 'ETag: "en"'], { headers: ENGLISH }),
      {
        pauseMs: A_WHILE_MS,
        headers: GERMAN,
        from: 1,
        asks: 1,
        asked: { 'If-None-Match': /"de"/, 'Accept-Language': 'de' },
        origin: { status: 304, headers: [FRESH, 'Vary: Accept-Language', 'ETag: "de"'] },
      },
      {
        headers: ENGLISH,
        from: 2,
        asks: 1,
        asked: { 'If-None-Match': /"en"/, 'Accept-Language': 'en' },
        origin: { status: 304, headers: [FRESH, 'Vary: Accept-Language', 'ETag: "en"'] },
      },
      hit({ headers: GERMAN, from: 1 }),
    ],
  },
  {
    says: 'where no variant matches, a client that has nothing gets no bare 304',
    rfc: '9111 4.3.4',
    steps: [
      fill([FRESH, 'Vary: Accept-Language', 'ETag: "de"'], { headers: GERMAN }),
      {
        headers: ENGLISH,
        status: 200,
        asks: 'any',
        origin: ({ headers }) =>
          headers.some(({ name }) => name.toLowerCase() === 'if-none-match')
            ? { status: 304, headers: ['ETag: "de"'], body: 'answer 2, chosen by its ETag' }
            : { headers: ['Vary: Accept-Language', 'ETag: "en"'], body: 'answer 2, chosen by its ETag' },
        body: /^answer [12]/,
      },
    ],
  },
  {
    says: 'a changed Vary counts from the next answer on',
    rfc: '9111 4.1',
    steps: [
      fill(['Cache-Control: max-age=0', 'Vary: X-A'], { headers: ['X-A: 1', 'X-B: 1'] }),
      fill([FRESH, 'Vary: X-B'], { headers: ['X-A: 1', 'X-B: 1'] }),
      hit({ from: 2, headers: ['X-A: 1', 'X-B: 1'] }),
      miss({ headers: ['X-A: 1', 'X-B: 2'] }),
    ],
  },
  {
    says: 'an unsafe request removes every variant',
    rfc: '9111 4.4',
    steps: [
      varies('Accept-Language', GERMAN),
      varies('Accept-Language', ENGLISH),
      miss({ method: 'POST', sends: 'x' }),
      miss({ headers: GERMAN }),
      miss({ headers: ENGLISH }),
    ],
  },
  {
    says: 'Vary is sent with a stored answer',
    rfc: '9110 12.5.5',
    steps: [varies('Accept-Language', GERMAN), hit({ headers: GERMAN, gets: { Vary: 'Accept-Language' } })],
  },
];

export const VARY_CASES: readonly Case[] = [...MATCHING, ...VARIANTS];
