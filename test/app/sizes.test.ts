import { expect } from 'chai';
import fc from 'fast-check';
import { bytesOfShare, formatSize, parseShare, parseSize } from '../../src/app/sizes.ts';

describe('sizes', () => {
  it('are read in powers of ten and of two', () => {
    const expected: [string, number][] = [
      ['0', 0],
      ['4096', 4096],
      ['100 B', 100],
      ['5k', 5000],
      ['500M', 500_000_000],
      ['500 MB', 500_000_000],
      ['256 MiB', 268_435_456],
      ['16GiB', 17_179_869_184],
      ['1.5Ki', 1536],
      ['2 TB', 2e12],
      ['2.3 kB', 2300],
    ];
    for (const [text, bytes] of expected) expect(parseSize(text), text).to.equal(bytes);
    for (const text of [
      '',
      'B',
      'MiB',
      '1 iB',
      '-1',
      '1 XB',
      '1  kB',
      '.5k',
      '1e3',
      '1,5 MB',
      '1 mb',
      '99999 TiB',
    ])
      expect(parseSize(text), text).to.equal(undefined);
  });

  it('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(4), (bytes, power) => {
        for (const each of [bytes, (bytes % 1000) * 1024 ** power])
          expect(parseSize(formatSize(each)), formatSize(each)).to.equal(each);
      }),
    );
    expect(formatSize(1024 ** 3)).to.equal('1 GiB');
    expect(formatSize(1500)).to.equal('1500 B');
  });

  it('are shares of a whole', () => {
    expect(parseShare('50%')).to.equal('50%');
    expect(bytesOfShare('50%', 1001)).to.equal(500);
    expect(bytesOfShare('0.5%', 1000)).to.equal(5);
    expect(bytesOfShare(77, 10)).to.equal(77);
    for (const text of ['', '%', '0%', '100.1%', '-1%', '50', '1000%', '5 % '])
      expect(parseShare(text), text).to.equal(undefined);
    expect(parseShare('100 %')).to.equal('100%');
  });
});
