import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { brotliCompressSync, constants, createBrotliCompress } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { ByteWriter } from '../../src/base/binary.ts';
import { type ErrorCode, WeirError } from '../../src/base/errors.ts';
import { announcement } from '../../src/wire/announcement.ts';
import { readCompressed, wireReader, writeCompressed } from '../../src/wire/codec.ts';
import * as limits from '../../src/wire/limits.ts';
import * as messages from '../../src/wire/messages.ts';
import * as snapshots from '../../src/wire/snapshots.ts';
import { type Chance, mutated, underSeed } from '../base/seeded.ts';
import { CASES, type Case } from './cases.ts';

const MUTANTS = 10_000;
const MAX_DECODE_MS = 1000;
const BOMB_BYTES = 256 * 1024 * 1024;

/** The message, or undefined when it is refused as it should be. */
function decoded(decode: (payload: Buffer) => unknown, payload: Buffer): { message: unknown } | undefined {
  const started = performance.now();
  try {
    return { message: decode(payload) };
  } catch (error) {
    if (error instanceof WeirError && error.code.startsWith('WEIR_WIRE_')) return undefined;
    throw error;
  } finally {
    expect(performance.now() - started, 'milliseconds to decode').to.be.lessThan(MAX_DECODE_MS);
  }
}

function expectSafeNumbers(value: unknown): void {
  if (typeof value === 'number') expect(Number.isSafeInteger(value), `${value}`).to.equal(true);
  else if (Array.isArray(value)) value.forEach(expectSafeNumbers);
  else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    Object.values(value).forEach(expectSafeNumbers);
  }
}

/** A mutant of what stands inside the compressed part, packed again so that it is looked at. */
function mutatedInside(payload: Buffer, chance: Chance): Buffer {
  const from = wireReader(payload);
  const parts = new ByteWriter();
  writeCompressed(parts, mutated(readCompressed(from, 1 << 24), chance));
  parts.bytes(from.bytes(from.remaining));
  return parts.finish();
}

function mutantOf(one: Case, payload: Buffer, chance: Chance): Buffer {
  if (chance.integer(20) === 0) return chance.bytes(chance.integer(80));
  if (one.name === 'announcement' && chance.integer(4) > 0) return mutatedInside(payload, chance);
  return mutated(payload, chance);
}

function payloadOf(write: (out: ByteWriter) => void): Buffer {
  const out = new ByteWriter();
  write(out);
  return out.finish();
}

function expectCode(body: () => unknown, code: ErrorCode, what = ''): void {
  expect(body, what).to.throw(WeirError).with.property('code', code);
}

describe('messages', () => {
  it('have a type each, requests below 64 and answers from there', () => {
    const types = CASES.map(({ type }) => type);
    expect(new Set(types).size).to.equal(types.length);
    const exported = [...Object.values(messages), ...Object.values(snapshots), announcement].filter(
      (value): value is typeof messages.done => typeof value === 'object' && 'decode' in value,
    );
    expect(exported.map(({ type }) => type)).to.have.members(types);
  });

  for (const one of CASES) {
    it(`${one.name}: comes back as it was`, () => {
      fc.assert(
        fc.property(one.roundTrip, ({ given, got }) => {
          expect(got).to.deep.equal(given);
        }),
        { numRuns: 100 },
      );
    });

    it(`${one.name}: of ${MUTANTS} mutants each is refused or is a message`, () => {
      const payloads = fc.sample(one.payload, 30);
      underSeed((chance) => {
        for (let run = 0; run < MUTANTS; run++) {
          const payload = mutantOf(one, payloads[run % payloads.length] ?? Buffer.alloc(0), chance);
          const result = decoded(one.decode, payload);
          if (result === undefined) continue;
          expectSafeNumbers(result.message);
          const again = one.encode(result.message);
          if (one.isCanonical) expect(again.equals(payload), payload.toString('hex')).to.equal(true);
          else if (run % 8 === 0 && one.name !== 'failure') {
            expect(one.decode(again)).to.deep.equal(result.message);
          }
        }
      });
    }).timeout(20_000);

    it(`${one.name}: is refused at every length but its own`, () => {
      const [payload = Buffer.alloc(0)] = fc.sample(one.payload, 1);
      for (let length = 0; length < payload.length; length++) {
        const result = decoded(one.decode, payload.subarray(0, length));
        if (result !== undefined) expect(['upload', 'content']).to.include(one.name);
      }
      const longer = decoded(one.decode, Buffer.concat([payload, Buffer.from([0x2a])]));
      if (longer !== undefined) expect(one.name).to.equal('upload');
    });
  }
});

describe('bounds of messages', () => {
  it('refuse counts at once that nothing stands behind', () => {
    const prefixes: Record<string, Buffer> = {
      welcome: Buffer.alloc(49),
      enrol: Buffer.alloc(33),
      enrolled: Buffer.alloc(32),
      verdict: Buffer.alloc(1),
      commit: Buffer.alloc(33),
      committed: Buffer.alloc(17),
      opened: Buffer.alloc(17),
      content: Buffer.from([0, 0]),
    };
    for (const one of CASES) {
      for (const count of [2 ** 40, 2 ** 32, Number.MAX_SAFE_INTEGER, 65_536, 16_384, 8192]) {
        const payload = payloadOf((out) => {
          out.bytes(prefixes[one.name] ?? Buffer.alloc(0));
          out.varint(count);
        });
        const before = process.memoryUsage().heapUsed;
        const result = decoded(one.decode, payload);
        if (result !== undefined) expect(['upload', 'withdraw']).to.include(one.name);
        expect(process.memoryUsage().heapUsed - before, one.name).to.be.lessThan(16 * 1024 * 1024);
      }
    }
  });

  it('take what is allowed and not one more', () => {
    const asks = (count: number) => messages.askDirectories.encode(Array.from({ length: count }, () => 1));
    expect(messages.askDirectories.decode(asks(limits.MAX_BATCH_DIRECTORY_ASKS))).to.have.length(65_536);
    expectCode(
      () => messages.askDirectories.decode(asks(limits.MAX_BATCH_DIRECTORY_ASKS + 1)),
      'WEIR_WIRE_MALFORMED',
    );
    const five = Array.from({ length: limits.MAX_OFFERED_CANDIDATES + 1 }, () => ({
      isProved: true,
      digest: 'x'.repeat(16),
    }));
    expectCode(() => messages.candidates.decode(messages.candidates.encode([five])), 'WEIR_WIRE_MALFORMED');
    const lost = Array.from({ length: limits.MAX_BATCH_PORTIONS + 1 }, () => 0);
    expectCode(
      () => messages.verdict.decode(messages.verdict.encode({ isAccepted: false, lost })),
      'WEIR_WIRE_MALFORMED',
    );
    const upload = { portions: 1, isCompressed: false, bytes: Buffer.alloc(limits.MAX_UPLOAD_BYTES + 1025) };
    expectCode(() => messages.upload.decode(messages.upload.encode(upload)), 'WEIR_WIRE_MALFORMED');
    const files = Array.from({ length: limits.MAX_FETCH_FILES + 1 }, (_, index) => index);
    expectCode(() => snapshots.fetch.decode(snapshots.fetch.encode(files)), 'WEIR_WIRE_MALFORMED');
  });

  it('count portions over all files of a message', () => {
    const portions = Array.from({ length: limits.MAX_BATCH_PORTIONS / 2 }, () => ({
      sizeBytes: 1,
      identifier: 1,
    }));
    const file = { file: 1, isLast: true, isAsked: true, changed: undefined, portions };
    const two = messages.askPortions.encode([file, { ...file, file: 2 }]);
    expect(messages.askPortions.decode(two)).to.have.length(2);
    const three = messages.askPortions.encode([
      file,
      { ...file, file: 2 },
      { ...file, file: 3, portions: portions.slice(0, 1) },
    ]);
    expectCode(() => messages.askPortions.decode(three), 'WEIR_WIRE_MALFORMED');
  });

  it('refuse flags that are neither yes nor no, flags nobody knows and half a proof', () => {
    const token = Buffer.alloc(48);
    expectCode(
      () => messages.welcome.decode(Buffer.concat([token, Buffer.from([2, 0])])),
      'WEIR_WIRE_MALFORMED',
      'welcome',
    );
    expectCode(() => messages.verdict.decode(Buffer.from([2, 0])), 'WEIR_WIRE_MALFORMED', 'verdict');
    expectCode(() => messages.upload.decode(Buffer.from([1, 2])), 'WEIR_WIRE_MALFORMED', 'upload');
    expectCode(() => messages.askPortions.decode(Buffer.from([1, 0, 8, 0])), 'WEIR_WIRE_MALFORMED', 'flags');
    const half = payloadOf((out) => {
      writeCompressed(out, Buffer.from([1]));
      out.prefixedBytes(Buffer.alloc(31));
    });
    expectCode(() => messages.choice.decode(half), 'WEIR_WIRE_MALFORMED', 'proof');
  });

  it('refuse files of a request that are repeated or beyond any number', () => {
    expectCode(() => snapshots.fetch.decode(Buffer.from([2, 1, 0])), 'WEIR_WIRE_MALFORMED');
    const far = payloadOf((out) => {
      out.varint(2);
      out.varint(Number.MAX_SAFE_INTEGER);
      out.varint(Number.MAX_SAFE_INTEGER);
    });
    expectCode(() => snapshots.fetch.decode(far), 'WEIR_WIRE_MALFORMED');
  });

  it('hold for a name that is not UTF-8: a snapshot with it could be written and never read', () => {
    const name = payloadOf((out) => {
      out.varint(1);
      out.bytes(Buffer.alloc(32));
      out.prefixedBytes(Buffer.alloc(limits.MAX_TEXT_BYTES, 0xff));
    });
    expectCode(() => messages.enrol.decode(name), 'WEIR_WIRE_MALFORMED');
  });

  it('cut a long failure, and take a code they do not know for an internal one', () => {
    const long = new WeirError('WEIR_STORE_FULL', 'é'.repeat(5000));
    expect(messages.failure.decode(messages.failure.encode(long)).message).to.have.length(256);
    const unknown = payloadOf((out) => {
      out.prefixedText('WEIR_FROM_THE_FUTURE');
      out.prefixedText('what it says');
    });
    expect(messages.failure.decode(unknown)).to.include({ code: 'WEIR_INTERNAL', message: 'what it says' });
    for (const code of ['toString', '__proto__', 'constructor', '']) {
      const payload = payloadOf((out) => {
        out.prefixedText(code);
        out.prefixedText('');
      });
      expect(messages.failure.decode(payload).code, code).to.equal('WEIR_INTERNAL');
    }
  });
});

describe('compressed parts', () => {
  const part = (sizeBytes: number, packed: Uint8Array) =>
    payloadOf((out) => {
      out.varint(sizeBytes);
      out.prefixedBytes(packed);
    });
  const read = (payload: Buffer, maxBytes = 1 << 20) => readCompressed(wireReader(payload), maxBytes);
  let bomb: Buffer;

  before(async () => {
    const zeros = Readable.from(Array.from({ length: BOMB_BYTES >> 20 }, () => Buffer.alloc(1 << 20)));
    bomb = await buffer(
      zeros.pipe(createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })),
    );
  });

  it('come back', () => {
    for (const length of [0, 1, 1000, 1 << 20]) {
      const bytes = Buffer.alloc(length, 'weir ');
      const payload = payloadOf((out) => writeCompressed(out, bytes));
      expect(read(payload).equals(bytes)).to.equal(true);
    }
  });

  it('unpack to their announced length and never beyond', () => {
    expect(bomb.length).to.be.lessThan(100_000);
    const before = process.resourceUsage().maxRSS;
    for (const announced of [0, 1, 1000, 1 << 20]) {
      expectCode(() => read(part(announced, bomb)), 'WEIR_WIRE_MALFORMED', `${announced}`);
    }
    expectCode(() => read(part(BOMB_BYTES, bomb)), 'WEIR_WIRE_MALFORMED', 'above the bound');
    expect((process.resourceUsage().maxRSS - before) * 1024).to.be.lessThan(64 * 1024 * 1024);
    expectCode(
      () => read(part(11, brotliCompressSync(Buffer.alloc(10)))),
      'WEIR_WIRE_MALFORMED',
      'too short',
    );
    expectCode(() => read(part(0, Buffer.from('rubbish'))), 'WEIR_WIRE_MALFORMED', 'rubbish for nothing');
  });

  it('are refused when cut short', () => {
    const packed = brotliCompressSync(Buffer.from('what passes is kept. '.repeat(20)));
    for (let length = 0; length < packed.length; length++) {
      expectCode(() => read(part(420, packed.subarray(0, length))), 'WEIR_WIRE_MALFORMED', `${length}`);
    }
    expect(read(part(420, packed))).to.have.length(420);
  });
});
