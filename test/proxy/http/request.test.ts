import { expect } from 'chai';
import * as fc from 'fast-check';
import { headersForClient, headersForOrigin } from '../../../proxy/http/headers.ts';
import { DEFAULT_LIMITS } from '../../../proxy/http/limits.ts';
import { authorityOf, type ProxyRequest, readRequest } from '../../../proxy/http/request.ts';

function read(target: string, rawHeaders: string[] = [], method = 'GET', httpVersion = '1.1'): ProxyRequest {
  return readRequest({ method, target, httpVersion, rawHeaders }, DEFAULT_LIMITS);
}

describe('reading a request to the HTTP proxy', () => {
  it('splits absolute URLs without touching their path', () => {
    const urls: Record<string, [host: string, port: number, path: string, url: string]> = {
      'http://a.example': ['a.example', 80, '/', 'http://a.example/'],
      'HTTP://A.Example:80/': ['a.example', 80, '/', 'http://a.example/'],
      'http://a:8080?q': ['a', 8080, '/?q', 'http://a:8080/?q'],
      'http://a/../%2e/;x?y=/?z': ['a', 80, '/../%2e/;x?y=/?z', 'http://a/../%2e/;x?y=/?z'],
      'http://[2001:DB8::1]/x': ['2001:db8::1', 80, '/x', 'http://[2001:db8::1]/x'],
      'http://a//http://b/': ['a', 80, '//http://b/', 'http://a//http://b/'],
    };
    for (const [target, [host, port, path, url]] of Object.entries(urls)) {
      expect(read(target), target).to.deep.include({ kind: 'forward', origin: { host, port }, path, url });
    }
  });

  it('tells forwarding, tunnels and requests to the proxy itself apart', () => {
    expect(read('/x').kind).to.equal('direct');
    expect(read('*', [], 'OPTIONS').kind).to.equal('direct');
    expect(read('a:443', [], 'CONNECT')).to.deep.equal({ kind: 'tunnel', origin: { host: 'a', port: 443 } });
    expect(read('[::1]:443', [], 'CONNECT')).to.deep.equal({
      kind: 'tunnel',
      origin: { host: '::1', port: 443 },
    });
  });

  it('reads an intercepted request as one to the host it names and as one to where it was going', () => {
    const destination = { host: '192.0.2.1', port: 80 };
    const intercepted = (target: string, raw: string[], version = '1.1', method = 'GET'): ProxyRequest =>
      readRequest({ method, target, httpVersion: version, rawHeaders: raw }, DEFAULT_LIMITS, destination);
    const named = { origin: { host: 'a', port: 8080 }, authority: 'a:8080', url: 'http://a:8080/x' };
    const dialled = { origin: destination, authority: 'A:8080', url: 'http://192.0.2.1/x', isTrusted: false };
    for (const target of ['/x', 'http://A:8080/x']) {
      const request = intercepted(target, ['Host', 'A:8080']);
      expect(request).to.have.nested.property('kind', 'intercepted');
      expect(request)
        .to.have.property('named')
        .that.deep.includes({ ...named, path: '/x', isTrusted: true });
      expect(request)
        .to.have.property('dialled')
        .that.deep.includes({ ...dialled, path: target });
    }
    const old = intercepted('/x', [], '1.0');
    for (const of of ['named', 'dialled']) {
      const place = { origin: destination, authority: '192.0.2.1', url: 'http://192.0.2.1/x' };
      expect(old).to.have.property(of).that.deep.includes(place);
    }
    expect(intercepted('*', ['Host', 'a'], '1.1', 'OPTIONS'))
      .to.have.property('named')
      .that.deep.includes({ path: '*', url: 'http://a/' });
    expect(intercepted('*', ['Host', 'a']).kind).to.equal('refused');
    expect(intercepted('a:443', ['Host', 'a:443'], '1.1', 'CONNECT').kind).to.equal('refused');
    expect(intercepted('/x', ['Host', '']).kind).to.equal('refused');
  });

  it('tells one line of a kind from several, in any case and order', () => {
    const raw = ['X-Host', 'x', 'HOST', 'a', 'Content-Length', '3', 'expect', '100-CONTINUE', 'Hosts', 'y'];
    const forward = { kind: 'forward', framing: { kind: 'length', sizeBytes: 3 }, expectsContinue: true };
    expect(read('http://a/', raw)).to.deep.include(forward);
    expect(read('http://a/', [...raw, 'hOST', 'a'])).to.deep.include({ kind: 'refused', status: 400 });
    expect(read('http://a/', [...raw, 'content-length', '3'])).to.include({ kind: 'refused' });
    expect(read('http://a/', [...raw, 'Transfer-Encoding', 'chunked'])).to.include({ kind: 'refused' });
    expect(read('http://a/', ['Max-Forwards', '2'], 'OPTIONS')).to.include({ maxForwards: 2 });
    expect(read('http://a/', ['Max-Forwards', '2'])).to.include({ maxForwards: undefined });
  });

  it('takes 10,000 arbitrary requests without ever accepting an unclear one', () => {
    const piece = fc.constantFrom(
      ...[
        'http://',
        'HTTPS://',
        'a.example',
        '127.0.0.1',
        '[::1]',
        ':80',
        ':99999',
        '@',
        '\\',
        '/',
        '//',
        '?',
        '#',
        '%00',
        ' ',
      ],
    );
    const name = fc.constantFrom(
      'Host',
      'host',
      'Content-Length',
      'Transfer-Encoding',
      'Connection',
      'Expect',
      '__proto__',
    );
    const value = fc.oneof(
      fc.constantFrom('chunked', 'Chunked', 'identity', '0', '5', '05', '-1', '1e3', 'close, host'),
      fc.string(),
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 8 }),
        fc.array(fc.tuple(name, value), { maxLength: 5 }),
        fc.constantFrom('GET', 'POST', 'CONNECT', 'OPTIONS', 'TRACE'),
        fc.constantFrom('1.0', '1.1', '2.0'),
        (pieces, headers, method, version) => {
          const request = read(pieces.join(''), headers.flat(), method, version);
          if (request.kind !== 'forward') return;
          const { origin, path, url, framing, rawHeaders } = request;
          expect(origin.host).to.match(/^[a-z0-9._:-]+$/);
          expect(origin.port).to.be.within(80, 65_535);
          expect(url).to.equal(`http://${authorityOf(origin)}${path === '*' ? '/' : path}`);
          expect(url).not.to.include('#');
          expect(path).to.match(/^(\/|\*$)/);
          const sent = headersForOrigin(rawHeaders, { Host: authorityOf(origin) });
          const lower = Object.keys(sent).map((key) => key.toLowerCase());
          expect(lower.filter((key) => key === 'host')).to.have.length(1);
          expect(lower).not.to.include.members(['content-length']);
          expect(lower).not.to.include.members(['transfer-encoding']);
          if (framing.kind === 'chunked') expect(version).to.equal('1.1');
        },
      ),
      { numRuns: 10_000 },
    );
  });

  it('drops headers named by Connection, in any case and among several lines', () => {
    const raw = [
      'Connection',
      'X-A',
      'connection',
      ' close ,x-b',
      'x-a',
      '1',
      'X-B',
      '2',
      'X-C',
      '3',
      'Age',
      '4',
    ];
    expect(headersForClient(raw)).to.deep.equal(['X-C', '3', 'Age', '4']);
    expect({ ...headersForOrigin(raw, { Host: 'h' }) }).to.deep.equal({ Host: 'h', 'X-C': '3', Age: '4' });
  });
});
