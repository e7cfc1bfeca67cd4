import { connect } from 'node:net';
import { expect } from 'chai';
import { createDial } from '../../../src/base/dial.ts';
import {
  ask,
  bodyOf,
  eventually,
  get,
  httpOrigin,
  type Origin,
  rawClient,
  rawOrigin,
  statusOf,
  testProxy,
} from './harness.ts';

/**
 * Request smuggling vectors after PortSwigger's "HTTP Desync Attacks", the http-garden and Node.js'
 * own advisories. Each is a first request and, hidden behind it, a second one. `O` is the origin.
 */
const HIDDEN = 'GET http://O/hidden HTTP/1.1\r\nHost: O\r\n\r\n';
const POST = 'POST http://O/ HTTP/1.1\r\nHost: O\r\n';
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
const CHUNKED_BODY = `0\r\n\r\n${HIDDEN}`;
const VECTORS: Record<string, string> = {
  'CL and TE': `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED_BODY}`,
  'TE and CL': `${POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n${CHUNKED_BODY}`,
  'CL 0 and TE': `${POST}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED_BODY}`,
  'two CL': `${POST}Content-Length: 0\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  'two equal CL': `${POST}Content-Length: 0\r\nContent-Length: 0\r\n\r\n${HIDDEN}`,
  'CL list': `${POST}Content-Length: 0, ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  'CL with plus': `${POST}Content-Length: +0\r\n\r\n${HIDDEN}`,
  'CL negative': `${POST}Content-Length: -1\r\n\r\n${HIDDEN}`,
  'CL hex': `${POST}Content-Length: 0x0\r\n\r\n${HIDDEN}`,
  'CL too large': `${POST}Content-Length: 18446744073709551616\r\n\r\n${HIDDEN}`,
  'TE identity, chunked': `${POST}Transfer-Encoding: identity, chunked\r\n\r\n${CHUNKED_BODY}`,
  'TE identity': `${POST}Transfer-Encoding: identity\r\n\r\n${HIDDEN}`,
  'TE gzip, chunked': `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n${CHUNKED_BODY}`,
  'TE chunked, identity': `${POST}Transfer-Encoding: chunked, identity\r\n\r\n${CHUNKED_BODY}`,
  'TE chunked twice': `${POST}Transfer-Encoding: chunked, chunked\r\n\r\n${CHUNKED_BODY}`,
  'two TE lines': `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n${CHUNKED_BODY}`,
  'two TE lines, other order': `${POST}Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED_BODY}`,
  'TE quoted': `${POST}Transfer-Encoding: "chunked"\r\n\r\n${CHUNKED_BODY}`,
  'TE xchunked': `${POST}Transfer-Encoding: xchunked\r\n\r\n${CHUNKED_BODY}`,
  'TE with vertical tab': `${POST}Transfer-Encoding: \x0bchunked\r\n\r\n${CHUNKED_BODY}`,
  'TE with NUL': `${POST}Transfer-Encoding: chunked\0\r\n\r\n${CHUNKED_BODY}`,
  'TE space before colon': `${POST}Transfer-Encoding : chunked\r\n\r\n${CHUNKED_BODY}`,
  'TE folded': `${POST}Transfer-Encoding:\r\n chunked\r\n\r\n${CHUNKED_BODY}`,
  'TE after bare CR': `${POST}X: y\rTransfer-Encoding: chunked\r\n\r\n${CHUNKED_BODY}`,
  'TE after bare LF': `${POST}X: y\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED_BODY}`,
  'TE with leading space in name': `${POST} Transfer-Encoding: chunked\r\n\r\n${CHUNKED_BODY}`,
  'TE in HTTP/1.0': `POST http://O/ HTTP/1.0\r\nHost: O\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED_BODY}`,
  'chunk size with LF only': `${POST}Transfer-Encoding: chunked\r\n\r\n0\n\n${HIDDEN}`,
  'chunk size overflow': `${POST}Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n${HIDDEN}`,
  'chunk size 0x': `${POST}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n${HIDDEN}`,
  'chunk size negative': `${POST}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n${HIDDEN}`,
  'chunk data without CRLF': `${POST}Transfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n${HIDDEN}`,
  'chunk extension with LF': `${POST}Transfer-Encoding: chunked\r\n\r\n1;\nx\r\na\r\n${CHUNKED_BODY}`,
  'header section with LF only': `GET http://O/ HTTP/1.1\nHost: O\n\n${HIDDEN}`,
  'two Hosts': `GET http://O/ HTTP/1.1\r\nHost: O\r\nHost: elsewhere\r\n\r\n${HIDDEN}`,
  'two equal Hosts': `GET http://O/ HTTP/1.1\r\nHost: O\r\nhost: O\r\n\r\n${HIDDEN}`,
  'no Host': `GET http://O/ HTTP/1.1\r\n\r\n${HIDDEN}`,
  'folded header': `GET http://O/ HTTP/1.1\r\nHost: O\r\nX: a\r\n b\r\n\r\n${HIDDEN}`,
  'header without colon': `GET http://O/ HTTP/1.1\r\nHost: O\r\nX\r\n\r\n${HIDDEN}`,
  'empty header name': `GET http://O/ HTTP/1.1\r\nHost: O\r\n: x\r\n\r\n${HIDDEN}`,
  'HTTP/2.0': `GET http://O/ HTTP/2.0\r\nHost: O\r\n\r\n${HIDDEN}`,
  'HTTP/1.2': `GET http://O/ HTTP/1.2\r\nHost: O\r\n\r\n${HIDDEN}`,
  'HTTP/0.9': `GET http://O/\r\n\r\n${HIDDEN}`,
  'space in target': `GET http://O/ x HTTP/1.1\r\nHost: O\r\n\r\n${HIDDEN}`,
  'Upgrade, CL and TE': `${POST}${UPGRADE}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED_BODY}`,
  'Upgrade and two CL': `${POST}${UPGRADE}Content-Length: 0\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  'Upgrade and TE identity, chunked': `${POST}${UPGRADE}Transfer-Encoding: identity, chunked\r\n\r\n${CHUNKED_BODY}`,
  'Upgrade and TE in HTTP/1.0': `POST http://O/ HTTP/1.0\r\nHost: O\r\n${UPGRADE}Transfer-Encoding: chunked\r\n\r\n${CHUNKED_BODY}`,
  'Upgrade and two Hosts': `GET http://O/ HTTP/1.1\r\nHost: O\r\nHost: O\r\n${UPGRADE}\r\n${HIDDEN}`,
  'h2c and two Hosts': `GET http://O/ HTTP/1.1\r\nHost: O\r\nHost: O\r\n${UPGRADE.replace('websocket', 'h2c')}\r\n${HIDDEN}`,
  'h2c and a folded header': `GET http://O/ HTTP/1.1\r\nHost: O\r\n${UPGRADE.replace('websocket', 'h2c')}X: a\r\n b\r\n\r\n${HIDDEN}`,
  'HTTP/2 preface': `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${HIDDEN}`,
};

/** Valid requests whose body looks like a request: forwarded once, body and all. */
const DISGUISED: Record<string, string> = {
  'chunked DELETE': `DELETE http://O/ HTTP/1.1\r\nHost: O\r\nTransfer-Encoding: chunked\r\n\r\n`,
  'chunked OPTIONS': `OPTIONS http://O/ HTTP/1.1\r\nHost: O\r\nTransfer-Encoding: chunked\r\n\r\n`,
  'chunked GET': `GET http://O/ HTTP/1.1\r\nHost: O\r\nTransfer-Encoding: chunked\r\n\r\n`,
  'chunked HEAD': `HEAD http://O/ HTTP/1.1\r\nHost: O\r\nTransfer-Encoding: chunked\r\n\r\n`,
  'chunked POST': `${POST}Transfer-Encoding: chunked\r\n\r\n`,
  'TE in capitals': `${POST}TRANSFER-ENCODING: Chunked\r\n\r\n`,
  'TE named in Connection': `${POST}Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n`,
  'CL named in Connection': `${POST}Connection: Content-Length\r\nContent-Length: N\r\n\r\n`,
  'GET with CL': `GET http://O/ HTTP/1.1\r\nHost: O\r\nContent-Length: N\r\n\r\n`,
  'DELETE with CL': `DELETE http://O/ HTTP/1.1\r\nHost: O\r\nContent-Length: N\r\n\r\n`,
  'Upgrade: h2c': `${POST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nContent-Length: N\r\n\r\n`,
  'Upgrade: websocket with CL': `GET http://O/ HTTP/1.1\r\nHost: O\r\n${UPGRADE}Content-Length: N\r\n\r\n`,
  'Upgrade: websocket, chunked': `GET http://O/ HTTP/1.1\r\nHost: O\r\n${UPGRADE}Transfer-Encoding: chunked\r\n\r\n`,
  'Expect and TE': `${POST}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n`,
};

describe('what the HTTP proxy refuses', () => {
  describe('request smuggling', () => {
    let origin: Origin & { bytes(): string };
    beforeEach(async () => {
      const chunks: Buffer[] = [];
      const raw = await rawOrigin((socket) => {
        socket.on('data', (chunk) => {
          chunks.push(chunk);
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
        });
        socket.on('end', () => socket.end());
      });
      origin = Object.assign(raw, { bytes: () => Buffer.concat(chunks).toString('latin1') });
    });
    afterEach(() => origin[Symbol.asyncDispose]());

    const at = (text: string): string => text.replaceAll('O/', `127.0.0.1:${origin.port}/`);

    for (const [name, vector] of Object.entries(VECTORS)) {
      it(name, async () => {
        await using proxy = await testProxy();
        const answer = await ask(proxy, at(vector));
        // A fault in the body comes too late for an answer of ours.
        if (!name.startsWith('chunk ') || answer !== '') expect(statusOf(answer)).to.be.oneOf([400, 505]);
        expect(answer.match(/HTTP\/1\.1 \d{3}/g) ?? [], 'answers').to.have.length.at.most(1);
        expect(origin.bytes()).not.to.include('hidden');
      });

      it(`${name}, intercepted`, async () => {
        const transparent = {
          listen: { host: '127.0.0.1', port: 0 },
          destinationOf: () => ({ host: '127.0.0.1', port: origin.port }),
          addressesOf: async () => [],
        };
        await using proxy = await testProxy({ transparent });
        const port = proxy.transparentAddress?.port ?? 0;
        const answer = await rawClient(port, vector.replaceAll('http://O/', '/')).whole();
        if (!name.startsWith('chunk ') || answer !== '') expect(statusOf(answer)).to.be.oneOf([400, 505]);
        expect(answer.match(/HTTP\/1\.1 \d{3}/g) ?? [], 'answers').to.have.length.at.most(1);
        expect(origin.bytes()).not.to.include('hidden');
      });
    }

    for (const [name, head] of Object.entries(DISGUISED)) {
      it(`${name}: one request, with its body`, async () => {
        await using proxy = await testProxy();
        const hidden = at(HIDDEN);
        const isChunked = /transfer-encoding/i.test(head);
        const body = isChunked ? `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n` : hidden;
        const client = rawClient(proxy.port, at(head).replace('N\r\n', `${hidden.length}\r\n`) + body);
        await client.until((text) => /HTTP\/1\.1 200/.test(text));
        await eventually(() => origin.bytes().includes(hidden.trim()), 'body passed on');
        const [sent = ''] = origin.bytes().split('\r\n\r\n');
        const framing = sent.toLowerCase().match(/^(transfer-encoding|content-length): .*$/gm);
        expect(framing).to.deep.equal([
          isChunked ? 'transfer-encoding: chunked' : `content-length: ${hidden.length}`,
        ]);
        expect(sent).to.match(/^connection: close$/im);
        expect(sent).not.to.match(/upgrade|http2-settings/i);
        expect(origin.connections).to.have.length(1);
        client.socket.destroy();
      });
    }

    it('a connection that carried a body is not used again', async () => {
      await using proxy = await testProxy();
      for (const method of ['GET', 'POST', 'GET']) {
        const body = method === 'POST' ? 'Content-Length: 1\r\n\r\nx' : '\r\n';
        await ask(proxy, at(`${method} http://O/ HTTP/1.1\r\nHost: O\r\nConnection: close\r\n${body}`));
      }
      expect(origin.connections, 'the two GETs share one').to.have.length(2);
    });

    it('serves nothing behind a refused request', async () => {
      await using proxy = await testProxy();
      const good = at('GET http://O/hidden HTTP/1.1\r\nHost: O\r\n\r\n');
      const bad = at('GET http://O/bad HTTP/1.1\r\nHost: O\r\nHost: O\r\n\r\n');
      const answer = await ask(proxy, bad + good + good);
      expect(statusOf(answer)).to.equal(400);
      expect(origin.connections).to.have.length(0);
    });
  });

  describe('targets', () => {
    const targets: Record<string, number> = {
      'https://example.org/': 400,
      'ftp://example.org/': 400,
      'file:///etc/passwd': 400,
      'example.org/': 400,
      'http:/example.org': 400,
      'http:///x': 400,
      'http://user@example.org/': 400,
      'http://user:password@example.org/': 400,
      'http://example.org\\@127.0.0.1/': 400,
      'http://example.org:0/': 400,
      'http://example.org:65536/': 400,
      'http://example.org:80:80/': 400,
      'http://example.org:http/': 400,
      'http://exa%6dple.org/': 400,
      'http://[::1/': 400,
      'http://[127.0.0.1]/': 400,
      'http://[fe80::1%25lo]/': 400,
      'http://example.org/#fragment': 400,
      'http://example.org:25/': 403,
      'http://example.org:22/': 403,
      'http://127.0.0.2:8080/': 502,
      'http://10.0.0.1/': 403,
      'http://[::1]:8080/': 403,
      'http://0x7f000001:1/': 403,
      'http://name.invalid/': 502,
    };
    for (const [target, status] of Object.entries(targets)) {
      it(`${target} with ${status}`, async () => {
        await using proxy = await testProxy({
          dial: createDial({
            allow: ['127.0.0.0/8'],
            resolve: async (name) =>
              name === 'name.invalid' ? Promise.reject(new Error('no such name')) : ['10.0.0.1'],
          }),
        });
        const answer = await ask(proxy, `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
        expect(statusOf(answer)).to.equal(status);
        expect(bodyOf(answer)).to.match(/^WEIR_(PROXY|DIAL)_[A-Z_]+: .+\n.+\n$/);
      });
    }

    it('a URL above 8 KiB with 414, one below passes', async () => {
      await using origin = await httpOrigin((req, res) => res.end(String(req.url?.length)));
      await using proxy = await testProxy();
      expect(statusOf(await ask(proxy, get(origin, `/${'a'.repeat(8_200)}`)))).to.equal(414);
      expect(bodyOf(await ask(proxy, get(origin, `/${'a'.repeat(8_000)}`)))).to.include('8001');
    });

    it('headers above 16 KiB and more than 256 lines with 431', async () => {
      await using origin = await httpOrigin((_req, res) => res.end());
      await using proxy = await testProxy();
      expect(statusOf(await ask(proxy, get(origin, '/', `X: ${'a'.repeat(17_000)}\r\n`)))).to.equal(431);
      expect(statusOf(await ask(proxy, get(origin, '/', 'X: a\r\n'.repeat(255))))).to.equal(431);
      expect(statusOf(await ask(proxy, get(origin, '/', 'a:\r\n'.repeat(3_000))))).to.equal(431);
      expect(origin.connections).to.have.length(0);
      expect(statusOf(await ask(proxy, get(origin, '/', 'X: a\r\n'.repeat(254))))).to.equal(200);
    });

    it('TRACE with 405', async () => {
      await using proxy = await testProxy();
      expect(statusOf(await ask(proxy, 'TRACE http://x/ HTTP/1.1\r\nHost: x\r\n\r\n'))).to.equal(405);
    });

    it('itself, under every name, as an origin', async () => {
      const dial = createDial({ allow: ['127.0.0.0/8', '::1'], resolve: async () => ['127.0.0.1'] });
      for (const host of ['127.0.0.1', '0.0.0.0']) {
        await using proxy = await testProxy({ dial, listen: { host, port: 0 } });
        const request = (name: string): string =>
          `GET http://${name}:${proxy.port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
        for (const name of ['loop.test', ...(host === '0.0.0.0' ? ['127.0.0.7'] : [])]) {
          const answer = await ask(proxy, request(name));
          expect(statusOf(answer), name).to.equal(403);
          expect(answer).to.include('this proxy itself');
        }
        // The very address it came to: a browser set by hand that asks for the page.
        expect(await ask(proxy, request('127.0.0.1'))).to.match(/^HTTP\/1.1 200 .*passed through it/s);
      }
    });
  });

  describe('clients', () => {
    it('outside the ranges: 403 and closed, for any method', async () => {
      await using origin = await httpOrigin((_req, res) => res.end());
      await using proxy = await testProxy({ clients: ['127.0.0.2/32'] });
      for (const text of [
        get(origin),
        `CONNECT 127.0.0.1:${origin.port} HTTP/1.1\r\nHost: x\r\n\r\n`,
        'nonsense\r\n\r\n',
      ]) {
        const answer = await ask(proxy, text);
        expect(statusOf(answer)).to.equal(403);
        expect(answer).to.include('WEIR_PROXY_CLIENT_REFUSED');
      }
      expect(statusOf(await rawClient(proxy.port, get(origin), '127.0.0.2').whole())).to.equal(200);
      expect(origin.connections).to.have.length(1);
      expect(proxy.stats().refused).to.equal(3);
    });

    it('that send no headers in time', async () => {
      await using proxy = await testProxy({ limits: { headersTimeoutMs: 200 } });
      const started = performance.now();
      const [slow, silent] = await Promise.all([
        ask(proxy, 'GET http://x/ HTTP/1.1\r\nHost: x\r\nX-Slow: '),
        rawClient(proxy.port).whole(),
      ]);
      expect(statusOf(slow)).to.equal(408);
      expect(silent).to.satisfy((text: string) => text === '' || statusOf(text) === 408);
      expect(performance.now() - started).to.be.within(190, 1_500);
    });

    it('beyond their number of connections, and only those', async () => {
      await using proxy = await testProxy({ limits: { connectionsPerClient: 3 } });
      const held = [0, 1, 2].map(() => rawClient(proxy.port));
      await eventually(() => proxy.stats().connections === 3, 'three connections');
      const answer = await ask(proxy, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      expect(statusOf(answer)).to.equal(503);
      const other = rawClient(
        proxy.port,
        'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
        '127.0.0.9',
      );
      expect(statusOf(await other.whole())).to.equal(200);
      held[0]?.socket.destroy();
      await eventually(() => proxy.stats().connections === 2, 'one left');
      expect(statusOf(await ask(proxy, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'))).to.equal(
        200,
      );
      for (const { socket } of held) socket.destroy();
    });

    it('that pipeline without end', async () => {
      await using origin = await httpOrigin(() => {});
      await using proxy = await testProxy();
      const request = get(origin).replace('Connection: close\r\n', '');
      await rawClient(proxy.port, request.repeat(200)).whole();
      expect(origin.connections.length).to.be.at.most(1);
    });

    it('that vanish before they are answered', async () => {
      await using proxy = await testProxy();
      for (let i = 0; i < 20; i += 1) {
        const socket = connect(proxy.port, '127.0.0.1', () => {
          socket.write('GET http://127.0.0.1:9/ HTTP/1.1\r\nHost: x\r\n\r\n');
          socket.resetAndDestroy();
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
      await eventually(() => proxy.stats().connections === 0, 'all gone');
    });
  });

  describe('and what it answers for itself', () => {
    it('a heartbeat, a page, and 404', async () => {
      await using proxy = await testProxy();
      const beat = await ask(proxy, 'GET /weir-heartbeat HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      expect(statusOf(beat)).to.equal(204);
      expect(beat).to.match(/^X-Weir: 1\.2\.3$/m);
      const page = await ask(proxy, 'GET / HTTP/1.0\r\n\r\n');
      expect(statusOf(page)).to.equal(200);
      expect(bodyOf(page)).to.match(/^This is the HTTP proxy of Weir/);
      expect(statusOf(await ask(proxy, 'GET /x HTTP/1.0\r\n\r\n'))).to.equal(404);
    });

    it('OPTIONS without forwards left; with some, one less', async () => {
      await using origin = await httpOrigin((req, res) =>
        res.end(`${req.url} ${String(req.headers['max-forwards'])}`),
      );
      await using proxy = await testProxy();
      const options = (forwards: number, path: string): string =>
        get(origin, path, `Max-Forwards: ${forwards}\r\n`).replace('GET', 'OPTIONS');
      expect(statusOf(await ask(proxy, options(0, '')))).to.equal(204);
      expect(bodyOf(await ask(proxy, options(5, '')))).to.include('* 4');
      expect(bodyOf(await ask(proxy, options(1, '/')))).to.include('/ 0');
    });
  });
});
