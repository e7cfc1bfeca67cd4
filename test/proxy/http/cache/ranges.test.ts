import { expect } from 'chai';
import { multipart } from '../../../../proxy/http/cache/multipart.ts';
import { planRange, readContentRange } from '../../../../proxy/http/cache/ranges.ts';
import { at, lines, NOW, response } from './responses.ts';

function plan(request: string, { stored = '', status = 200, sizeBytes = 100 } = {}): string {
  const result = planRange(lines(request), response(stored, status), sizeBytes);
  if (result.kind !== 'ranges') return result.kind;
  return result.ranges.map(({ fromByte, toByte }) => `${fromByte}-${toByte}`).join(' ');
}

describe('a range of a stored response', () => {
  for (const [value, expected] of [
    ['bytes=0-0', '0-1'],
    ['bytes=0-99', '0-100'],
    ['bytes=10-19', '10-20'],
    ['bytes=10-', '10-100'],
    ['bytes=-10', '90-100'],
    ['bytes=-1000', '0-100'],
    ['bytes=10-1000', '10-100'],
    ['bytes=99-99', '99-100'],
    ['bytes=099-0099', '99-100'],
    ['Bytes=10-19', '10-20'],
    ['bytes=0-99999999999999999999999', '0-100'],
    ['bytes=0-9,20-29', '0-10 20-30'],
    ['bytes= 0-9 , ,-5,', '0-10 95-100'],
    ['bytes=20-29,0-9', '20-30 0-10'],
    ['bytes=0-9,10-19', '0-10 10-20'],
    ['bytes=0-9,200-', '0-10'],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=100-200', 'unsatisfiable'],
    ['bytes=99999999999999999999999-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=100-,200-', 'unsatisfiable'],
    ['bytes=0-9,5-14', 'whole'],
    ['bytes=0-,0-', 'whole'],
    ['bytes=0-9,-95', 'whole'],
    ['bytes=9-0', 'whole'],
    ['bytes=0-9,9-0', 'whole'],
    ['bytes=200-100', 'whole'],
    ['bytes=', 'whole'],
    ['bytes=-', 'whole'],
    ['bytes=a-b', 'whole'],
    ['bytes=0', 'whole'],
    ['bytes=0-9-', 'whole'],
    ['bytes=--9', 'whole'],
    ['bytes=+0-9', 'whole'],
    ['bytes=0 - 9', 'whole'],
    ['bytes =0-9', 'whole'],
    ['bytes:0-9', 'whole'],
    ['0-9', 'whole'],
    ['pages=0-9', 'whole'],
    [`bytes=${Array.from({ length: 16 }, (_, i) => `${i * 2}-${i * 2}`).join()}`, null],
    [`bytes=${Array.from({ length: 17 }, (_, i) => `${i * 2}-${i * 2}`).join()}`, 'whole'],
  ] as const) {
    it(`${value.slice(0, 40)} ${expected === 'whole' ? 'is the whole' : 'is understood'}`, () => {
      if (expected === null) expect(plan(`Range: ${value}`).split(' ')).to.have.length(16);
      else expect(plan(`Range: ${value}`)).to.equal(expected);
    });
  }

  it('is the whole without Range, with two of them, and of anything but a 200', () => {
    expect(plan('')).to.equal('whole');
    expect(plan('Range: bytes=0-0\nRange: bytes=0-0')).to.equal('whole');
    expect(plan('Range: bytes=0-0', { status: 404 })).to.equal('whole');
  });

  it('of nothing is nothing', () => {
    expect(plan('Range: bytes=0-', { sizeBytes: 0 })).to.equal('unsatisfiable');
    expect(plan('Range: bytes=-5', { sizeBytes: 0 })).to.equal('whole');
  });

  it('is only for who has the same, by If-Range', () => {
    const tagged = `ETag: "a"\nLast-Modified: ${at(-10)}\nDate: ${NOW}`;
    for (const [condition, stored, expected] of [
      ['"a"', tagged, '0-1'],
      ['"b"', tagged, 'whole'],
      ['W/"a"', tagged, 'whole'],
      ['W/"a"', 'ETag: W/"a"', 'whole'],
      ['"a"', 'ETag: W/"a"', 'whole'],
      ['"a"', '', 'whole'],
      ['a', 'ETag: a', 'whole'],
      [at(-10), tagged, '0-1'],
      ['Friday, 20-Nov-26 11:59:50 GMT', tagged, '0-1'],
      [at(-9), tagged, 'whole'],
      [at(-11), tagged, 'whole'],
      [NOW, `Last-Modified: ${NOW}\nDate: ${NOW}`, 'whole'],
      [at(-1), `Last-Modified: ${at(-1)}\nDate: ${NOW}`, '0-1'],
      [NOW, `Date: ${NOW}`, 'whole'],
      ['today', tagged, 'whole'],
      ['"a"\nIf-Range: "a"', tagged, 'whole'],
    ] as const) {
      expect(plan(`Range: bytes=0-0\nIf-Range: ${condition}`, { stored }), condition).to.equal(expected);
    }
    expect(plan('If-Range: "a"', { stored: tagged })).to.equal('whole');
  });
});

describe('several ranges', () => {
  it('go into one message of announced size', () => {
    const body = Buffer.from('abcdefghijklmnopqrst');
    const ranges = [
      { fromByte: 0, toByte: 3 },
      { fromByte: 10, toByte: 20 },
    ];
    const parts = multipart(ranges, 'text/plain', body.length, 'XYZ');
    const message = Buffer.concat([
      ...parts.heads.flatMap((head, i) => [head, body.subarray(ranges[i]?.fromByte, ranges[i]?.toByte)]),
      parts.tail,
    ]);
    expect(parts.contentType).to.equal('multipart/byteranges; boundary=XYZ');
    expect(parts.sizeBytes).to.equal(message.length);
    expect(message.toString()).to.equal(
      [
        ...['--XYZ', 'Content-Type: text/plain', 'Content-Range: bytes 0-2/20', '', 'abc'],
        ...['--XYZ', 'Content-Type: text/plain', 'Content-Range: bytes 10-19/20', '', 'klmnopqrst'],
        ...['--XYZ--', ''],
      ].join('\r\n'),
    );
  });

  it('say no type when the response has none', () => {
    const { heads } = multipart([{ fromByte: 0, toByte: 1 }], undefined, 9, 'XYZ');
    expect(String(heads[0])).to.equal('--XYZ\r\nContent-Range: bytes 0-0/9\r\n\r\n');
  });
});

describe('a Content-Range', () => {
  for (const [value, expected] of [
    ['bytes 0-4/10', [0, 5, 10]],
    ['Bytes 5-9/10', [5, 10, 10]],
    ['bytes 5-9/*', [5, 10, undefined]],
    ['bytes */10', undefined],
    ['bytes 5-4/10', undefined],
    ['bytes 5-10/10', undefined],
    ['bytes 5-9', undefined],
    ['bytes 5-/10', undefined],
    ['bytes=5-9/10', undefined],
    ['pages 5-9/10', undefined],
    ['bytes 0-99999999999999999999/*', undefined],
    ['bytes 0-1/99999999999999999999', undefined],
    ['', undefined],
  ] as const) {
    it(`${JSON.stringify(value)} ${expected === undefined ? 'is none' : 'is read'}`, () => {
      const [fromByte = 0, toByte = 0, sizeBytes] = expected ?? [];
      expect(readContentRange(value)).to.deep.equal(expected && { fromByte, toByte, sizeBytes });
    });
  }
});
