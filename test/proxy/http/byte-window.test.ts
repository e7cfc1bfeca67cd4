import { expect } from 'chai';
import { createByteWindow } from '../../../proxy/http/byte-window.ts';
import { chance } from '../../base/seeded.ts';

describe('a byte window', () => {
  it('gives every byte it holds, whatever sizes they came in and what was let go', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { bytes, integer: below } = chance(seed);
      const all: Buffer[] = [];
      const window = createByteWindow();
      for (let step = 0; step < 120; step++) {
        const chunk = Buffer.from(bytes(below(4) === 0 ? 4096 + below(9000) : 1 + below(50)));
        all.push(chunk);
        window.push(chunk);
        if (below(3) === 0)
          window.dropBefore(window.startBytes + below(window.endBytes - window.startBytes + 1));
        const stream = Buffer.concat(all);
        expect(window.endBytes, `seed ${seed}`).to.equal(stream.length);
        if (window.startBytes === window.endBytes) continue;
        const position = window.startBytes + below(window.endBytes - window.startBytes);
        const found = window.at(position);
        expect(
          found?.equals(stream.subarray(position, position + (found?.length ?? 0))),
          `seed ${seed}`,
        ).to.equal(true);
        expect(window.at(window.endBytes)).to.equal(undefined);
      }
      expect(window.gather().equals(Buffer.concat(all).subarray(window.startBytes)), `seed ${seed}`).to.equal(
        true,
      );
    }
  });

  it('lets go of no piece that reaches beyond, and of none twice', () => {
    const window = createByteWindow();
    for (const size of [5000, 5000, 5000]) window.push(Buffer.alloc(size));
    window.dropBefore(7000);
    expect(window.startBytes).to.equal(5000);
    window.dropBefore(7000);
    window.dropBefore(0);
    expect([window.startBytes, window.endBytes]).to.deep.equal([5000, 15_000]);
    window.dropBefore(15_000);
    expect(window.startBytes).to.equal(15_000);
  });

  it('does not spend a piece on every byte', () => {
    const window = createByteWindow();
    for (let at = 0; at < 100_000; at++) window.push(Buffer.of(at & 255));
    let pieces = 0;
    for (let at = 0; at < 100_000; at += window.at(at)?.length ?? 1) pieces++;
    expect(pieces).to.be.below(30);
  });
});
