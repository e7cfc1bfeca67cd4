import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { answerItself, type DirectSettings, isOwn } from '../../../../proxy/http/direct.ts';
import { bodyOf, rawClient, statusOf } from '../harness.ts';

describe('a request addressed to the proxy itself', () => {
  const settings: DirectSettings = {
    site: { version: '1.2.3' },
    subscriberAt: (address) => (address === '127.0.0.1' ? { name: 'ada', isRecorded: true } : undefined),
  };
  let ask: (request: string, isProxied?: boolean, with_?: DirectSettings) => Promise<string>;
  let port: number;
  let close: () => void;
  before(async () => {
    let current: [boolean, DirectSettings] = [false, settings];
    const server = createServer((req, res) => {
      const [isProxied, facts] = current;
      answerItself({ req, path: req.url ?? '', isProxied }, res, facts);
    });
    await new Promise<void>((resolve) => server.listen(0, '::', resolve));
    ({ port } = server.address() as AddressInfo);
    close = () => server.close();
    ask = (request, isProxied = false, using = settings) => {
      current = [isProxied, using];
      return rawClient(port, `${request}Connection: close\r\n\r\n`).whole();
    };
  });
  after(() => close());

  const pac = async (host: string, isProxied = false, using = settings): Promise<string | undefined> =>
    /PROXY ([^;]*);/.exec(await ask(`GET /proxy.pac HTTP/1.1\r\nHost: ${host}\r\n`, isProxied, using))?.[1];

  it('is told the address it came to', async () => {
    expect(await pac('proxy.example.net:8080')).to.equal('proxy.example.net:8080');
    expect(await pac('[2001:db8::1]:8080')).to.equal('[2001:db8::1]:8080');
    expect(await pac('192.0.2.1')).to.equal('192.0.2.1:80');
  });

  it('is told where it is connected when that is no address to come to, or comes through the proxy', async () => {
    const bound = `127.0.0.1:${port}`;
    for (const host of ['wpad', 'weir', "x';alert(1);'", 'a.', 'u@a', '']) {
      expect(await pac(host), host).to.equal(bound);
    }
    expect(await pac('proxy.example.net:8080', true)).to.equal(bound);
  });

  it('is told the public address before any other', async () => {
    const site = { version: '1', publicAddress: { host: 'cache.example.net', port: 3128 } };
    for (const isProxied of [true, false]) {
      expect(await pac('10.0.0.1:1', isProxied, { ...settings, site })).to.equal('cache.example.net:3128');
    }
  });

  it('learns whom it is from, an IPv4 client of an IPv6 port included', async () => {
    expect(await ask('GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n')).to.include('127.0.0.1, the address of ada');
    expect(await ask('GET / HTTP/1.0\r\n')).to.include('ada');
    expect(await ask('GET / HTTP/1.1\r\nHost: weir\r\n', true)).to.include('ada');
  });

  it('does not name the subscriber to a page of a name nobody vouches for', async () => {
    for (const host of ['evil.example', 'evil.example:3128', 'evil.example.', 'weir.evil.example']) {
      const answer = await ask(`GET / HTTP/1.1\r\nHost: ${host}\r\nAccept: text/html\r\n`);
      expect(statusOf(answer)).to.equal(200);
      expect(answer, host).to.include('told at');
      expect(answer, host).to.not.include('>ada<');
    }
    const site = { version: '1', publicAddress: { host: 'Cache.example.net', port: 1 } };
    const vouched = await ask('GET / HTTP/1.1\r\nHost: cache.example.net\r\n', false, { ...settings, site });
    expect(vouched).to.include('ada');
  });

  it('may ask by GET and HEAD, or what it may ask', async () => {
    for (const path of ['/', '/proxy.pac', '/test/1', '/nothing', '/weir-heartbeat']) {
      const head = await ask(`HEAD ${path} HTTP/1.1\r\nHost: x\r\n`);
      const got = await ask(`GET ${path} HTTP/1.1\r\nHost: x\r\n`);
      expect(bodyOf(head), path).to.equal('');
      expect(fields(head), path).to.deep.equal(fields(got));
    }
    const options = await ask('OPTIONS / HTTP/1.1\r\nHost: x\r\n');
    expect(options).to.match(/^HTTP\/1\.1 204 .*\r\nAllow: GET, HEAD, OPTIONS\r\n/);
    expect(await ask('OPTIONS * HTTP/1.1\r\nHost: x\r\n')).to.match(/\r\nAllow: .*CONNECT\r\n/);
  });

  it('is refused in any other way, told which ones there are', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PROPFIND']) {
      const answer = await ask(`${method} / HTTP/1.1\r\nHost: x\r\n`);
      expect(statusOf(answer), method).to.equal(405);
      expect(answer).to.include('\r\nAllow: GET, HEAD, OPTIONS\r\n');
    }
  });

  it('goes to http://weir/ or http://wpad/, and to no other port or name', () => {
    for (const host of ['weir', 'wpad']) expect(isOwn({ host, port: 80 })).to.equal(true);
    expect(isOwn({ host: 'weir', port: 8080 })).to.equal(false);
    expect(isOwn({ host: 'weir.example', port: 80 })).to.equal(false);
  });
});

/** Status and headers, without the time. */
function fields(answer: string): string[] {
  return answer
    .slice(0, answer.indexOf('\r\n\r\n'))
    .split('\r\n')
    .filter((line) => !line.startsWith('Date:'));
}
