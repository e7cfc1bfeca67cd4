import { createHash } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  CONTENT_ID_BYTES,
  contentId,
  contentIdHasher,
  EMPTY_CONTENT_ID,
  writeContentId,
} from '../../src/content/content-id.ts';
import { fingerprint, fingerprintHasher, seededHash64 } from '../../src/content/fingerprint.ts';
import {
  createCandidateDigest,
  DIGEST_BYTES,
  IDENTIFIER_BYTES,
  identifierOfFile,
  identifierOfId,
} from '../../src/content/identifier.ts';

const pieces = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 });

describe('content id', () => {
  it('is the SHA-256 of FIPS 180-4', () => {
    const golden: [string, string][] = [
      ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
      ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
      [
        'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
        '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
      ],
      ['a'.repeat(1_000_000), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
    ];
    for (const [text, hex] of golden) expect(contentId(Buffer.from(text)).toString('hex')).to.equal(hex);
    expect(EMPTY_CONTENT_ID.toString('hex')).to.equal(golden[0]?.[1]);
  });

  it('is the same piece by piece and written in place, and touches nothing beside it', () => {
    fc.assert(
      fc.property(pieces, fc.nat({ max: 40 }), (parts, offset) => {
        const whole = Buffer.concat(parts);
        const expected = createHash('sha256').update(whole).digest();
        const hasher = contentIdHasher();
        for (const part of parts) hasher.update(part);
        expect(hasher.digest().equals(expected)).to.equal(true);
        const target = Buffer.alloc(offset + CONTENT_ID_BYTES + 3, 0xaa);
        writeContentId(whole, target, offset);
        expect(target.subarray(offset, offset + CONTENT_ID_BYTES).equals(expected)).to.equal(true);
        target.fill(0xaa, offset, offset + CONTENT_ID_BYTES);
        expect(target.every((byte) => byte === 0xaa)).to.equal(true);
      }),
    );
  });
});

describe('fingerprint', () => {
  it('is xxHash64', () => {
    const golden: [string, bigint, bigint][] = [
      ['', 0n, 0xef46db3751d8e999n],
      ['a', 0n, 0xd24ec4f1a98c6e5bn],
      ['abc', 0n, 0x44bc2cf5ad770999n],
      ['message digest', 0n, 0x066ed728fceeb3ben],
      ['Nobody inspects the spammish repetition', 0n, 0xfbcea83c8a378bf1n],
      ['xxhash', 0n, 0x32dd38952c4bc720n],
      ['xxhash', 20_141_025n, 0xb559b98d844e0635n],
    ];
    for (const [text, seed, hash] of golden) {
      expect(seededHash64(Buffer.from(text), seed), text).to.equal(hash);
      if (seed === 0n) expect(fingerprint(Buffer.from(text)), text).to.equal(hash);
    }
  });

  it('is the same piece by piece, also for two at once', () => {
    fc.assert(
      fc.property(pieces, pieces, (left, right) => {
        const hashers = [fingerprintHasher(), fingerprintHasher()] as const;
        for (let index = 0; index < Math.max(left.length, right.length); index++) {
          hashers[0].update(left[index] ?? new Uint8Array(0));
          hashers[1].update(right[index] ?? new Uint8Array(0));
        }
        expect(hashers[0].digest()).to.equal(fingerprint(Buffer.concat(left)));
        expect(hashers[1].digest()).to.equal(fingerprint(Buffer.concat(right)));
      }),
    );
  });
});

describe('identifiers', () => {
  it('are the low 48 bits of a fingerprint and the first 48 of a content id', () => {
    expect(identifierOfFile(0xef46_db37_51d8_e999n)).to.equal(0xdb37_51d8_e999);
    expect(identifierOfFile(2n ** 64n - 1n)).to.equal(2 ** 48 - 1);
    expect(identifierOfFile(0xffff_0000_0000_0000n)).to.equal(0);
    const id = Buffer.concat([Buffer.from('010203040506', 'hex'), Buffer.alloc(26, 0xff)]);
    expect(identifierOfId(id)).to.equal(0x0605_0403_0201);
    expect(identifierOfId(Buffer.concat([Buffer.alloc(7), id]).subarray(7))).to.equal(0x0605_0403_0201);
    expect(IDENTIFIER_BYTES).to.equal(6);
  });

  it('of candidates are SHA-256 of salt and content id, cut to 16 bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (salt, id, other) => {
          const digestOf = createCandidateDigest(salt);
          digestOf(other);
          const expected = createHash('sha256').update(salt).update(id).digest().subarray(0, 16);
          expect(Buffer.from(digestOf(id), 'latin1').equals(expected)).to.equal(true);
          expect(digestOf(id)).to.have.length(DIGEST_BYTES);
        },
      ),
    );
  });
});
