import {
  A_WHILE_MS,
  ANYTHING,
  type Answer,
  type Asked,
  type Case,
  fieldOf,
  fill,
  hit,
  miss,
  type Step,
} from './case.ts';

const FRESH = 'Cache-Control: max-age=3600';
const BODY = '0123456789abcdefghijklmnopqrstuvwxyz';

/** An origin that serves one single range as asked for, and conditions by its ETag. */
function ranged(body: string, etag = '"a"', headers: readonly string[] = [FRESH]): (asked: Asked) => Answer {
  return (asked) => {
    const own = [...headers, `ETag: ${etag}`, 'Accept-Ranges: bytes'];
    const condition = fieldOf(asked.headers, 'If-None-Match');
    if (condition?.includes(etag) === true) return { status: 304, headers: own };
    const ifRange = fieldOf(asked.headers, 'If-Range');
    const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(fieldOf(asked.headers, 'Range') ?? '') ?? [];
    if ((first === '' && last === '') || (ifRange !== undefined && ifRange !== etag))
      return { headers: own, body };
    const from = first === '' ? body.length - Number(last) : Number(first);
    const to = first === '' || last === '' ? body.length - 1 : Math.min(Number(last), body.length - 1);
    return {
      status: 206,
      headers: [...own, `Content-Range: bytes ${from}-${to}/${body.length}`],
      body: body.slice(from, to + 1),
    };
  };
}

function asksFor(first: number, last: number, more: Step = {}): Step {
  return {
    headers: [`Range: bytes=${first}-${last}`],
    status: 206,
    body: BODY.slice(first, last + 1),
    gets: { 'Content-Range': `bytes ${first}-${last}/36` },
    asks: 'any',
    origin: ranged(BODY),
    ...more,
  };
}

const WHOLE: Step = {
  status: 200,
  body: BODY,
  asks: 'any',
  origin: ranged(BODY),
  gets: { 'Content-Range': null },
};

export const PARTIAL_CASES: readonly Case[] = [
  {
    says: 'a part asked of the origin comes through as it is',
    rfc: '9110 14.2',
    steps: [asksFor(10, 19, { asks: 1 })],
  },
  {
    says: 'If-Range for what is not stored reaches the origin',
    rfc: '9110 13.1.5',
    steps: [
      {
        headers: ['Range: bytes=0-4', 'If-Range: "old"'],
        status: 200,
        body: BODY,
        asks: 1,
        origin: ranged(BODY),
      },
    ],
  },
  {
    says: 'a part is never sent as the whole',
    rfc: '9111 3.4',
    steps: [asksFor(0, 4), WHOLE],
  },
  {
    says: 'a part in the middle is never sent as the whole',
    rfc: '9111 3.4',
    steps: [asksFor(10, 19), WHOLE],
  },
  {
    says: 'a part that has the whole length is sent as the whole only with status 200',
    rfc: '9111 3.4',
    steps: [asksFor(0, 35), WHOLE],
  },
  {
    says: 'a part is not sent for another part',
    rfc: '9111 3.3',
    steps: [asksFor(0, 9), asksFor(5, 14), asksFor(20, 29)],
  },
  {
    says: 'a part without an ETag is not sent as the whole',
    rfc: '9111 3.4',
    steps: [
      fill([FRESH, 'Content-Range: bytes 0-4/36'], {
        headers: ['Range: bytes=0-4'],
        answer: { status: 206, body: '01234' },
      }),
      miss(),
    ],
  },
  {
    says: 'a 206 nobody asked for is not stored',
    rfc: '9111 3.3',
    steps: [
      {
        origin: { status: 206, headers: [FRESH, 'Content-Range: bytes 0-4/36'], body: '01234' },
        asks: 'any',
        status: [206, 502],
        body: ANYTHING,
      },
      miss(),
    ],
  },
  {
    says: 'several parts from the origin come through, and are not stored as the whole',
    rfc: '9111 3.3',
    steps: [
      {
        headers: ['Range: bytes=0-1,10-11'],
        origin: {
          status: 206,
          headers: [FRESH, 'ETag: "a"', 'Content-Type: multipart/byteranges; boundary=x'],
          body: '--x\r\nContent-Range: bytes 0-1/36\r\n\r\n01\r\n--x\r\nContent-Range: bytes 10-11/36\r\n\r\nab\r\n--x--\r\n',
        },
        gets: { 'Content-Type': 'multipart/byteranges; boundary=x' },
      },
      miss(),
    ],
  },
  {
    says: 'a 416 from the origin comes through, and is not stored as the whole',
    rfc: '9110 15.5.17',
    steps: [
      fill([FRESH, 'Content-Range: bytes */36'], {
        headers: ['Range: bytes=99-'],
        answer: { status: 416 },
        gets: { 'Content-Range': 'bytes */36' },
      }),
      miss(),
    ],
  },
  {
    says: 'a whole answer to a request for a part comes through whole, and is stored',
    rfc: '9110 14.2',
    steps: [
      fill([FRESH, 'ETag: "a"'], {
        headers: ['Range: bytes=0-4'],
        answer: { body: BODY },
        status: [200, 206],
        body: /^01234/,
      }),
      hit({ body: BODY }),
    ],
  },
  {
    says: 'a part of what grew stale is asked of the origin',
    rfc: '9111 4.2',
    steps: [
      fill(['Cache-Control: max-age=1', 'ETag: "a"'], { answer: { body: BODY } }),
      asksFor(10, 19, { pauseMs: A_WHILE_MS, settleMs: 50 }),
    ],
  },
  {
    says: 'parts of an old and a new answer are not put together',
    rfc: '9111 3.4',
    steps: [
      fill(['Cache-Control: max-age=1', 'ETag: "a"'], { answer: { body: BODY } }),
      {
        pauseMs: A_WHILE_MS,
        headers: ['Range: bytes=0-4'],
        status: [200, 206],
        body: /^ABCDE(?:FGHIJKLMNOPQRST)?$/,
        asks: 'any',
        origin: ranged('ABCDEFGHIJKLMNOPQRST', '"b"'),
      },
      {
        status: 200,
        body: 'ABCDEFGHIJKLMNOPQRST',
        asks: 'any',
        origin: ranged('ABCDEFGHIJKLMNOPQRST', '"b"'),
      },
    ],
  },
  {
    says: 'parts with different ETags are not put together',
    rfc: '9111 3.4',
    steps: [
      asksFor(0, 19),
      {
        headers: ['Range: bytes=20-35'],
        status: 206,
        body: 'KLMNOPQRSTUVWXYZ'.slice(0, 16),
        asks: 'any',
        origin: ranged('ABCDEFGHIJabcdefghijKLMNOPQRSTUVWXYZ', '"b"'),
      },
      {
        status: 200,
        body: 'ABCDEFGHIJabcdefghijKLMNOPQRSTUVWXYZ',
        asks: 'any',
        origin: ranged('ABCDEFGHIJabcdefghijKLMNOPQRSTUVWXYZ', '"b"'),
      },
    ],
  },
  {
    says: 'a part cut short is passed on as cut, and not stored',
    rfc: '9111 3.3',
    steps: [
      {
        headers: ['Range: bytes=0-19'],
        origin: {
          status: 206,
          headers: [FRESH, 'ETag: "a"', 'Content-Range: bytes 0-19/36'],
          body: BODY.slice(0, 20),
          cut: 'end',
        },
        isCut: true,
      },
      asksFor(0, 19),
    ],
  },
  {
    says: 'a stored part is sent again for the same range',
    rfc: '9111 3.3',
    optional: true,
    steps: [asksFor(10, 19), asksFor(10, 19, { asks: 0 })],
  },
  {
    says: 'a stored part is sent for a range within it',
    rfc: '9111 3.3',
    optional: true,
    steps: [asksFor(10, 29), asksFor(15, 19, { asks: 0 })],
  },
  {
    says: 'stored parts with one strong ETag are put together to the whole',
    rfc: '9111 3.4',
    optional: true,
    steps: [asksFor(0, 19), asksFor(20, 35), { ...WHOLE, asks: 0 }],
  },
];
