import { type Case, fill, hit, miss } from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';

/** End-to-end fields, with values as they are met. */
const KEPT: Readonly<Record<string, string>> = {
  'Accept-Ranges': 'bytes',
  Allow: 'GET, HEAD',
  'Alt-Svc': 'h3=":443"; ma=2592000',
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'X-A, X-B',
  'Content-Disposition': 'attachment; filename="a b.txt"',
  'Content-Encoding': 'gzip',
  'Content-Language': 'de, en',
  'Content-Location': '/other-name',
  'Content-Security-Policy': "default-src 'self'; img-src *",
  'Content-Type': 'text/html; charset=utf-8',
  'Cross-Origin-Resource-Policy': 'cross-origin',
  Digest: 'sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=',
  ETag: '"xyzzy"',
  Expires: 'Sat, 01 Jan 2095 00:00:00 GMT',
  'Last-Modified': 'Wed, 01 Jan 2020 00:00:00 GMT',
  Link: '</style.css>; rel=preload; as=style',
  Location: '/somewhere',
  NEL: '{"report_to":"a","max_age":1}',
  'Permissions-Policy': 'geolocation=()',
  'Referrer-Policy': 'no-referrer',
  'Retry-After': '120',
  Server: 'Apache/2.4 (Unix)',
  'Server-Timing': 'db;dur=53, app;dur=47.2',
  'Strict-Transport-Security': 'max-age=31536000; includeSubDomains',
  'Timing-Allow-Origin': '*',
  Vary: 'Accept-Language',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'X-Powered-By': 'PHP/8.2',
  'X-Test-Header': 'of any name',
  Pragma: 'whatever',
};

const HOP_BY_HOP: Readonly<Record<string, string>> = {
  'Keep-Alive': 'timeout=5, max=77',
  'Proxy-Authenticate': 'Basic realm="x"',
  'Proxy-Authentication-Info': 'nextnonce="x"',
  'Proxy-Authorization': 'Basic eDp5',
  'Proxy-Connection': 'keep-alive',
  TE: 'trailers',
  Upgrade: 'h2c',
};

function kept(name: string, value: string, says = `${name} is kept`): Case {
  const gets = { [name]: value };
  const freshness = name === 'Cache-Control' ? [] : [FRESH];
  return {
    says,
    rfc: '9111 3.1',
    steps: [fill([...freshness, `${name}: ${value}`], { gets }), hit({ gets })],
  };
}

function dropped(name: string, value: string): Case {
  const gets = { [name]: null, 'X-Kept': '1' };
  return {
    says: `${name} is for one connection, and neither passed on nor stored`,
    rfc: '9110 7.6.1',
    steps: [fill([FRESH, `${name}: ${value}`, 'X-Kept: 1'], { gets }), hit({ gets })],
  };
}

export const HEADER_CASES: readonly Case[] = [
  ...Object.entries(KEPT).map(([name, value]) => kept(name, value)),
  kept('Cache-Control', 'max-age=3600, frob="a, b"', 'Cache-Control is kept as it is written'),
  kept('X-Long', 'x'.repeat(7_000), 'a value of 7,000 bytes is kept'),
  kept('X-Latin', 'caf\xe9 \xff', 'bytes above ASCII in a value are kept'),
  kept('X-Odd', '"quoted, \\"comma", (comment) ; a=b', 'punctuation in a value is kept'),
  kept('X-Empty', '', 'an empty value is kept'),
  kept('__proto__', 'polluted', 'a field named as a property of every object is kept'),
  kept('constructor', 'polluted', 'a field named as a method of every object is kept'),
  {
    says: 'lines of one field are all kept, in their order',
    rfc: '9110 5.3',
    steps: [
      fill([FRESH, 'Link: <a>', 'X-A: 1', 'Link: <b>', 'X-A: 2', 'X-A: 3'], {
        gets: { Link: '<a>, <b>', 'X-A': '1, 2, 3' },
      }),
      hit({ gets: { Link: '<a>, <b>', 'X-A': '1, 2, 3' } }),
    ],
  },
  {
    says: 'cookies of a public answer stay on lines of their own',
    rfc: '9110 5.3',
    steps: [
      fill(['Cache-Control: public, max-age=3600', 'Set-Cookie: a=1', 'Set-Cookie: b=2']),
      hit({ gets: { 'Set-Cookie': 'a=1, b=2' } }),
    ],
  },
  ...Object.entries(HOP_BY_HOP).map(([name, value]) => dropped(name, value)),
  {
    says: 'a field that Connection names is neither passed on nor stored',
    rfc: '9110 7.6.1',
    steps: [
      fill([FRESH, 'Connection: X-Hop, X-Other-Hop', 'X-Hop: 1', 'x-other-HOP: 2', 'X-Kept: 1'], {
        gets: { 'X-Hop': null, 'X-Other-Hop': null, 'X-Kept': '1' },
      }),
      hit({ gets: { 'X-Hop': null, 'X-Other-Hop': null, 'X-Kept': '1' } }),
    ],
  },
  {
    says: 'what a first client sent about its connection is not sent to the origin',
    rfc: '9110 7.6.1',
    steps: [
      fill([FRESH], {
        headers: ['Connection: close, X-Hop', 'X-Hop: 1', 'X-Kept: 1', 'Proxy-Authorization: Basic eDp5'],
        asked: { 'X-Hop': null, 'X-Kept': '1', 'Proxy-Authorization': null },
      }),
    ],
  },
  {
    says: 'an answer from the cache has one Content-Length or is chunked',
    rfc: '9112 6.2',
    steps: [
      fill([FRESH], { answer: { body: 'twelve bytes' } }),
      hit({ gets: { 'Content-Length': '12', 'Transfer-Encoding': null } }),
    ],
  },
  {
    says: 'an answer whose length was learned from its chunks is not sent with both',
    rfc: '9112 6.2',
    steps: [
      fill([FRESH], { answer: { framing: 'chunked', body: 'twelve bytes' } }),
      hit({ gets: { 'Transfer-Encoding': /^(chunked)?$/ } }),
    ],
  },
  {
    says: 'the next answer replaces every field of the one before',
    rfc: '9111 4.3.3',
    steps: [
      fill(['Cache-Control: max-age=0', 'X-Old: 1', 'X-Both: old']),
      miss({ origin: { headers: [FRESH, 'X-Both: new'] } }),
      hit({ from: 2, gets: { 'X-Old': null, 'X-Both': 'new' } }),
    ],
  },
];
