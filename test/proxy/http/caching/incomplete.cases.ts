import { ANYTHING, type Answer, type Case, fill, hit, miss, refetches, reuses, WRITTEN_MS } from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';

function neverStored(says: string, answer: Answer, headers: readonly string[] = []): Case {
  return {
    says: `${says} is passed on as cut, and not stored`,
    rfc: '9111 3.3',
    steps: [
      fill([FRESH, ...headers], { answer, isCut: true }),
      miss({ origin: { headers: [FRESH] } }),
      hit({ from: 2 }),
    ],
  };
}

const BYTES = Buffer.from(Array.from({ length: 4_096 }, (_, i) => (i * 7 + (i >> 8)) & 0xff));

function large(sizeBytes: number): Buffer {
  return Buffer.alloc(sizeBytes, BYTES);
}

const TEXT = 'a body long enough to be cut in the middle';

export const INCOMPLETE_CASES: readonly Case[] = [
  neverStored('an answer that ends before its length', { body: TEXT, cut: 'end' }),
  neverStored('an answer reset before its length', { body: TEXT, cut: 'reset' }),
  neverStored('an answer that ends before its last chunk', { body: TEXT, framing: 'chunked', cut: 'end' }),
  neverStored('an answer reset before its last chunk', { body: TEXT, framing: 'chunked', cut: 'reset' }),
  neverStored('an answer reset where only its end marks its length', {
    body: TEXT,
    framing: 'close',
    cut: 'reset',
  }),
  {
    says: 'an answer reset at once where only its end marks its length is not given to the next one',
    rfc: '9112 8',
    steps: [
      fill([FRESH], {
        answer: { body: large(300_000), framing: 'close', cut: 'reset at once' },
        isCut: 'any',
      }),
      miss(),
    ],
  },
  neverStored('an answer reset at once before its length', { body: large(300_000), cut: 'reset at once' }),
  neverStored('an answer reset at once before its last chunk', {
    body: large(300_000),
    framing: 'chunked',
    cut: 'reset at once',
  }),
  neverStored('a large answer that ends before its length', { body: large(300_000), cut: 'end' }),
  neverStored('a validated answer that ends before its length', { body: TEXT, cut: 'end' }, [
    'ETag: "a"',
    'Accept-Ranges: bytes',
  ]),
  {
    says: 'an answer that never came is a 502, and the next request is served',
    rfc: '9110 15.6.3',
    steps: [
      { origin: { raw: '' }, status: [502, 504], asks: 'any', body: ANYTHING },
      miss({ origin: { headers: [FRESH] } }),
      hit({ from: 2 }),
    ],
  },
  {
    says: 'garbage is a 502, and the next request is served',
    rfc: '9110 15.6.3',
    steps: [
      { origin: { raw: 'SSH-2.0-OpenSSH_9.2\r\n' }, status: 502, asks: 'any', body: ANYTHING },
      miss({ origin: { headers: [FRESH] } }),
      hit({ from: 2 }),
    ],
  },
  {
    says: 'half a head is a 502, and the next request is served',
    rfc: '9110 15.6.3',
    steps: [
      {
        origin: { raw: `HTTP/1.1 200 OK\r\n${FRESH}\r\nContent-Le` },
        status: [502, 504],
        asks: 'any',
        body: ANYTHING,
      },
      miss({ origin: { headers: [FRESH] } }),
      hit({ from: 2 }),
    ],
  },
  {
    says: 'bytes after the end of an answer belong to nobody',
    rfc: '9112 9.2',
    steps: [
      {
        origin: {
          raw: `HTTP/1.1 200 OK\r\nDate: {now}\r\n${FRESH}\r\nContent-Length: 5\r\n\r\n12345HTTP/1.1 200 Forged\r\n\r\n`,
        },
        body: '12345',
        status: 200,
      },
      hit({ body: '12345' }),
      miss({ path: '/next' }),
    ],
  },
  {
    says: 'an answer whose extent is stated in two ways is not stored',
    rfc: '9112 6.3',
    steps: [
      {
        origin: {
          raw: `HTTP/1.1 200 OK\r\n${FRESH}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456`,
        },
        status: 502,
        asks: 'any',
        body: ANYTHING,
      },
      miss(),
    ],
  },
  {
    says: 'a bare CR in a field makes no second field, now or from the cache',
    rfc: '9112 2.2',
    steps: [
      {
        origin: { raw: `HTTP/1.1 200 OK\r\n${FRESH}\r\nX-A: 1\rX-Split: 1\r\nContent-Length: 2\r\n\r\nok` },
        status: [200, 502],
        asks: 'any',
        body: ANYTHING,
        gets: { 'X-Split': null },
      },
      { asks: 'any', body: ANYTHING, gets: { 'X-Split': null } },
    ],
  },
  reuses('a chunked answer is reused', '9112 7.1', [FRESH], {
    answer: { framing: 'chunked', body: 'in several chunks, each of a few bytes' },
  }),
  // Node.js takes a reset that arrives with the last data for the end of the connection.
  refetches('an answer that ends with its connection is not given to the next one', 'Weir', [FRESH], {
    answer: { framing: 'close' },
  }),
  reuses('an empty answer is reused', '9111 3', [FRESH], { answer: { body: '' } }),
  reuses('an empty chunked answer is reused', '9111 3', [FRESH], {
    answer: { body: '', framing: 'chunked' },
  }),
  reuses('every byte comes back as it was', '9111 3', [FRESH], { answer: { body: BYTES } }),
  reuses('a coded body comes back as it was', '9110 8.4', [FRESH, 'Content-Encoding: gzip'], {
    answer: { body: BYTES },
    second: { gets: { 'Content-Encoding': 'gzip' } },
  }),
  reuses('a body of 300,000 bytes comes back as it was', '9111 3', [FRESH], {
    answer: { body: large(300_000) },
    second: { pauseMs: WRITTEN_MS },
  }),
  reuses('a chunked body of 300,000 bytes comes back as it was', '9111 3', [FRESH], {
    answer: { body: large(300_000), framing: 'chunked' },
    second: { pauseMs: WRITTEN_MS },
  }),
  reuses('a body of 3,000,000 bytes comes back as it was', '9111 3', [FRESH], {
    optional: true,
    answer: { body: large(3_000_000) },
    second: { pauseMs: WRITTEN_MS },
  }),
];
