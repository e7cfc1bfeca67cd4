import { ANYTHING, type Case, fill, hit, miss } from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';

function differ(says: string, first: string, second: string, rfc = '9111 2'): Case {
  return {
    says,
    rfc,
    steps: [fill([FRESH], { path: first }), miss({ path: second }), hit({ path: first })],
  };
}

function names(says: string, first: string, second: string): Case {
  return {
    says,
    rfc: '9110 4.2.3',
    byName: true,
    steps: [fill([FRESH], { url: first }), hit({ url: second })],
  };
}

export const KEY_CASES: readonly Case[] = [
  differ('another query is another URL', '/?a=1', '/?a=2'),
  differ('a query is part of a URL', '/', '/?a=1'),
  differ('an empty query is part of a URL', '/', '/?'),
  differ('the order in a query matters', '/?a=1&b=2', '/?b=2&a=1'),
  differ('the case of a path matters', '/a', '/A', '9110 4.2.3'),
  differ('the last slash of a path matters', '/a', '/a/'),
  differ('a path does not end in a query', '/a?b', '/a%3Fb'),
  differ('an escaped slash is no slash', '/a/b', '/a%2Fb'),
  differ('a double slash is no slash', '/a/b', '/a//b'),
  differ('the last byte of a long URL matters', `/?${'q'.repeat(7_000)}a`, `/?${'q'.repeat(7_000)}b`),
  differ('the first byte of a long query matters', `/?a${'q'.repeat(7_000)}`, `/?b${'q'.repeat(7_000)}`),
  {
    says: 'the same query is the same URL',
    rfc: '9111 2',
    steps: [fill([FRESH], { path: '/?a=1&b=%20' }), hit({ path: '/?a=1&b=%20' })],
  },
  {
    says: 'another host is another URL, though the path is the same',
    rfc: '9111 2',
    steps: [
      fill([FRESH], { url: 'http://127.0.0.1:{port}{case}/' }),
      miss({ url: 'http://127.0.0.2:{port}{case}/' }),
      hit({ url: 'http://127.0.0.1:{port}{case}/' }),
    ],
  },
  {
    says: 'the host of the target counts, not the one of Host',
    rfc: '9112 3.2.2',
    steps: [
      fill([FRESH], { headers: ['Host: elsewhere.example'], asked: { Host: /^127\.0\.0\.1:\d+$/ } }),
      hit({ headers: ['Host: yet-another.example'] }),
      hit(),
    ],
  },
  {
    says: 'what one host sends under the name of another in Host is not stored as the other’s',
    rfc: '9112 3.2.2',
    steps: [
      fill([FRESH], { url: 'http://127.0.0.2:{port}{case}/', headers: ['Host: 127.0.0.1'] }),
      miss({ url: 'http://127.0.0.1:{port}{case}/' }),
    ],
  },
  {
    says: 'a fragment is refused, or is no part of a URL',
    rfc: '9110 4.2.5',
    steps: [fill([FRESH]), { path: '/#part', status: [200, 400], asks: 0, body: ANYTHING }],
  },
  {
    says: 'the scheme is read in any case',
    rfc: '9110 4.2.3',
    steps: [fill([FRESH]), hit({ url: 'HTTP://127.0.0.1:{port}{case}/' })],
  },
  names(
    'the host is read in any case',
    'http://origin.test:{port}{case}/',
    'http://ORIGIN.Test:{port}{case}/',
  ),
  names('the port of http may be left out', 'http://origin.test:80{case}/', 'http://origin.test{case}/'),
  {
    says: 'another port is another URL',
    rfc: '9110 4.2.3',
    byName: true,
    steps: [
      fill([FRESH], { url: 'http://origin.test:8001{case}/' }),
      miss({ url: 'http://origin.test:8002{case}/' }),
      hit({ url: 'http://origin.test:8001{case}/' }),
    ],
  },
  {
    says: 'another name is another URL, though it leads to the same server',
    rfc: '9111 2',
    byName: true,
    steps: [
      fill([FRESH], { url: 'http://one.test:8001{case}/' }),
      miss({ url: 'http://two.test:8001{case}/' }),
      hit({ url: 'http://one.test:8001{case}/' }),
    ],
  },
  {
    says: 'a POST to one host leaves what is stored of another',
    rfc: '9111 4.4',
    steps: [
      fill([FRESH], { url: 'http://127.0.0.1:{port}{case}/' }),
      miss({ method: 'POST', sends: 'x', url: 'http://127.0.0.2:{port}{case}/' }),
      hit({ url: 'http://127.0.0.1:{port}{case}/' }),
    ],
  },
];
