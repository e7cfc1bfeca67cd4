import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'chai';
import {
  bodyOf,
  eventually,
  get,
  httpOrigin,
  type Origin,
  type RawClient,
  rawClient,
  rawOrigin,
  statusOf,
  testProxy,
} from './harness.ts';

const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n';

function handshake({ port }: Origin, more = '', path = '/chat?x'): string {
  return [
    `GET http://127.0.0.1:${port}${path} HTTP/1.1`,
    'Host: elsewhere.example',
    'Connection: keep-alive, Upgrade, X-Hop',
    'X-Hop: 1',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    `${more}\r\n`,
  ].join('\r\n');
}

/** An origin that answers every head it gets with `answer` and keeps what it received. */
async function scripted(answer: string): Promise<Origin & { received(): string }> {
  const chunks: Buffer[] = [];
  const origin = await rawOrigin((socket) => {
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.once('data', () => socket.write(answer, 'latin1'));
    socket.on('end', () => socket.end());
  });
  return Object.assign(origin, { received: () => Buffer.concat(chunks).toString('latin1') });
}

async function switched(client: RawClient): Promise<string> {
  return client.until((text) => text.includes('\r\n\r\n'));
}

describe('upgrades through the HTTP proxy', () => {
  it('pass a WebSocket handshake on and relay what follows, heads included', async () => {
    await using origin = await scripted(`${SWITCHING}Sec-WebSocket-Accept: x\r\n\r\nfirst frame`);
    await using proxy = await testProxy();
    const client = rawClient(proxy.port, `${handshake(origin)}ahead`);
    const answer = await client.until((text) => text.endsWith('first frame'));
    expect(answer).to.equal(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Accept: x\r\n\r\nfirst frame',
    );
    await eventually(() => origin.received().endsWith('\r\n\r\nahead'), 'what was sent ahead');
    const [head = ''] = origin.received().split('\r\n\r\n');
    const [start, ...lines] = head.split('\r\n');
    expect(start).to.equal('GET /chat?x HTTP/1.1');
    expect(lines).to.have.members([
      `Host: 127.0.0.1:${origin.port}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ]);
    expect(proxy.stats().tunnels).to.equal(1);
    client.socket.end('bye');
    await eventually(() => origin.received().endsWith('aheadbye'), 'the last word');
    await eventually(() => proxy.stats().tunnels === 0 && proxy.stats().connections === 0, 'gone');
  });

  it('pass 5 MB both ways unchanged', async () => {
    const bytes = randomBytes(5 * 1024 * 1024);
    await using origin = await rawOrigin((socket) => {
      socket.once('data', () => {
        socket.write(`${SWITCHING}\r\n`);
        socket.pipe(socket);
      });
    });
    await using proxy = await testProxy();
    const client = rawClient(proxy.port, handshake(origin));
    const head = await switched(client);
    client.socket.end(bytes);
    const back = Buffer.from((await client.whole()).slice(head.length), 'latin1');
    const sha256 = (body: Buffer): string => createHash('sha256').update(body).digest('hex');
    expect(sha256(back)).to.equal(sha256(bytes));
  });

  it('pass a reset on, in either direction, and are cut when nothing moves', async () => {
    await using origin = await scripted(`${SWITCHING}\r\n`);
    await using proxy = await testProxy({ limits: { tunnelIdleMs: 300 } });
    for (const cause of ['client', 'origin', 'idle'] as const) {
      const client = rawClient(proxy.port, handshake(origin));
      await switched(client);
      const upstream = origin.connections.at(-1);
      if (cause === 'client') client.socket.resetAndDestroy();
      if (cause === 'origin') upstream?.resetAndDestroy();
      await eventually(() => client.socket.destroyed && upstream?.destroyed === true, `${cause}: both cut`);
      await eventually(() => proxy.stats().tunnels === 0, 'tunnel gone');
    }
  });

  it('end when the origin answers something else: what was sent ahead is nobody’s request', async () => {
    const refusal =
      'HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 2\r\n\r\nno';
    await using origin = await scripted(refusal);
    await using proxy = await testProxy();
    const hidden = get(origin, '/hidden');
    const answer = await rawClient(proxy.port, handshake(origin) + hidden).whole();
    expect(statusOf(answer)).to.equal(426);
    expect(answer).to.match(/^connection: close$/im);
    expect(bodyOf(answer)).to.equal('no');
    expect(origin.received()).not.to.include('hidden');
    expect(origin.connections).to.have.length(1);
    expect(proxy.stats().tunnels).to.equal(0);
  });

  it('pass on an answer that has no length, and cut one that breaks off', async () => {
    await using whole = await rawOrigin((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nto the end'));
    });
    await using broken = await scripted('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort');
    await using proxy = await testProxy();
    expect(bodyOf(await rawClient(proxy.port, handshake(whole)).whole())).to.include('to the end');
    const client = rawClient(proxy.port, handshake(broken));
    await client.until((text) => text.includes('short'));
    broken.connections[0]?.resetAndDestroy();
    expect(bodyOf(await client.whole())).to.equal('short');
  });

  it('fail when the origin switches to what was not asked for, says nothing, or is denied', async () => {
    const h2c = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n';
    await using other = await scripted(h2c);
    await using silent = await scripted('');
    await using proxy = await testProxy({ limits: { originIdleMs: 200 } });
    expect(statusOf(await rawClient(proxy.port, handshake(other)).whole())).to.equal(502);
    expect(statusOf(await rawClient(proxy.port, handshake(silent)).whole())).to.equal(502);
    const denied = handshake(other).replace(/127\.0\.0\.1:\d+/, '10.0.0.1');
    expect(statusOf(await rawClient(proxy.port, denied).whole())).to.equal(403);
    const direct = handshake(other).replace(/http:\/\/[^/]+/, '');
    expect(statusOf(await rawClient(proxy.port, direct).whole())).to.equal(400);
    const twoHosts = handshake(other, 'Host: x\r\n');
    expect(statusOf(await rawClient(proxy.port, twoHosts).whole())).to.equal(400);
    expect(other.connections).to.have.length(1);
    expect(proxy.stats().tunnels).to.equal(0);
  });

  it('are given up when the client goes before the origin has answered', async () => {
    await using origin = await scripted('');
    await using proxy = await testProxy();
    const client = rawClient(proxy.port, handshake(origin));
    await eventually(() => origin.received() !== '', 'asked');
    client.socket.resetAndDestroy();
    await eventually(() => origin.connections[0]?.destroyed === true, 'closed at the origin');
    await eventually(() => proxy.stats().tunnels === 0, 'tunnel gone');
  });

  it('do not begin in the middle of an answer', async () => {
    await using origin = await scripted('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345');
    await using proxy = await testProxy();
    const first = get(origin).replace('Connection: close\r\n', '');
    const answer = await rawClient(proxy.port, first + handshake(origin)).whole();
    expect(answer).not.to.include('101');
    expect(origin.received()).not.to.include('websocket');
  });

  describe('to anything but WebSocket', () => {
    const asks: Record<string, (text: string) => string> = {
      h2c: (text) => text.replace('websocket', 'h2c'),
      'h2c with settings': (text) => text.replace('websocket', 'h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA'),
      TLS: (text) => text.replace('websocket', 'TLS/1.2'),
      'several protocols': (text) => text.replace('websocket', 'websocket, h2c'),
      'several lines': (text) => text.replace('websocket', 'websocket\r\nUpgrade: h2c'),
      'WebSocket in HTTP/1.0': (text) => text.replace('HTTP/1.1', 'HTTP/1.0'),
      'WebSocket with another method': (text) => text.replace('GET', 'OPTIONS'),
      'WebSocket with an empty body': (text) => text.replace('Sec-', 'Content-Length: 0\r\nSec-'),
    };
    for (const [name, change] of Object.entries(asks)) {
      it(`are not passed on: ${name} is served as if it had not asked, once`, async () => {
        const seen: string[] = [];
        await using origin = await httpOrigin((req, res) => {
          seen.push(`${req.url} ${req.rawHeaders.join(' ')}`);
          res.end('plain');
        });
        await using proxy = await testProxy();
        const client = rawClient(proxy.port, change(handshake(origin)));
        const answer = await client.whole();
        expect(statusOf(answer)).to.equal(200);
        expect(bodyOf(answer)).to.include('plain');
        expect(seen).to.have.length(1);
        expect(seen[0]).to.match(/^\/chat\?x /);
        expect(seen[0]).not.to.match(/upgrade|http2-settings|x-hop/i);
        await eventually(() => proxy.stats().connections === 0, 'closed');
      });
    }

    it('keep their body, however it arrives', async () => {
      const bytes = randomBytes(3_000_000);
      await using origin = await httpOrigin(async (req, res) => {
        const hash = createHash('sha256');
        for await (const chunk of req) hash.update(chunk);
        res.end(`${req.method} ${hash.digest('hex')}`);
      });
      await using proxy = await testProxy();
      const expected = `POST ${createHash('sha256').update(bytes).digest('hex')}`;
      for (const isSplit of [false, true]) {
        const head = handshake(origin, `Content-Length: ${bytes.length}\r\n`).replace('GET', 'POST');
        const client = rawClient(proxy.port);
        client.socket.write(isSplit ? head : Buffer.concat([Buffer.from(head), bytes]));
        if (isSplit) await new Promise((resolve) => setTimeout(resolve, 50));
        if (isSplit) client.socket.write(bytes);
        expect(bodyOf(await client.whole())).to.include(expected);
      }
    });

    it('lead to no second request', async () => {
      const seen: (string | undefined)[] = [];
      await using origin = await httpOrigin((req, res) => {
        seen.push(req.url);
        res.end();
      });
      await using proxy = await testProxy();
      const ask = handshake(origin).replace('websocket', 'h2c');
      await rawClient(proxy.port, ask + get(origin, '/hidden') + ask).whole();
      expect(seen).not.to.include('/hidden');
      expect(seen).to.have.length.at.most(1);
      await eventually(() => proxy.stats().connections === 0, 'closed');
    });
  });
});
