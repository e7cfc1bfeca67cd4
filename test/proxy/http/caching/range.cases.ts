import { ANYTHING, type Case, fill, hit, type Step, WRITTEN_MS } from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';
const CHANGED = 'Wed, 01 Jan 2020 00:00:00 GMT';
/** 36 bytes. */
const BODY = '0123456789abcdefghijklmnopqrstuvwxyz';
const BYTES = Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * 31 + (i >> 7)) & 0xff));

const STORED = fill([FRESH, 'ETag: "a"', `Last-Modified: ${CHANGED}`, 'Content-Type: text/plain'], {
  answer: { body: BODY },
});

function part(
  says: string,
  range: string,
  first: number,
  last: number,
  more: Step & Pick<Case, 'optional'> = {},
): Case {
  const { optional, ...step } = more;
  return {
    says,
    rfc: '9110 14.2',
    ...(optional && { optional }),
    steps: [
      STORED,
      hit({
        status: 206,
        body: BODY.slice(first, last + 1),
        gets: { 'Content-Range': `bytes ${first}-${last}/36`, 'Content-Length': String(last + 1 - first) },
        ...step,
        headers: [`Range: ${range}`, ...(step.headers ?? [])],
      }),
    ],
  };
}

function whole(
  says: string,
  headers: readonly string[],
  more: Pick<Case, 'optional'> & { rfc?: string; stored?: Step } = {},
): Case {
  const { stored = STORED, rfc = '9110 14.2', ...rest } = more;
  return {
    says,
    rfc,
    ...rest,
    steps: [stored, hit({ headers, status: 200, body: BODY, gets: { 'Content-Range': null } })],
  };
}

function unsatisfiable(says: string, range: string): Case {
  return {
    says,
    rfc: '9110 15.5.17',
    steps: [
      STORED,
      hit({
        headers: [`Range: ${range}`],
        status: 416,
        body: ANYTHING,
        gets: { 'Content-Range': 'bytes */36' },
      }),
      hit({ body: BODY }),
    ],
  };
}

const SINGLE: readonly Case[] = [
  part('the first bytes are sent', 'bytes=0-4', 0, 4),
  part('the first byte is sent', 'bytes=0-0', 0, 0),
  part('bytes in the middle are sent', 'bytes=10-19', 10, 19),
  part('the last byte is sent', 'bytes=35-35', 35, 35),
  part('bytes up to the end are sent', 'bytes=30-', 30, 35),
  part('all bytes are sent as a part when asked for from the first on', 'bytes=0-', 0, 35),
  part('the last bytes are sent', 'bytes=-6', 30, 35),
  part('more last bytes than there are: all are sent', 'bytes=-100', 0, 35),
  part('an end after the last byte is the last byte', 'bytes=30-999', 30, 35),
  part('an end beyond every number is the last byte', 'bytes=30-99999999999999999999999', 30, 35),
  part('leading zeros do not matter', 'bytes=0010-0019', 10, 19),
  part('the unit is understood in any case', 'Bytes=0-4', 0, 4),
  part('a part comes with the fields of the whole', 'bytes=0-4', 0, 4, {
    age: [0, 6],
    gets: {
      'Content-Range': 'bytes 0-4/36',
      ETag: '"a"',
      'Last-Modified': CHANGED,
      'Cache-Control': 'max-age=3600',
      'Content-Type': 'text/plain',
      Date: /GMT$/,
    },
  }),
  part('an empty list element is passed over', 'bytes=,0-4', 0, 4, { optional: true }),
  {
    says: 'a part of a large body is the right one',
    rfc: '9110 14.2',
    steps: [
      fill([FRESH, 'ETag: "a"'], { answer: { body: BYTES } }),
      hit({
        pauseMs: WRITTEN_MS,
        headers: ['Range: bytes=123456-323456'],
        status: 206,
        body: BYTES.subarray(123_456, 323_457),
        gets: { 'Content-Range': 'bytes 123456-323456/400000', 'Content-Length': '200001' },
      }),
      hit({ headers: ['Range: bytes=-1'], status: 206, body: BYTES.subarray(399_999) }),
      hit({ body: BYTES }),
    ],
  },
  {
    says: 'a part of a chunked answer knows the whole length',
    rfc: '9110 14.4',
    steps: [
      fill([FRESH, 'ETag: "a"'], { answer: { body: BODY, framing: 'chunked' } }),
      hit({
        headers: ['Range: bytes=10-19'],
        status: 206,
        body: 'abcdefghij',
        gets: { 'Content-Range': 'bytes 10-19/36' },
      }),
    ],
  },
  {
    says: 'a part of a coded body is a part of its code',
    rfc: '9110 14.1.2',
    steps: [
      fill([FRESH, 'ETag: "a"', 'Content-Encoding: gzip'], { answer: { body: BODY } }),
      hit({
        headers: ['Range: bytes=0-4'],
        status: 206,
        body: '01234',
        gets: { 'Content-Encoding': 'gzip' },
      }),
    ],
  },
  {
    says: 'after a part the whole is still sent whole',
    rfc: '9111 3.4',
    steps: [STORED, hit({ headers: ['Range: bytes=0-4'], status: 206, body: '01234' }), hit()],
  },
];

const REFUSED: readonly Case[] = [
  unsatisfiable('a part after the end is a 416', 'bytes=36-'),
  unsatisfiable('a part far after the end is a 416', 'bytes=999-1000'),
  unsatisfiable('a part beyond every number is a 416', 'bytes=99999999999999999999-'),
  unsatisfiable('no last bytes are a 416', 'bytes=-0'),
  unsatisfiable('several parts after the end are a 416', 'bytes=40-50, 60-'),
  ...[
    'bytes=5-2',
    'bytes=a-b',
    'bytes 0-4',
    'bytes=',
    'bytes=-',
    'bytes=0-4-5',
    'bytes=+0-4',
    'bytes=0x0-0x4',
    '=0-4',
  ].map((range) => whole(`"${range}" is no range, and is passed over`, [`Range: ${range}`])),
  whole('a unit nobody knows is passed over', ['Range: lines=0-4']),
  {
    says: 'Range of a HEAD is passed over',
    rfc: '9110 14.2',
    steps: [
      STORED,
      hit({
        method: 'HEAD',
        headers: ['Range: bytes=0-4'],
        status: 200,
        gets: { 'Content-Length': '36', 'Content-Range': null },
      }),
    ],
  },
  {
    says: 'Range of a stored 404 is passed over',
    rfc: '9110 14.2',
    steps: [fill([FRESH], { answer: { status: 404 } }), hit({ headers: ['Range: bytes=0-4'] })],
  },
];

const SEVERAL: readonly Case[] = [
  {
    says: 'several parts are sent as multipart/byteranges',
    rfc: '9110 14.6',
    steps: [
      STORED,
      hit({
        headers: ['Range: bytes=0-1, 10-11, -2'],
        status: 206,
        gets: { 'Content-Type': /^multipart\/byteranges; ?boundary=/, 'Content-Range': null },
        body: /^(?:\r\n)?--(\S+)\r\n(?=(?:[^\r]+\r\n)*?content-range: bytes 0-1\/36\r\n)(?:[^\r]+\r\n)+\r\n01\r\n--\1\r\n(?:[^\r]+\r\n)*?content-range: bytes 10-11\/36\r\n(?:[^\r]+\r\n)*\r\nab\r\n--\1\r\n(?:[^\r]+\r\n)*?content-range: bytes 34-35\/36\r\n(?:[^\r]+\r\n)*\r\nyz\r\n--\1--(?:\r\n)?$/i,
      }),
    ],
  },
  {
    says: 'each of several parts has the type of the whole',
    rfc: '9110 14.6',
    steps: [
      STORED,
      hit({
        headers: ['Range: bytes=0-1,10-11'],
        status: 206,
        body: /(?:content-type: text\/plain[^]*){2}/i,
      }),
    ],
  },
  {
    says: 'of several parts those after the end are left out',
    rfc: '9110 14.2',
    steps: [
      STORED,
      hit({
        headers: ['Range: bytes=0-1, 99-'],
        status: 206,
        body: /^01$|bytes 0-1\/36\r\n(?:[^\r]+\r\n)*\r\n01\r\n--\S+--(?:\r\n)?$/i,
      }),
    ],
  },
  {
    says: 'a great number of overlapping parts does not make a great answer',
    rfc: '9110 17.15',
    steps: [
      STORED,
      hit({
        headers: [`Range: bytes=${Array.from({ length: 200 }, () => '0-').join(',')}`],
        status: [200, 206, 416],
        body: /^[^]{0,600}$/,
      }),
    ],
  },
];

const IF_RANGE: readonly Case[] = [
  part('If-Range with the ETag sends the part', 'bytes=0-4', 0, 4, { headers: ['If-Range: "a"'] }),
  part('If-Range with the date of the last change sends the part', 'bytes=0-4', 0, 4, {
    headers: [`If-Range: ${CHANGED}`],
  }),
  whole('If-Range with another ETag sends the whole', ['Range: bytes=0-4', 'If-Range: "b"'], {
    rfc: '9110 13.1.5',
  }),
  whole('If-Range with a weak form of the ETag sends the whole', ['Range: bytes=0-4', 'If-Range: W/"a"'], {
    rfc: '9110 13.1.5',
  }),
  whole('If-Range with a weak ETag sends the whole', ['Range: bytes=0-4', 'If-Range: W/"a"'], {
    rfc: '9110 13.1.5',
    stored: fill([FRESH, 'ETag: W/"a"'], { answer: { body: BODY } }),
  }),
  whole(
    'If-Range with a later date sends the whole',
    ['Range: bytes=0-4', 'If-Range: Fri, 01 Jan 2021 00:00:00 GMT'],
    {
      rfc: '9110 13.1.5',
    },
  ),
  whole(
    'If-Range with an earlier date sends the whole',
    ['Range: bytes=0-4', 'If-Range: Tue, 01 Jan 2019 00:00:00 GMT'],
    {
      rfc: '9110 13.1.5',
    },
  ),
  whole('If-Range with what is neither ETag nor date sends the whole', ['Range: bytes=0-4', 'If-Range: a'], {
    rfc: '9110 13.1.5',
  }),
  whole(
    'If-Range with the date of an answer changed within the same minute sends the whole',
    ['Range: bytes=0-4', 'If-Range: Sat, 01 Jan 2022 00:00:00 GMT'],
    {
      rfc: '9110 8.8.2.2',
      stored: fill(
        [
          'Cache-Control: max-age=999999999',
          'Date: Sat, 01 Jan 2022 00:00:00 GMT',
          'Last-Modified: Sat, 01 Jan 2022 00:00:00 GMT',
        ],
        {
          answer: { body: BODY },
        },
      ),
    },
  ),
  whole('If-Range without Range changes nothing', ['If-Range: "b"'], { rfc: '9110 13.1.5' }),
];

export const RANGE_CASES: readonly Case[] = [...SINGLE, ...REFUSED, ...SEVERAL, ...IF_RANGE];
