import { expect } from 'chai';
import fc from 'fast-check';
import xxhash from 'xxhash-wasm';
import { MAX_ENTRY_BYTES } from '../../../src/store/byte-store.ts';
import {
  decodeFooter,
  decodeHeader,
  decodeRecord,
  decodeTrailer,
  encodeFooterEntry,
  encodeHeader,
  encodeRecord,
  encodeTrailer,
  FOOTER_ENTRY_BYTES,
  HEADER_BYTES,
  RECORD_HEADER_BYTES,
  type SegmentIdentity,
  TRAILER_BYTES,
} from '../../../src/store/embedded/segment-format.ts';

const MALFORMED_RUNS = 10_000;
const identity: SegmentIdentity = { number: 42, retention: 'kept', salt: 0x0123456789abcdefn };

describe('segment format', () => {
  it('decodes what it encoded', () => {
    expect(decodeHeader(encodeHeader(identity))).to.deep.equal({ ok: true, value: identity });
    const { bytes, key, payload } = sampleRecord();
    const record = decodeRecord(bytes, 10, identity.salt);
    expect(record).to.deep.equal({
      ok: true,
      value: { key, codec: 'zstd', sizeBytes: 500, storedBytes: payload.length, payload },
    });
    const { footer, fileBytes } = sampleFooter();
    const trailer = decodeTrailer(footer.subarray(-TRAILER_BYTES), fileBytes);
    if (!trailer.ok) throw new Error(trailer.fault);
    expect(trailer.value).to.deep.equal({ identity, footerOffset: 5000, entries: 3 });
    const entries = decodeFooter(footer, trailer.value);
    expect(entries.ok && entries.value.map(({ offset }) => offset)).to.deep.equal([64, 500, 1000]);
  });

  it('knows another version, and a segment encrypted under a key, by its header', async () => {
    for (const at of [8, 24, 39]) {
      const header = encodeHeader(identity);
      header[at] = 9;
      expect(decodeHeader(await withChecksum(header))).to.deep.equal({ ok: false, fault: 'version' });
    }
  });

  it('takes a record in its own segment only', () => {
    const { bytes } = sampleRecord();
    expect(decodeRecord(bytes, 10, identity.salt + 1n)).to.deep.equal({ ok: false, fault: 'checksum' });
  });

  it('refuses every single flipped bit', () => {
    const header = encodeHeader(identity);
    eachFlip(header, (flipped) => expect(decodeHeader(flipped).ok).to.equal(false));
    const { bytes, end } = sampleRecord();
    eachFlip(bytes.subarray(10, end), (flipped) =>
      expect(decodeRecord(flipped, 0, identity.salt).ok).to.equal(false),
    );
    const { footer, fileBytes } = sampleFooter();
    eachFlip(footer, (flipped) => {
      const trailer = decodeTrailer(flipped.subarray(-TRAILER_BYTES), fileBytes);
      expect(trailer.ok && decodeFooter(flipped, trailer.value).ok).to.equal(false);
    });
  });

  it('refuses lengths that are out of bounds before it reads by them', () => {
    const { bytes } = sampleRecord();
    for (const [at, value] of [
      [26, MAX_ENTRY_BYTES + 1],
      [26, 3],
      [30, 0xffffffff],
      [22, 2],
    ] as const) {
      const record = Buffer.from(bytes);
      record.writeUInt32LE(value, at);
      expect(decodeRecord(record, 10, identity.salt)).to.deep.equal({ ok: false, fault: 'field' });
    }
  });

  it(`answers ${MALFORMED_RUNS} malformed inputs with a fault`, () => {
    const { bytes } = sampleRecord();
    const { footer } = sampleFooter();
    const seeds = [encodeHeader(identity), bytes.subarray(10), footer].map((seed) => Buffer.from(seed));
    const edit = fc.record({
      seed: fc.constantFrom(...seeds),
      from: fc.nat(700),
      noise: fc.uint8Array({ maxLength: 64 }),
    });
    fc.assert(
      fc.property(edit, fc.nat(800), ({ seed, from, noise }, lengthBytes) => {
        const input = Buffer.concat([seed.subarray(0, from), noise, seed.subarray(from + noise.length)]);
        if (input.equals(seed)) return;
        const cut = input.subarray(0, lengthBytes);
        decodeHeader(cut);
        decodeRecord(cut, from, identity.salt);
        const record = decodeRecord(cut, 0, identity.salt);
        // Noise behind the record leaves it as it was.
        const end = RECORD_HEADER_BYTES + 200;
        if (record.ok) expect(seeds[1]?.subarray(0, end).equals(cut.subarray(0, end))).to.equal(true);
        const trailer = decodeTrailer(cut.subarray(-TRAILER_BYTES), cut.length);
        if (trailer.ok)
          expect(decodeFooter(cut.subarray(trailer.value.footerOffset), trailer.value).ok).to.equal(false);
      }),
      { numRuns: MALFORMED_RUNS },
    );
  });
});

async function withChecksum(header: Buffer): Promise<Buffer> {
  const { h64Raw } = await xxhash();
  header.writeBigUInt64LE(h64Raw(header.subarray(0, HEADER_BYTES - 8), identity.salt), HEADER_BYTES - 8);
  return header;
}

function sampleRecord() {
  const bytes = Buffer.alloc(800);
  const key = Buffer.alloc(32, 'key');
  const payload = Buffer.alloc(200, 'payload');
  return { bytes, key, payload, end: encodeRecord(bytes, 10, identity.salt, key, 'zstd', 500, payload) };
}

function sampleFooter() {
  const entries = Buffer.alloc(3 * FOOTER_ENTRY_BYTES);
  for (const [n, offset] of [64, 500, 1000].entries()) {
    encodeFooterEntry(entries, n * FOOTER_ENTRY_BYTES, {
      key: Buffer.alloc(32, n),
      offset,
      codec: 'raw',
      sizeBytes: 300,
      storedBytes: 300,
    });
  }
  const footer = Buffer.concat([entries, encodeTrailer(identity, 5000, entries)]);
  return { footer, fileBytes: 5000 + footer.length };
}

function eachFlip(bytes: Buffer, visit: (flipped: Buffer) => void): void {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    visit(flipped);
  }
}
