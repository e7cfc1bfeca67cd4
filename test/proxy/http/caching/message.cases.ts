import { A_WHILE_MS, type Case, fill, hit, miss } from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';
const OLD = { version: '1.0' } as const;
const HINT = 'HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload';

const VERSIONS: readonly Case[] = [
  {
    says: 'a client of HTTP/1.0 is answered from the cache',
    rfc: '9110 2.5',
    steps: [fill([FRESH]), hit(OLD)],
  },
  {
    says: 'what a client of HTTP/1.0 asked for is stored for others',
    rfc: '9110 2.5',
    steps: [fill([FRESH], OLD), hit()],
  },
  {
    says: 'a client of HTTP/1.0 gets no chunks, from the origin or the cache',
    rfc: '9112 6.1',
    steps: [
      fill([FRESH], { ...OLD, answer: { framing: 'chunked' }, gets: { 'Transfer-Encoding': null } }),
      hit({ ...OLD, gets: { 'Transfer-Encoding': null } }),
      hit(),
    ],
  },
  {
    says: 'a client of HTTP/1.0 can ask for what is new with Pragma',
    rfc: '9111 5.4',
    optional: true,
    steps: [fill([FRESH]), miss({ ...OLD, headers: ['Pragma: no-cache'] })],
  },
  {
    says: 'a client of HTTP/1.0 gets a 304 from the cache',
    rfc: '9111 4.3.2',
    steps: [fill([FRESH, 'ETag: "a"']), hit({ ...OLD, headers: ['If-None-Match: "a"'], status: 304 })],
  },
  {
    says: 'an answer of an origin of HTTP/1.0 is reused until its Expires',
    rfc: '9110 2.5',
    steps: [
      fill(['Expires: {now+1}'], { answer: OLD }),
      miss({ pauseMs: A_WHILE_MS, origin: { headers: ['Expires: {now+60}'], ...OLD } }),
      hit({ from: 2 }),
    ],
  },
  {
    says: 'an answer of an origin of HTTP/1.0 that ends with its connection is passed on whole',
    rfc: '9112 6.3',
    steps: [fill([FRESH], { answer: { ...OLD, framing: 'close' } })],
  },
];

const INTERIM: readonly Case[] = [
  {
    says: 'a 103 ahead of an answer is passed on, and the answer stored',
    rfc: '9110 15.2',
    steps: [
      fill([FRESH], { answer: { interim: [HINT], delayMs: 50 }, interim: [103] }),
      hit({ interim: [] }),
    ],
  },
  {
    says: 'a 102 ahead of an answer is passed on',
    rfc: '9110 15.2',
    steps: [
      fill([FRESH], { answer: { interim: ['HTTP/1.1 102 Processing'], delayMs: 50 }, interim: [102] }),
      hit(),
    ],
  },
  {
    says: 'several interim answers are passed on in their order',
    rfc: '9110 15.2',
    steps: [
      fill([FRESH], {
        answer: { interim: ['HTTP/1.1 102 Processing', HINT, HINT], delayMs: 50 },
        interim: [102, 103, 103],
      }),
      hit(),
    ],
  },
  {
    says: 'an interim answer nobody knows does not end the exchange',
    rfc: '9110 15.2',
    steps: [fill([FRESH], { answer: { interim: ['HTTP/1.1 199 Miscellaneous'], delayMs: 50 } }), hit()],
  },
  {
    says: 'a client of HTTP/1.0 gets no interim answer',
    rfc: '9110 15.2',
    steps: [fill([FRESH], { ...OLD, answer: { interim: [HINT], delayMs: 50 }, interim: [] }), hit()],
  },
  {
    says: 'fields of an interim answer are not stored with the answer',
    rfc: '9110 15.2',
    steps: [
      fill([FRESH], { answer: { interim: [HINT], delayMs: 50 }, gets: { Link: null } }),
      hit({ gets: { Link: null } }),
    ],
  },
  {
    says: 'a 100 is passed on to a client that waits to send its body',
    rfc: '9110 10.1.1',
    steps: [
      {
        method: 'PUT',
        sends: 'new',
        headers: ['Expect: 100-continue'],
        asked: { Expect: '100-continue' },
        interim: [100],
        origin: ({ body }) => ({ body: `got ${body}` }),
        body: 'got new',
      },
    ],
  },
];

const TRAILERS: readonly Case[] = [
  {
    says: 'trailers are passed on to a client that takes chunks',
    rfc: '9110 6.5',
    steps: [
      fill(['Cache-Control: no-store', 'Trailer: X-Sum'], {
        headers: ['TE: trailers'],
        answer: { framing: 'chunked', trailers: ['X-Sum: 123'] },
        trailers: { 'X-Sum': '123' },
      }),
    ],
  },
  {
    says: 'trailers of an answer that could be stored are passed on',
    rfc: '9110 6.5',
    steps: [
      fill([FRESH, 'Trailer: X-Sum'], {
        headers: ['TE: trailers'],
        answer: { framing: 'chunked', trailers: ['X-Sum: 123'] },
        trailers: { 'X-Sum': '123' },
      }),
    ],
  },
  {
    says: 'trailers do not become headers, now or from the cache',
    rfc: '9110 6.5.1',
    steps: [
      fill([FRESH, 'Trailer: X-Sum'], {
        answer: { framing: 'chunked', trailers: ['X-Sum: 123', 'Cache-Control: no-store', 'ETag: "forged"'] },
        gets: { 'X-Sum': null, ETag: null },
      }),
      {
        origin: { headers: [FRESH] },
        asks: 'any',
        body: /^answer [12] /,
        gets: { 'X-Sum': null, ETag: null, 'Cache-Control': 'max-age=3600' },
      },
    ],
  },
  {
    says: 'trailers do not reach a client of HTTP/1.0',
    rfc: '9112 7.1',
    steps: [
      fill([FRESH], {
        ...OLD,
        answer: { framing: 'chunked', trailers: ['X-Sum: 123'] },
        gets: { 'X-Sum': null },
      }),
      hit(OLD),
    ],
  },
];

const EXTENT: readonly Case[] = [
  {
    says: 'a 204 has no body and no length, from the cache as from the origin',
    rfc: '9110 8.6',
    steps: [
      fill([FRESH], { answer: { status: 204 } }),
      hit({ gets: { 'Content-Length': null, 'Transfer-Encoding': null } }),
    ],
  },
  {
    says: 'a GET with a body reaches the origin with it, and its answer is not shared',
    rfc: '9110 9.3.1',
    steps: [
      { sends: 'one', origin: ({ body }) => ({ headers: [FRESH], body: `got ${body}` }), body: 'got one' },
      { sends: 'two', origin: ({ body }) => ({ headers: [FRESH], body: `got ${body}` }), body: 'got two' },
    ],
  },
  {
    says: 'an unsafe request after a hit reaches the origin',
    rfc: '9111 4',
    steps: [fill([FRESH]), hit(), miss({ method: 'PATCH', sends: 'x' })],
  },
];

export const MESSAGE_CASES: readonly Case[] = [...VERSIONS, ...INTERIM, ...TRAILERS, ...EXTENT];
