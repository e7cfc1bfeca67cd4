import { createHmac, randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { createHmacSha256 } from '../../src/base/hmac.ts';

describe('HMAC-SHA-256', () => {
  it('is RFC 4231 test case 2', () => {
    const code = createHmacSha256(Buffer.from('Jefe')).digest(Buffer.from('what do ya want for nothing?'));
    expect(code.toString('hex')).to.equal('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
  });

  it('is that of OpenSSL at every length around its bounds', () => {
    const key = randomBytes(32);
    const hmac = createHmacSha256(key);
    for (const sizeBytes of [0, 1, 31, 32, 55, 56, 63, 64, 65, 4096, 262_143, 262_144, 262_145, 1_000_000]) {
      const bytes = randomBytes(sizeBytes);
      expect(
        hmac.digest(bytes).equals(createHmac('sha256', key).update(bytes).digest()),
        `${sizeBytes} bytes`,
      ).to.equal(true);
    }
  });

  it('keeps keys apart that are used in turn', () => {
    const keys = [randomBytes(32), randomBytes(32)];
    const hmacs = keys.map(createHmacSha256);
    for (let round = 0; round < 4; round++) {
      const key = keys[round % 2] ?? Buffer.alloc(0);
      const bytes = randomBytes(100);
      expect(
        hmacs[round % 2]?.digest(bytes).equals(createHmac('sha256', key).update(bytes).digest()),
      ).to.equal(true);
    }
  });
});
