import { expect } from 'chai';
import fc from 'fast-check';
import { hostPortText, readHostPort } from '../../../../proxy/http/page/host-port.ts';

describe('a Host header', () => {
  const accepted: readonly [text: string, host: string, port: number][] = [
    ['proxy.example.net', 'proxy.example.net', 80],
    ['Proxy.Example.net:3128', 'proxy.example.net', 3128],
    ['192.0.2.1:3128', '192.0.2.1', 3128],
    ['[2001:DB8::1]:3128', '2001:db8::1', 3128],
    ['[::1]', '::1', 80],
    ['a_b:65535', 'a_b', 65_535],
  ];
  for (const [text, host, port] of accepted) {
    it(`may be ${text}`, () => expect(readHostPort(text)).to.deep.equal({ host, port }));
  }

  const refused = [
    undefined,
    '',
    ':80',
    'a:',
    'a:0',
    'a:65536',
    'a:080000',
    'a b',
    'a/b',
    "a';b",
    'a"b',
    '<b>',
    'a\r\nb',
    'u@a',
    '-a',
    'a-',
    'a..b',
    'a.',
    '2001:db8::1',
    '[192.0.2.1]',
    '[fe80::1%eth0]',
    '[::1',
    '[]',
    'a'.repeat(254),
    'ä.example',
  ];
  for (const text of refused) {
    it(`may not be ${JSON.stringify(text)}`, () => expect(readHostPort(text)).to.equal(undefined));
  }

  it('once read needs no quoting anywhere, and reads the same again', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[aZ09.\-_[\]:%'"<& \n]*$/));
    fc.assert(
      fc.property(text, (raw) => {
        const read = readHostPort(raw);
        if (read === undefined) return;
        const written = hostPortText(read);
        expect(written).to.match(/^(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\]):\d+$/);
        expect(readHostPort(written)).to.deep.equal(read);
      }),
      { numRuns: 5_000 },
    );
  });
});
