import { createContext, runInContext } from 'node:vm';
import { expect } from 'chai';
import type { HostPort } from '../../../../proxy/http/page/host-port.ts';
import { proxyPac } from '../../../../proxy/http/page/proxy-pac.ts';

const PROXY = { host: 'proxy.example.net', port: 3128 };

describe('the PAC file', () => {
  const THROUGH = 'PROXY proxy.example.net:3128; DIRECT';
  const decisions: readonly [url: string, expected: string][] = [
    ['http://weir/', THROUGH],
    ['HTTP://WEIR/test/1', THROUGH],
    ['http://example.org/', THROUGH],
    ['http://example.org:8080/a:81', THROUGH],
    ['http://192.0.2.1/', THROUGH],
    ['http://172.15.0.1/', THROUGH],
    ['http://172.32.0.1/', THROUGH],
    ['http://100.63.0.1/', THROUGH],
    ['http://100.128.0.1/', THROUGH],
    ['http://[2001:db8::1]/', THROUGH],
    ['http://[2001:db8::1]:8080/', THROUGH],
    ['http://10.example.org/', THROUGH],
    ['http://127.0.0.1.example.org/', THROUGH],
    ['http://local.example.org/', THROUGH],
    ['http://fd00.example.org/', THROUGH],
    ['http://wpad/wpad.dat', 'DIRECT'],
    ['http://printer/', 'DIRECT'],
    ['http://nas.local/', 'DIRECT'],
    ['http://router.home.arpa/', 'DIRECT'],
    ['http://10.1.2.3/', 'DIRECT'],
    ['http://127.0.0.1:8080/', 'DIRECT'],
    ['http://169.254.169.254/', 'DIRECT'],
    ['http://172.16.0.1/', 'DIRECT'],
    ['http://172.31.255.255/', 'DIRECT'],
    ['http://192.168.1.1/', 'DIRECT'],
    ['http://100.64.0.1/', 'DIRECT'],
    ['http://100.127.0.1/', 'DIRECT'],
    ['http://0.0.0.0/', 'DIRECT'],
    ['http://[::1]/', 'DIRECT'],
    ['http://[::ffff:10.0.0.1]/', 'DIRECT'],
    ['http://[fd12::1]/', 'DIRECT'],
    ['http://[fe80::1]:8080/', 'DIRECT'],
    ['http://example.org:25/', 'DIRECT'],
    ['http://example.org:443/', 'DIRECT'],
    ['https://example.org/', 'DIRECT'],
    ['https://weir/', 'DIRECT'],
    ['ws://example.org/', 'DIRECT'],
    ['wss://example.org/', 'DIRECT'],
    ['ftp://example.org/', 'DIRECT'],
  ];
  for (const [url, expected] of decisions) {
    it(`sends ${url} ${expected === 'DIRECT' ? 'directly' : 'through the proxy'}`, () => {
      for (const host of spellings(url)) expect(decide(PROXY, [], url, host), host).to.equal(expected);
    });
  }

  it('sends https through the proxy on the ports it is told, never to what is near', () => {
    const https = (url: string): string => decide(PROXY, [443, 8443], url, spellings(url)[0] ?? '');
    expect(https('https://example.org/')).to.equal(THROUGH);
    expect(https('https://example.org:8443/')).to.equal(THROUGH);
    expect(https('https://example.org:9443/')).to.equal('DIRECT');
    expect(https('https://192.168.1.1/')).to.equal('DIRECT');
    expect(https('wss://example.org/')).to.equal('DIRECT');
  });

  it('writes an IPv6 proxy in brackets', () => {
    const proxy = { host: '2001:db8::5', port: 80 };
    expect(decide(proxy, [], 'http://example.org/', 'example.org')).to.equal(
      'PROXY [2001:db8::5]:80; DIRECT',
    );
  });

  it('is not made for a host that could end the text it stands in', () => {
    for (const host of ["a'; alert(1); '", 'a b', 'a\nb', 'a;b', '[::1]', '']) {
      expect(() => proxyPac({ host, port: 1 }), host).to.throw();
    }
  });
});

/** Runs the file as a browser does, with none of the functions that would look names up. */
function decide(proxy: HostPort, tunnelPorts: readonly number[], url: string, host: string): string {
  const context = createContext({ url, host });
  return runInContext(`${proxyPac(proxy, tunnelPorts)}\nFindProxyForURL(url, host);`, context) as string;
}

/** The host as engines pass it: an IPv6 address bare or in brackets. */
function spellings(url: string): string[] {
  const [, host = ''] = /^\w+:\/\/(\[[^\]]*\]|[^/:]*)/.exec(url) ?? [];
  return host.startsWith('[') ? [host, host.slice(1, -1)] : [host];
}
