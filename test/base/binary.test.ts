import { expect } from 'chai';
import fc from 'fast-check';
import { AssertionError } from '../../src/base/assert.ts';
import { ByteReader, ByteWriter } from '../../src/base/binary.ts';
import { mutated, underSeed } from './seeded.ts';

class Refused extends Error {}

function reader(bytes: Uint8Array): ByteReader {
  return new ByteReader(bytes, (reason) => {
    throw new Refused(reason);
  });
}

function written(write: (out: ByteWriter) => void, capacityBytes = 1): Buffer {
  const out = new ByteWriter(capacityBytes);
  write(out);
  return out.finish();
}

const varintOf = (value: number) => written((out) => out.varint(value));
const latin1 = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const natural = fc.oneof(
  fc.maxSafeNat(),
  fc.nat({ max: 300 }),
  fc.integer({ min: 0, max: 53 }).map((bit) => Math.min(2 ** bit, Number.MAX_SAFE_INTEGER)),
);
/** Zigzag doubles a number, so one bit of the 53 goes to the sign. */
const MAX_SIGNED = 2 ** 52 - 1;

/** One field of any kind: how it is written, how it is read, what is expected. */
const field = fc.oneof(
  fc.nat({ max: 255 }).map((value) => ({ kind: 'u8' as const, value })),
  fc.nat({ max: 2 ** 48 - 1 }).map((value) => ({ kind: 'u48' as const, value })),
  fc.double({ noNaN: true }).map((value) => ({ kind: 'f64' as const, value })),
  natural.map((value) => ({ kind: 'varint' as const, value })),
  fc
    .integer({ min: -MAX_SIGNED - 1, max: MAX_SIGNED })
    .map((value) => ({ kind: 'signedVarint' as const, value })),
  latin1.map((value) => ({ kind: 'prefixedByteString' as const, value })),
  fc.string({ unit: 'grapheme' }).map((value) => ({ kind: 'prefixedText' as const, value })),
);
type Field = typeof field extends fc.Arbitrary<infer T> ? T : never;

function write(out: ByteWriter, one: Field): void {
  switch (one.kind) {
    case 'prefixedByteString':
    case 'prefixedText':
      return out[one.kind](one.value);
    default:
      return out[one.kind](one.value);
  }
}

function read(from: ByteReader, { kind }: Field): unknown {
  return kind === 'prefixedByteString' || kind === 'prefixedText' ? from[kind](100_000) : from[kind]();
}

describe('binary fields', () => {
  it('reads back any fields in order, from any first capacity', () => {
    fc.assert(
      fc.property(fc.array(field, { maxLength: 30 }), fc.nat({ max: 64 }), (fields, capacityBytes) => {
        const bytes = written((out) => {
          for (const one of fields) write(out, one);
          expect(out.length).to.equal(out.finish().length);
        }, capacityBytes);
        const from = reader(bytes);
        for (const one of fields) expect(read(from, one)).to.equal(one.value);
        from.end();
      }),
      { numRuns: 500 },
    );
  });

  it('writes the varints of LEB128', () => {
    const golden: [number, string][] = [
      [0, '00'],
      [127, '7f'],
      [128, '8001'],
      [300, 'ac02'],
      [16_383, 'ff7f'],
      [16_384, '808001'],
      [0xffff_ffff, 'ffffffff0f'],
      [2 ** 48, '80808080808040'],
      [Number.MAX_SAFE_INTEGER, 'ffffffffffffff0f'],
    ];
    for (const [value, hex] of golden) {
      expect(varintOf(value).toString('hex')).to.equal(hex);
      expect(reader(Buffer.from(hex, 'hex')).varint()).to.equal(value);
    }
  });

  it('writes small magnitudes of either sign short, down to the least there is', () => {
    const golden: [number, string][] = [
      [0, '00'],
      [-1, '01'],
      [1, '02'],
      [-64, '7f'],
      [64, '8001'],
      [MAX_SIGNED, 'feffffffffffff0f'],
      [-MAX_SIGNED - 1, 'ffffffffffffff0f'],
    ];
    for (const [value, hex] of golden) {
      expect(written((out) => out.signedVarint(value)).toString('hex')).to.equal(hex);
      expect(reader(Buffer.from(hex, 'hex')).signedVarint()).to.equal(value);
    }
  });

  it('refuses varints that are padded, too long, too large or cut off', () => {
    for (const hex of [
      '8000',
      '808000',
      'ff00',
      'ffffffffffffff1f',
      'ffffffffffffff7f',
      '8080808080808080',
    ]) {
      expect(() => reader(Buffer.from(hex, 'hex')).varint(), hex).to.throw(Refused);
    }
    for (const hex of ['', '80', 'ffff']) {
      expect(() => reader(Buffer.from(hex, 'hex')).varint(), hex).to.throw(Refused, 'ends early');
    }
    expect(() => reader(varintOf(256)).varint(255)).to.throw(Refused, 'above 255');
    expect(reader(varintOf(255)).varint(255)).to.equal(255);
  });

  it('gives one number for each spelling: what reads as a varint is written the same', () => {
    underSeed((chance) => {
      for (let run = 0; run < 20_000; run++) {
        const bytes = chance.bytes(1 + chance.integer(9));
        const from = reader(bytes);
        let value: number;
        try {
          value = from.varint();
        } catch (error) {
          expect(error).to.be.instanceOf(Refused);
          continue;
        }
        expect(Number.isSafeInteger(value)).to.equal(true);
        expect(varintOf(value).equals(bytes.subarray(0, bytes.length - from.remaining))).to.equal(true);
      }
    });
  });

  it('takes numbers that no varint holds for a programmer error', () => {
    for (const value of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 2 ** 60]) {
      expect(() => varintOf(value), `${value}`).to.throw(AssertionError);
    }
    for (const value of [2 ** 52, -(2 ** 52) - 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 1.5]) {
      expect(() => written((out) => out.signedVarint(value)), `${value}`).to.throw(AssertionError);
    }
  });

  it('keeps within the length it is given', () => {
    expect(() => reader(Buffer.from([5, 1, 2, 3])).prefixedBytes(10)).to.throw(Refused, 'ends early');
    expect(() => reader(Buffer.from([3, 1, 2, 3])).prefixedBytes(2)).to.throw(Refused, 'above 2');
    expect([...reader(Buffer.from([3, 1, 2, 3])).prefixedBytes(3)]).to.deep.equal([1, 2, 3]);
    for (const take of ['u8', 'u48', 'f64'] as const) {
      expect(() => reader(Buffer.alloc(0))[take](), take).to.throw(Refused, 'ends early');
    }
    expect(() => reader(Buffer.from([1])).end()).to.throw(Refused, '1 bytes follow');
  });

  it('reads a view of a larger buffer within its bounds', () => {
    const view = Buffer.from('xxabcxx').subarray(2, 5);
    const from = reader(view);
    expect(from.byteString(3)).to.equal('abc');
    from.end();
    expect(() => from.u8()).to.throw(Refused);
  });

  it('ends a terminated byte string at its NUL and nowhere else', () => {
    const from = reader(Buffer.from('ab\0\0c', 'latin1'));
    expect(from.terminatedByteString(2)).to.equal('ab');
    expect(from.terminatedByteString(2)).to.equal('');
    expect(() => from.terminatedByteString(2)).to.throw(Refused, 'does not end');
    expect(() => reader(Buffer.from('abc\0')).terminatedByteString(2)).to.throw(Refused, 'does not end');
  });

  it('refuses text that is not UTF-8, which would grow when it is written again', () => {
    for (const hex of ['01ff', '02c080', '03eda080', '04f5808080', '01c3']) {
      expect(() => reader(Buffer.from(hex, 'hex')).prefixedText(10), hex).to.throw(Refused);
    }
    expect(reader(Buffer.from('02c3a9', 'hex')).prefixedText(2)).to.equal('é');
  });

  it('never throws anything but its refusal, whatever comes', () => {
    const some = written((out) => {
      out.prefixedText('some text');
      out.varint(123_456);
      out.signedVarint(-123_456);
      out.byteString('ended\0');
      out.f64(-1.5);
      out.prefixedBytes(Buffer.from('bytes'));
    });
    underSeed((chance) => {
      for (let run = 0; run < 10_000; run++) {
        const from = reader(mutated(some, chance));
        try {
          from.prefixedText(20);
          from.varint();
          from.signedVarint();
          from.terminatedByteString(20);
          from.f64();
          from.prefixedBytes(20);
          from.end();
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
        }
      }
    });
  });
});
