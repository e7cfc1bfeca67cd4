import { A_WHILE_MS, ANYTHING, type Case, fill, hit, miss } from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';

/** A stored GET, a request of `method` answered with `status`, and the GET again. */
function removes(method: string, status: number): Case {
  return {
    says: `${method} answered ${status} removes what is stored`,
    rfc: '9111 4.4',
    steps: [
      fill([FRESH]),
      hit(),
      { method, sends: 'sent', origin: { status } },
      miss({ origin: { headers: [FRESH] } }),
      hit({ from: 4 }),
    ],
  };
}

function leaves(method: string, status: number): Case {
  return {
    says: `${method} answered ${status} leaves what is stored`,
    rfc: '9111 4.4',
    optional: true,
    steps: [fill([FRESH]), { method, sends: 'sent', origin: { status } }, hit()],
  };
}

const OWN = 'http://127.0.0.1:{port}{case}/other';
const ANOTHER = 'http://127.0.0.2:{port}{case}/other';

/** An answer to an unsafe request at one URL names `value`, where `url` leads to. */
function names(method: string, field: string, value: string, url: string): Case {
  const isOwn = url === OWN;
  const named = `${field}: ${value.replace(':{port}', '').replace('{case}', '')}`;
  return {
    says: `${method} whose answer has "${named}" ${isOwn ? 'may remove that URL' : 'leaves that URL'}`,
    rfc: '9111 4.4',
    ...(isOwn && { optional: true }),
    steps: [
      fill([FRESH], { url }),
      { method, sends: 'sent', path: '/changed', origin: { status: 201, headers: [`${field}: ${value}`] } },
      isOwn ? miss({ url }) : hit({ url }),
    ],
  };
}

const ELSEWHERE: readonly Case[] = [
  ...['POST', 'PUT', 'DELETE'].flatMap((method) =>
    ['Location', 'Content-Location'].flatMap((field) => [
      names(method, field, OWN, OWN),
      names(method, field, ANOTHER, ANOTHER),
    ]),
  ),
  names('POST', 'Location', '{case}/other', OWN),
  names('POST', 'Location', 'other', OWN),
  names('POST', 'Content-Location', '{case}/other', OWN),
  names('POST', 'Content-Location', '//127.0.0.2:{port}{case}/other', ANOTHER),
  {
    says: 'an unsafe request that failed leaves the URL its answer names',
    rfc: '9111 4.4',
    steps: [
      fill([FRESH], { url: OWN }),
      {
        method: 'POST',
        sends: 'x',
        path: '/changed',
        origin: { status: 500, headers: [`Location: ${OWN}`] },
      },
      hit({ url: OWN }),
    ],
  },
  {
    says: 'a Location that is no URL harms nobody',
    rfc: '9111 4.4',
    steps: [
      fill([FRESH]),
      { method: 'POST', sends: 'x', origin: { status: 201, headers: ['Location: http://[:::/%%'] } },
      miss(),
    ],
  },
];

export const INVALIDATION_CASES: readonly Case[] = [
  ...['POST', 'PUT', 'DELETE', 'PATCH', 'MKCOL', 'LINK'].flatMap((method) => [
    removes(method, 200),
    removes(method, 204),
  ]),
  ...[201, 202, 302, 303].map((status) => removes('POST', status)),
  ...[400, 403, 404, 409, 500, 503].map((status) => leaves('POST', status)),
  leaves('DELETE', 404),
  leaves('PUT', 412),
  leaves('LINK', 501),
  {
    says: 'OPTIONS leaves what is stored',
    rfc: '9110 9.2.1',
    optional: true,
    steps: [fill([FRESH]), miss({ method: 'OPTIONS' }), hit()],
  },
  {
    says: 'an unsafe request leaves what is stored of another query',
    rfc: '9111 4.4',
    optional: true,
    steps: [
      fill([FRESH], { path: '/?a' }),
      miss({ method: 'POST', sends: 'x', path: '/?b' }),
      hit({ path: '/?a' }),
    ],
  },
  {
    says: 'an answer to a PUT is not what is stored of its URL',
    rfc: '9110 9.3.4',
    steps: [fill([FRESH, 'ETag: "a"'], { method: 'PUT', sends: 'new' }), miss()],
  },
  {
    says: 'an unsafe request reaches the origin once, with its body',
    rfc: '9110 9.2.2',
    steps: [
      fill([FRESH]),
      { method: 'POST', sends: 'sent', origin: ({ body }) => ({ body: `got ${body}` }), body: 'got sent' },
    ],
  },
  {
    says: 'what an unsafe request removed does not come back when the origin fails',
    rfc: '9111 4.4',
    steps: [
      fill(['Cache-Control: max-age=3600, stale-if-error=3600']),
      miss({ method: 'POST', sends: 'x' }),
      { origin: { status: 503 } },
    ],
  },
  {
    says: 'what an unsafe request removed does not come back while it would be fetched behind',
    rfc: '9111 4.4',
    steps: [
      fill(['Cache-Control: max-age=1, stale-while-revalidate=3600']),
      miss({ method: 'POST', sends: 'x' }),
      miss({ pauseMs: A_WHILE_MS }),
    ],
  },
  {
    says: 'what an unsafe request removed is not there for only-if-cached',
    rfc: '9111 4.4',
    steps: [
      fill([FRESH]),
      miss({ method: 'DELETE' }),
      { headers: ['Cache-Control: only-if-cached'], status: 504, asks: 0, body: ANYTHING },
    ],
  },
  ...ELSEWHERE,
];
