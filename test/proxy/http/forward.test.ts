import type { IncomingMessage } from 'node:http';
import { expect } from 'chai';
import {
  ask,
  bodyOf,
  eventually,
  get,
  httpOrigin,
  rawClient,
  rawOrigin,
  statusOf,
  testProxy,
} from './harness.ts';

const MIB = 1024 * 1024;

describe('forwarding by the HTTP proxy', () => {
  it('rewrites Host, strips hop-by-hop headers, keeps the rest as it was', async () => {
    let seen: IncomingMessage | undefined;
    await using origin = await httpOrigin((req, res) => {
      seen = req;
      const headers = [
        'X-One',
        '1',
        'x-ONE',
        '2',
        'Connection',
        'X-Secret',
        'X-Secret',
        's',
        'Proxy-Authenticate',
        'p',
      ];
      res
        .writeHead(200, 'Fine Indeed', [
          ...headers,
          'Set-Cookie',
          'a',
          'Set-Cookie',
          'b',
          'Content-Length',
          '0',
        ])
        .end();
    });
    await using proxy = await testProxy();
    const sent = [
      `GET HTTP://127.0.0.1:${origin.port}/a/../b//c?x=%7e&y=|? HTTP/1.1`,
      'Host: elsewhere.example',
      'Connection: close, X-Hop',
      'X-Hop: 1',
      'Proxy-Connection: keep-alive',
      'Proxy-Authorization: Basic eA==',
      'Keep-Alive: 5',
      'TE: trailers',
      'Upgrade: h2c',
      'X-Case: a',
      'X-Case: b',
      '__proto__: polluted',
      'Via: 1.1 before',
    ];
    const answer = await ask(proxy, `${sent.join('\r\n')}\r\n\r\n`);
    expect(seen?.url).to.equal('/a/../b//c?x=%7e&y=|?');
    const headers = [
      `Host: 127.0.0.1:${origin.port}`,
      'X-Case: a',
      'X-Case: b',
      '__proto__: polluted',
      'Via: 1.1 before',
    ];
    expect(linesOf(seen?.rawHeaders ?? [])).to.deep.equal([...headers, 'Connection: keep-alive']);
    const [status, ...received] = answer.slice(0, answer.indexOf('\r\n\r\n')).split('\r\n');
    expect(status).to.equal('HTTP/1.1 200 Fine Indeed');
    const passed = received.filter((line) => !line.startsWith('Date: '));
    const kept = ['X-One: 1', 'x-ONE: 2', 'Set-Cookie: a', 'Set-Cookie: b', 'Content-Length: 0'];
    expect(passed).to.deep.equal([...kept, 'Connection: close']);
  });

  it('keeps an empty query, and refuses raw bytes above ASCII', async () => {
    await using origin = await httpOrigin((req, res) => res.end(req.url));
    await using proxy = await testProxy();
    expect(bodyOf(await ask(proxy, get(origin, '/a?').replace('1.1', '1.0')))).to.equal('/a?');
    expect(bodyOf(await ask(proxy, get(origin, '?q').replace('1.1', '1.0')))).to.equal('/?q');
    expect(statusOf(await ask(proxy, get(origin, '/\xc3\xa9')))).to.equal(400);
  });

  it('keeps client and origin connections open between requests', async () => {
    await using origin = await httpOrigin((req, res) => res.end(`<${req.url}>`));
    await using proxy = await testProxy();
    const client = rawClient(proxy.port);
    for (const path of ['/1', '/2', '/3']) {
      client.socket.write(get(origin, path).replace('Connection: close\r\n', ''));
      await client.until((text) => text.includes(`<${path}>`));
    }
    expect(origin.connections).to.have.length(1);
    client.socket.destroy();
  });

  it('sends a request again when the origin has closed the kept connection', async () => {
    await using origin = await rawOrigin((socket) => {
      let requests = 0;
      socket.on('data', () => {
        requests += 1;
        if (requests > 1) socket.resetAndDestroy();
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    await using proxy = await testProxy();
    for (const _ of [1, 2, 3]) expect(bodyOf(await ask(proxy, get(origin)))).to.equal('ok');
    expect(origin.connections).to.have.length(3);
    expect(proxy.stats().failed).to.equal(0);
  });

  it('answers pipelined requests in order, one at a time', async () => {
    let open = 0;
    let most = 0;
    await using origin = await httpOrigin((req, res) => {
      most = Math.max(most, (open += 1));
      const delayMs = req.url === '/0' ? 50 : 0;
      setTimeout(() => {
        open -= 1;
        res.end(`<${req.url}>`);
      }, delayMs);
    });
    await using proxy = await testProxy();
    const requests = Array.from({ length: 10 }, (_, i) =>
      get(origin, `/${i}`).replace('Connection: close\r\n', ''),
    );
    const text = await rawClient(proxy.port, requests.join('') + get(origin, '/last')).whole();
    expect(text.match(/<[^>]+>/g)).to.deep.equal(
      [...requests.keys()].map((i) => `</${i}>`).concat('</last>'),
    );
    expect(most).to.equal(1);
  });

  it('closes the origin connection when the client goes away', async () => {
    await using origin = await httpOrigin((req, res) => {
      if (req.url === '/half') res.write('some');
    });
    await using proxy = await testProxy();
    for (const path of ['/silent', '/half']) {
      const before = origin.connections.length;
      const client = rawClient(proxy.port, get(origin, path));
      await eventually(() => origin.connections.length > before, 'origin reached');
      if (path === '/half') await client.until((text) => text.includes('some'));
      client.socket.destroy();
      await eventually(
        () => origin.connections.every((socket) => socket.destroyed),
        `${path} closed at the origin`,
      );
    }
    expect(proxy.stats().failed).to.equal(0);
  });

  it('closes the origin connection when an upload is broken off', async () => {
    await using origin = await httpOrigin((req) => req.resume());
    await using proxy = await testProxy();
    const head = get(origin, '/', 'Content-Length: 100000\r\n').replace('GET', 'POST');
    const client = rawClient(proxy.port, `${head}part`);
    await eventually(() => origin.connections.length === 1, 'origin reached');
    client.socket.destroy();
    await eventually(() => origin.connections[0]?.destroyed === true, 'closed at the origin');
  });

  describe('an answer the origin breaks off', () => {
    const broken: Record<string, string> = {
      'short of its length': 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart',
      'short of its last chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n',
      'by reset where only the end of the connection marks it': 'HTTP/1.1 200 OK\r\n\r\npart',
      'inside a chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\npart',
    };
    for (const [name, bytes] of Object.entries(broken)) {
      for (const version of ['1.1', '1.0']) {
        for (const isReset of name.startsWith('by reset') ? [true] : [false, true]) {
          it(`${name}, to HTTP/${version}, by ${isReset ? 'reset' : 'end'}, is seen to be cut`, async () => {
            await using origin = await rawOrigin((socket) => {
              socket.once('data', () => {
                socket.write(bytes);
                setTimeout(() => (isReset ? socket.resetAndDestroy() : socket.end()), 30);
              });
            });
            await using proxy = await testProxy();
            const client = rawClient(proxy.port, get(origin).replace('HTTP/1.1', `HTTP/${version}`));
            let error: Error | undefined;
            client.socket.on('error', (thrown) => (error = thrown));
            const answer = await client.whole();
            expect(answer).to.include('part');
            expect(answer).not.to.match(/\r\n0\r\n\r\n$/);
            const isFramed = /content-length: 100|transfer-encoding/i.test(answer);
            expect(isFramed || error !== undefined, 'the client can tell').to.equal(true);
            expect(proxy.stats().failed).to.equal(1);
          });
        }
      }
    }

    it('before it began is answered 502', async () => {
      await using origin = await rawOrigin((socket) => socket.once('data', () => socket.destroy()));
      await using proxy = await testProxy();
      const answer = await ask(proxy, get(origin));
      expect(statusOf(answer)).to.equal(502);
      expect(bodyOf(answer)).to.match(/^WEIR_PROXY_UPSTREAM: /);
    });
  });

  const unclear = {
    'gzip, chunked': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    'chunked in HTTP/1.0': 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'length and chunked':
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n',
    'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\n12345',
    'protocol switch': 'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
    nonsense: 'SSH-2.0-OpenSSH\r\n',
  };
  for (const [name, bytes] of Object.entries(unclear)) {
    it(`answers 502 for an origin's ${name}`, async () => {
      await using origin = await rawOrigin((socket) => socket.once('data', () => socket.write(bytes)));
      await using proxy = await testProxy();
      expect(statusOf(await ask(proxy, get(origin)))).to.equal(502);
      await eventually(
        () => origin.connections[0]?.destroyed === true || origin.connections[0]?.readableEnded === true,
        'origin closed',
      );
    });
  }

  it('survives control characters in a reason phrase', async () => {
    const answer = 'HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok';
    await using origin = await rawOrigin((socket) => socket.once('data', () => socket.write(answer)));
    await using proxy = await testProxy();
    expect(await ask(proxy, get(origin))).to.match(/^HTTP\/1\.1 200 \r\n[^]*ok$/);
  });

  it('passes HEAD, 204 and 304 without a body, and serves on', async () => {
    await using origin = await httpOrigin((req, res) => {
      if (req.method === 'HEAD') res.writeHead(200, { 'Content-Length': 1000 }).end();
      else if (req.url === '/204') res.writeHead(204).end();
      else if (req.url === '/304') res.writeHead(304, { ETag: '"x"' }).end();
      else res.end('body');
    });
    await using proxy = await testProxy();
    const keep = (text: string): string => text.replace('Connection: close\r\n', '');
    const requests =
      keep(get(origin).replace('GET', 'HEAD')) + keep(get(origin, '/204')) + keep(get(origin, '/304'));
    const text = await rawClient(proxy.port, requests + get(origin)).whole();
    expect(text.match(/HTTP\/1\.1 \d+/g)).to.deep.equal([
      'HTTP/1.1 200',
      'HTTP/1.1 204',
      'HTTP/1.1 304',
      'HTTP/1.1 200',
    ]);
    expect(text).to.match(/Content-Length: 1000/);
    expect(text.match(/body/g)).to.have.length(1);
  });

  it('asks the origin before it lets the client send a body', async () => {
    await using origin = await rawOrigin((socket) => {
      socket.once('data', (head) => {
        expect(head.toString()).to.match(/^Expect: 100-continue\r$/m);
        setTimeout(() => socket.write('HTTP/1.1 100 Continue\r\n\r\n'), 50);
        socket.once('data', (body) =>
          socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n${body.toString()}`),
        );
      });
    });
    await using proxy = await testProxy();
    const head = get(origin, '/', 'Content-Length: 4\r\nExpect: 100-continue\r\n').replace('GET', 'PUT');
    const client = rawClient(proxy.port, head);
    await client.until((text) => text === 'HTTP/1.1 100 Continue\r\n\r\n');
    client.socket.write('body');
    expect(await client.whole()).to.match(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK[^]*body$/);
  });

  it('passes an early refusal of a body, and the client can go on', async () => {
    await using origin = await rawOrigin((socket) => {
      socket.once('data', () =>
        socket.end('HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'),
      );
    });
    await using proxy = await testProxy();
    const size = 4 * MIB;
    const head = get(origin, '/', `Content-Length: ${size}\r\n`)
      .replace('GET', 'PUT')
      .replace('Connection: close\r\n', '');
    const client = rawClient(proxy.port, head);
    client.socket.write(Buffer.alloc(size));
    await client.until((text) => statusOf(text) === 413);
    client.socket.write('GET /weir-heartbeat HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.until((text) => text.includes('HTTP/1.1 204'));
    client.socket.destroy();
  });

  it('gives up on a silent origin and on a client that stopped reading', async () => {
    await using origin = await httpOrigin((req, res) => {
      if (req.url === '/endless') {
        const block = Buffer.alloc(MIB);
        res.on('drain', () => res.write(block));
        res.write(block);
      }
    });
    await using proxy = await testProxy({ limits: { originIdleMs: 300, clientIdleMs: 600 } });
    expect(statusOf(await ask(proxy, get(origin)))).to.equal(502);
    const stalled = rawClient(proxy.port, get(origin, '/endless'));
    stalled.socket.pause();
    await eventually(() => proxy.stats().connections === 1, 'connected');
    await eventually(() => proxy.stats().connections === 0, 'cut');
    expect(origin.connections.every((socket) => socket.destroyed)).to.equal(true);
    stalled.socket.destroy();
  });
});

function linesOf(raw: readonly string[]): string[] {
  return Array.from({ length: raw.length / 2 }, (_, i) => `${raw[2 * i]}: ${raw[2 * i + 1]}`);
}
