import { expect } from 'chai';
import fc from 'fast-check';
import { formatBytes, formatDuration, formatTable, formatTime } from '../../src/app/output.ts';

describe('output', () => {
  it('says bytes in powers of ten, with three figures at most', () => {
    const golden: [number, string][] = [
      [0, '0 B'],
      [1, '1 B'],
      [999, '999 B'],
      [1000, '1.0 kB'],
      [1049, '1.0 kB'],
      [1050, '1.1 kB'],
      [99_949, '99.9 kB'],
      [99_950, '100 kB'],
      [999_499, '999 kB'],
      [999_500, '1.0 MB'],
      [1_000_000, '1.0 MB'],
      [4_100_000_000, '4.1 GB'],
      [999_499_999_999, '999 GB'],
      [999_500_000_000, '1.0 TB'],
      [1e15, '1.0 PB'],
      [1e18, '1000 PB'],
      [Number.MAX_SAFE_INTEGER, '9.0 PB'],
    ];
    for (const [bytes, text] of golden) expect(formatBytes(bytes), `${bytes}`).to.equal(text);
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        expect(formatBytes(bytes)).to.match(/^(?:\d{1,3}|\d{1,2}\.\d) (?:B|kB|MB|GB|TB|PB)$/);
      }),
    );
  });

  it('says durations without sixty of anything', () => {
    const golden: [number, string][] = [
      [0, '0.0 s'],
      [49, '0.0 s'],
      [50, '0.1 s'],
      [1234, '1.2 s'],
      [59_949, '59.9 s'],
      [59_960, '1 min 0 s'],
      [60_000, '1 min 0 s'],
      [119_400, '1 min 59 s'],
      [119_600, '2 min 0 s'],
      [3_599_900, '60 min 0 s'],
      [7_261_000, '121 min 1 s'],
    ];
    for (const [durationMs, text] of golden)
      expect(formatDuration(durationMs), `${durationMs}`).to.equal(text);
  });

  it('says times to the minute, in UTC', () => {
    expect(formatTime(0)).to.equal('1970-01-01 00:00');
    expect(formatTime(Date.UTC(2026, 10, 20, 13, 59, 59, 999))).to.equal('2026-11-20 13:59');
  });

  it('puts rows into columns, figures to the right, and no blanks at the end', () => {
    const rows = [
      ['NAME', 'SIZE', 'NOTE'],
      ['a', '5', ''],
      ['longer', '12345', 'x'],
    ];
    expect(formatTable(rows, [1])).to.equal(
      ['NAME     SIZE  NOTE', 'a           5', 'longer  12345  x'].join('\n'),
    );
    expect(formatTable(rows).split('\n')[1]).to.equal('a       5');
    expect(formatTable([])).to.equal('');
    expect(formatTable([['only']])).to.equal('only');
    expect(formatTable([[''], ['']])).to.equal('\n');
  });

  it('puts a column of its own width also where the first row is shorter', () => {
    expect(formatTable([['a'], ['b', 'c', 'd'], ['e', 'ff', 'g']])).to.equal(
      ['a', 'b  c   d', 'e  ff  g'].join('\n'),
    );
  });

  it('puts as many rows as there are files in a home directory', () => {
    const rows = Array.from({ length: 300_000 }, (_, index) => [`${index}`, 'x']);
    expect(formatTable(rows).length).to.be.greaterThan(300_000 * 9);
  });
});
