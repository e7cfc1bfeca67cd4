import { createHmac } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { AssertionError } from '../../src/base/assert.ts';
import { batchProof, createPossessionTagger, NONCE_BYTES, PROOF_BYTES } from '../../src/content/proof.ts';
import { chance } from '../base/seeded.ts';

const { bytes, integer } = chance(6);
const nonce = bytes(NONCE_BYTES);
const file = bytes(5000);

function possessionTag(nonce: Uint8Array, content: Uint8Array): Buffer {
  return createPossessionTagger(nonce).tag(content);
}

describe('proof of possession', () => {
  it('is an HMAC-SHA-256 over every byte under the nonce, whole or piece by piece', () => {
    const limit = 256 * 1024;
    for (const length of [0, 1, 55, 56, 64, 5000, limit - 1, limit, limit + 1, 2 * limit + 3]) {
      const content = bytes(length);
      const tag = createHmac('sha256', nonce).update(content).digest();
      expect(possessionTag(nonce, content).equals(tag), `${length}`).to.equal(true);
    }
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), fc.uint8Array(), (pieces, other) => {
        const tagger = createPossessionTagger(nonce);
        const hasher = tagger.stream();
        for (const piece of pieces) {
          hasher.update(piece);
          tagger.tag(other);
        }
        expect(hasher.tag().equals(tagger.tag(Buffer.concat(pieces)))).to.equal(true);
      }),
    );
  });

  it('fails one who knows all but one byte, or only the content id', () => {
    const tag = possessionTag(nonce, file);
    for (let run = 0; run < 1000; run++) {
      const guess = Buffer.from(file);
      const at = integer(guess.length);
      guess[at] = (guess[at] ?? 0) ^ (1 + integer(255));
      expect(possessionTag(nonce, guess).equals(tag)).to.equal(false);
    }
    for (const guess of [file.subarray(1), file.subarray(0, -1), Buffer.concat([file, Buffer.alloc(1)])]) {
      expect(possessionTag(nonce, guess).equals(tag)).to.equal(false);
    }
  });

  it('fails under another nonce, number, order, selection or repetition', () => {
    const tags = [0, 1, 2].map((number) => possessionTag(nonce, Buffer.from([number])));
    const proof = batchProof(nonce, 7, tags);
    expect(proof).to.have.length(PROOF_BYTES);
    expect(batchProof(nonce, 7, [...tags]).equals(proof)).to.equal(true);
    const otherNonce = Buffer.from(nonce);
    otherNonce[31] = (otherNonce[31] ?? 0) ^ 1;
    const [first = nonce, second = nonce, third = nonce] = tags;
    for (const [name, other] of Object.entries({
      'another nonce': batchProof(otherNonce, 7, tags),
      'another number': batchProof(nonce, 8, tags),
      'a number of the same low byte': batchProof(nonce, 7 + 256, tags),
      'another order': batchProof(nonce, 7, [second, first, third]),
      'one left out': batchProof(nonce, 7, [first, second]),
      'one twice': batchProof(nonce, 7, [first, second, third, third]),
      nothing: batchProof(nonce, 7, []),
      'tags of another nonce': batchProof(
        nonce,
        7,
        [0, 1, 2].map((number) => possessionTag(otherNonce, Buffer.from([number]))),
      ),
    })) {
      expect(other.equals(proof), name).to.equal(false);
    }
  });

  it('takes a short nonce or tag for a programmer error', () => {
    expect(() => possessionTag(nonce.subarray(1), file)).to.throw(AssertionError);
    expect(() => batchProof(nonce, 0, [Buffer.alloc(31)])).to.throw(AssertionError);
  });
});
