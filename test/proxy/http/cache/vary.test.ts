import { expect } from 'chai';
import { isSelected, selectingFields } from '../../../../proxy/http/cache/vary.ts';
import { lines } from './responses.ts';

/** Whether a response to the first request, varying so, is selected by the second. */
function selected(vary: string, first: string, second: string): boolean {
  const selecting = selectingFields(lines(first), lines(vary));
  return selecting !== undefined && isSelected(lines(second), selecting);
}

describe('selection by Vary', () => {
  it('matches any request when there is none', () => {
    expect(selectingFields(lines('A: 1'), [])).to.deep.equal([]);
    expect(selected('Vary:', 'A: 1', 'A: 2')).to.equal(true);
    expect(selected('Vary: ,,', 'A: 1', 'A: 2')).to.equal(true);
  });

  it('matches no request with a member * or one that is no name', () => {
    for (const vary of ['Vary: *', 'Vary: A, *', 'Vary: A\nVary: *', 'Vary: A B', 'Vary: "A"', 'Vary: A;b']) {
      expect(selectingFields(lines('A: 1'), lines(vary)), vary).to.equal(undefined);
    }
  });

  it('compares all the fields named, on any line and in any case', () => {
    expect(selected('Vary: A', 'A: 1\nB: 2', 'B: 3\na: 1')).to.equal(true);
    expect(selected('Vary: a', 'A: 1', 'A: 2')).to.equal(false);
    expect(selected('VARY: A,, b', 'A: 1\nB: 2', 'A: 1\nB: 3')).to.equal(false);
    expect(selected('Vary: A\nVary: B', 'A: 1\nB: 2', 'A: 1\nB: 3')).to.equal(false);
    expect(selected('Vary: A\nVary: B, a', 'A: 1\nB: 2', 'A: 1\nB: 2\nC: 3')).to.equal(true);
  });

  it('takes absence for absence only', () => {
    expect(selected('Vary: A', 'B: 1', 'B: 2')).to.equal(true);
    expect(selected('Vary: A', 'B: 1', 'A: 1')).to.equal(false);
    expect(selected('Vary: A', 'A: 1', 'B: 1')).to.equal(false);
    expect(selected('Vary: A', 'A:', 'B: 1')).to.equal(false);
    expect(selected('Vary: A', 'B: 1', 'A:')).to.equal(false);
    expect(selected('Vary: A', 'A:', 'A:')).to.equal(true);
  });

  it('combines lines and ignores blanks between members', () => {
    expect(selected('Vary: A', 'A: 1\nA: 2', 'A: 1, 2')).to.equal(true);
    expect(selected('Vary: A', 'A: 1 ,2', 'A: 1,  2')).to.equal(true);
    expect(selected('Vary: A', 'A: 1, 2', 'A: 2, 1')).to.equal(false);
    expect(selected('Vary: A', 'A: x', 'A: X')).to.equal(false);
    expect(selected('Vary: A', 'A: "1,2"', 'A: "1, 2"')).to.equal(false);
  });

  it('leaves fields that are no lists as they are', () => {
    const agent = 'User-Agent: A (b, c)';
    expect(selected('Vary: User-Agent', agent, agent)).to.equal(true);
    expect(selected('Vary: User-Agent', agent, 'User-Agent: A (b,c)')).to.equal(false);
    expect(selected('Vary: Cookie', 'Cookie: a=1, 2', 'Cookie: a=1,2')).to.equal(false);
  });

  it('ignores case, order and the writing of weights in what is negotiated', () => {
    for (const [name, one, other] of [
      ['Accept-Encoding', 'gzip, deflate, br', 'BR,gzip ,Deflate'],
      ['Accept-Encoding', 'gzip;q=1.0, *;q=0', 'gzip, *; Q=0.000'],
      ['Accept-Encoding', 'gzip;q=0.50', 'gzip;q=0.5'],
      ['Accept-Language', 'de-AT, de;q=0.8, en;q=0.5', 'en; q=0.5,de;q=0.80 , DE-at'],
      ['Accept-Language', 'en, de', 'de, en'],
      ['Accept', 'text/HTML;Level=1, */*;q=0.1', '*/*;q=0.1, Text/html;level=1'],
    ] as const) {
      expect(selected(`Vary: ${name}`, `${name}: ${one}`, `${name}: ${other}`), one).to.equal(true);
    }
  });

  it('but nothing that may matter', () => {
    for (const [name, one, other] of [
      ['Accept-Encoding', 'gzip', 'gzip, br'],
      ['Accept-Encoding', 'gzip', 'gzip;q=0'],
      ['Accept-Language', 'en;q=0.8', 'en;q=0.9'],
      ['Accept', 'text/html;profile=A', 'text/html;profile=a'],
      ['Accept', 'text/html;level=1', 'text/html;level=0'],
      ['Accept', 'text/html;level=1', 'text/html'],
      ['Accept', 'text/html;q=1.0000', 'text/html'],
      ['Accept', 'text/html;profile="a, b"', 'text/html;profile="b, a"'],
    ] as const) {
      expect(selected(`Vary: ${name}`, `${name}: ${one}`, `${name}: ${other}`), one).to.equal(false);
    }
  });
});
