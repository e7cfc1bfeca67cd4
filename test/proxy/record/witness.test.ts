import { expect } from 'chai';
import fc from 'fast-check';
import { createWitnessKey } from '../../../proxy/record/witness.ts';
import { systemRandom } from '../../../src/base/random.ts';

describe('witness', () => {
  const key = createWitnessKey(systemRandom);
  const witnessOf = (nonce: Uint8Array, pieces: readonly Uint8Array[], under = key) => {
    const witness = under.start(nonce);
    for (const piece of pieces) witness.update(piece);
    return witness.digest();
  };

  it('is the same for the same bytes in any pieces', () => {
    const nonce = key.newNonce();
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 70 }), { maxLength: 12 }), (pieces) => {
        const whole = Buffer.concat(pieces);
        expect(witnessOf(nonce, pieces).equals(witnessOf(nonce, [whole]))).to.equal(true);
      }),
    );
  });

  it('has another nonce for every body', () => {
    const nonces = Array.from({ length: 1_000 }, () => key.newNonce().toString('hex'));
    expect(new Set(nonces).size).to.equal(1_000);
  });

  it('differs for one bit, another length, nonce or key', () => {
    const nonce = key.newNonce();
    const bytes = Buffer.alloc(1000, 7);
    const witness = witnessOf(nonce, [bytes]);
    for (let bit = 0; bit < 8000; bit += 37) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(witnessOf(nonce, [changed]).equals(witness), `${bit}`).to.equal(false);
    }
    expect(witnessOf(nonce, [bytes, Buffer.alloc(1)]).equals(witness)).to.equal(false);
    expect(witnessOf(nonce, [bytes.subarray(1)]).equals(witness)).to.equal(false);
    expect(witnessOf(key.newNonce(), [bytes]).equals(witness)).to.equal(false);
    expect(witnessOf(nonce, [bytes], createWitnessKey(systemRandom)).equals(witness)).to.equal(false);
    expect(witness).to.have.length(16);
  });
});
