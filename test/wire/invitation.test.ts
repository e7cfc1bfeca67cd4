import { expect } from 'chai';
import fc from 'fast-check';
import { WeirError } from '../../src/base/errors.ts';
import { decodeInvitation, encodeInvitation } from '../../src/wire/invitation.ts';
import { mutated, underSeed } from '../base/seeded.ts';

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const invitation = fc.record({
  host: fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()),
  port: fc.integer({ min: 1, max: 65_535 }),
  token: bytes32,
  pin: bytes32,
});

function refused(text: string): boolean {
  try {
    decodeInvitation(text);
    return false;
  } catch (error) {
    expect(error).to.be.instanceOf(WeirError).with.property('code', 'WEIR_INVITATION_INVALID');
    return true;
  }
}

describe('invitation', () => {
  it('comes back from its word, also with blanks around it', () => {
    fc.assert(
      fc.property(invitation, fc.constantFrom('', ' ', '\n', '\t '), (given, blank) => {
        const word = encodeInvitation(given);
        expect(word).to.match(/^weir1\.[A-Za-z0-9_-]+$/);
        expect(decodeInvitation(blank + word + blank)).to.deep.equal(given);
      }),
    );
  });

  it('has the word it has always had', () => {
    const given = { host: 'backup.test', port: 7400, token: Buffer.alloc(32, 1), pin: Buffer.alloc(32, 2) };
    expect(encodeInvitation(given)).to.equal(
      'weir1.C2JhY2t1cC50ZXN06DkBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC',
    );
  });

  it('is refused when it is something else, or a part of one', () => {
    const word = encodeInvitation({
      host: 'h',
      port: 1,
      token: Buffer.alloc(32),
      pin: Buffer.alloc(32),
    });
    for (const text of [
      '',
      'weir1.',
      'weir2.AAAA',
      'http://example.test/',
      `x${word}`,
      `${word}AAAA`,
      'weir1.ÿ',
    ]) {
      expect(refused(text), text).to.equal(true);
    }
    for (let length = 0; length < word.length - 1; length++) {
      expect(refused(word.slice(0, length)), `${length}`).to.equal(true);
    }
    const noHost = encodeInvitation({ host: '', port: 1, token: Buffer.alloc(32), pin: Buffer.alloc(32) });
    const noPort = encodeInvitation({ host: 'h', port: 0, token: Buffer.alloc(32), pin: Buffer.alloc(32) });
    expect(refused(noHost), 'no host').to.equal(true);
    expect(refused(noPort), 'no port').to.equal(true);
  });

  it('is refused or one of the same form, whatever happened to it on the way', () => {
    const word = Buffer.from(
      encodeInvitation({
        host: 'backup.test',
        port: 7400,
        token: Buffer.alloc(32, 3),
        pin: Buffer.alloc(32, 4),
      }),
    );
    underSeed((chance) => {
      for (let run = 0; run < 10_000; run++) {
        const text = mutated(word, chance).toString('latin1');
        if (refused(text)) continue;
        const { host, port, token, pin } = decodeInvitation(text);
        expect([host === '', port > 0 && port < 65_536, token.length, pin.length]).to.deep.equal([
          false,
          true,
          32,
          32,
        ]);
      }
    });
  });
});
