import { A_WHILE_MS, type Case, fieldOf, fill, hit, miss } from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';
const BODY = 'twenty-one bytes long';

/** A GET is stored; a HEAD that must reach the origin finds `changed` there; then the GET again. */
function headFinds(says: string, changed: readonly string[], more: Partial<Case> = {}): Case {
  return {
    says,
    rfc: '9111 4.3.5',
    ...more,
    steps: [
      fill([FRESH, 'ETag: "a"', 'Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT'], { answer: { body: BODY } }),
      {
        method: 'HEAD',
        headers: ['Cache-Control: no-cache'],
        origin: ({ method }) => ({
          headers: [FRESH, ...changed],
          body: method === 'HEAD' ? BODY : 'unasked',
        }),
        asks: 1,
      },
      ...(more.steps ?? []),
    ],
  };
}

const SAME = ['ETag: "a"', 'Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT'];

export const HEAD_CASES: readonly Case[] = [
  {
    says: 'HEAD is answered from a stored GET',
    rfc: '9110 9.3.2',
    steps: [
      fill([FRESH, 'X-A: 1', 'ETag: "a"'], { answer: { body: BODY } }),
      hit({ method: 'HEAD', age: [0, 6], gets: { 'Content-Length': '21', 'X-A': '1', ETag: '"a"' } }),
    ],
  },
  {
    says: 'HEAD is answered from a stored chunked GET without a body',
    rfc: '9110 9.3.2',
    steps: [fill([FRESH], { answer: { body: BODY, framing: 'chunked' } }), hit({ method: 'HEAD' })],
  },
  {
    says: 'HEAD is answered with the status of the stored GET',
    rfc: '9110 9.3.2',
    steps: [fill([FRESH], { answer: { status: 404 } }), hit({ method: 'HEAD', status: 404 })],
  },
  {
    says: 'HEAD of what is not stored is a HEAD at the origin, and no answer to a GET',
    rfc: '9111 3',
    steps: [
      fill([FRESH], { method: 'HEAD', answer: { body: BODY } }),
      miss({ origin: { headers: [FRESH], body: BODY } }),
      hit({ from: 2 }),
    ],
  },
  {
    says: 'the answer to a HEAD keeps its Content-Length on the way',
    rfc: '9110 9.3.2',
    steps: [fill(['Content-Length: 4711'], { method: 'HEAD', gets: { 'Content-Length': '4711' } })],
  },
  {
    says: 'HEAD of a stale answer asks the origin',
    rfc: '9111 4.2',
    steps: [
      fill(['Cache-Control: max-age=1'], { answer: { body: BODY } }),
      {
        pauseMs: A_WHILE_MS,
        method: 'HEAD',
        asks: 1,
        origin: { headers: [FRESH, 'X-A: 2'] },
        gets: { 'X-A': '2' },
      },
    ],
  },
  {
    says: 'HEAD of a stale answer with an ETag is answered with the fields of the whole, whatever the origin said',
    rfc: '9111 4.3.3',
    steps: [
      fill(['Cache-Control: max-age=1', 'ETag: "a"', 'X-A: 1'], { answer: { body: BODY } }),
      {
        pauseMs: A_WHILE_MS,
        method: 'HEAD',
        asks: 1,
        status: 200,
        origin: ({ headers }) =>
          fieldOf(headers, 'If-None-Match') === undefined
            ? { headers: [FRESH, 'ETag: "a"', 'X-A: 1'], body: BODY }
            : { status: 304, headers: [FRESH, 'ETag: "a"'] },
        gets: { ETag: '"a"', 'X-A': '1' },
      },
    ],
  },
  {
    says: 'HEAD does not select the variant of another client',
    rfc: '9111 4.1',
    steps: [
      fill([FRESH, 'Vary: X-Kind', 'X-A: 1'], { headers: ['X-Kind: a'] }),
      fill([FRESH, 'Vary: X-Kind', 'X-A: 2'], {
        method: 'HEAD',
        headers: ['X-Kind: b'],
        gets: { 'X-A': '2' },
      }),
    ],
  },
  headFinds('a HEAD that finds the same leaves the stored GET', SAME, {
    optional: true,
    steps: [hit({ body: BODY })],
  }),
  headFinds('a HEAD that finds the same updates the stored GET', [...SAME, 'X-New: 1'], {
    optional: true,
    steps: [hit({ body: BODY, gets: { 'X-New': '1' } })],
  }),
  headFinds('a HEAD that finds another ETag makes the stored GET stale', ['ETag: "b"'], { steps: [miss()] }),
  headFinds(
    'a HEAD that finds another length makes the stored GET stale',
    ['ETag: "a"', 'Content-Length: 99'],
    { steps: [miss()] },
  ),
  headFinds(
    'a HEAD that finds a later change makes the stored GET stale',
    ['Last-Modified: Fri, 01 Jan 2021 00:00:00 GMT'],
    { steps: [miss()] },
  ),
];
