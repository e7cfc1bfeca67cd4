import { createHash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import {
  eventually,
  type Origin,
  rawClient,
  rawOrigin,
  statusOf,
  type TestProxy,
  testProxy,
} from './harness.ts';

const ESTABLISHED = 'HTTP/1.1 200 Connection established\r\n\r\n';

function connectRequest(port: number, host = '127.0.0.1'): string {
  return `CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`;
}

function proxyFor(origin: Origin, limits = {}): Promise<TestProxy> {
  return testProxy({ connectPorts: [origin.port], limits });
}

/** A tunnel that is open, nothing received but the proxy's answer. */
async function openTunnel(proxy: TestProxy, origin: Origin): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: proxy.port, allowHalfOpen: true });
  socket.on('error', () => {});
  socket.write(connectRequest(origin.port));
  let answer = '';
  while (answer.length < ESTABLISHED.length) {
    await new Promise((resolve) => socket.once('readable', resolve));
    answer += socket.read(ESTABLISHED.length - answer.length)?.toString('latin1') ?? '';
  }
  expect(answer).to.equal(ESTABLISHED);
  return socket;
}

describe('tunnels through the HTTP proxy', () => {
  it('pass 20 MB of anything both ways unchanged', async () => {
    const up = randomBytes(20 * 1024 * 1024);
    const down = randomBytes(20 * 1024 * 1024);
    let received: Promise<string> | undefined;
    await using origin = await rawOrigin((socket) => {
      received = hashOf(socket);
      socket.end(down);
    });
    await using proxy = await proxyFor(origin);
    const client = await openTunnel(proxy, origin);
    client.end(up);
    expect(await hashOf(client)).to.equal(sha256(down));
    expect(await received).to.equal(sha256(up));
    await eventually(() => proxy.stats().tunnels === 0 && proxy.stats().connections === 0, 'tunnel gone');
  });

  it('keep the other direction when the client has ended', async () => {
    await using origin = await rawOrigin((socket) => {
      socket.resume();
      socket.once('end', () => setTimeout(() => socket.end('after your end'), 50));
    });
    await using proxy = await proxyFor(origin);
    const client = await openTunnel(proxy, origin);
    client.end('request');
    expect(await textOf(client)).to.equal('after your end');
  });

  it('keep the other direction when the origin has ended', async () => {
    let text: Promise<string> | undefined;
    await using origin = await rawOrigin((socket) => {
      text = textOf(socket);
      socket.end('my last word');
    });
    await using proxy = await proxyFor(origin);
    const client = await openTunnel(proxy, origin);
    expect(await textOf(client)).to.equal('my last word');
    client.end('and mine');
    expect(await text).to.equal('and mine');
  });

  it('pass on what the client sent ahead of the answer', async () => {
    await using origin = await rawOrigin((socket) => socket.pipe(socket));
    await using proxy = await proxyFor(origin);
    const client = rawClient(proxy.port, `${connectRequest(origin.port)}ahead`);
    await client.until((text) => text === `${ESTABLISHED}ahead`);
    client.socket.destroy();
  });

  it('pass a reset on, in either direction', async () => {
    for (const side of ['client', 'origin']) {
      await using origin = await rawOrigin((socket) => socket.resume());
      await using proxy = await proxyFor(origin);
      const client = await openTunnel(proxy, origin);
      const [upstream] = origin.connections;
      const [from, to] = side === 'client' ? [client, upstream] : [upstream, client];
      const failed = new Promise<Error>((resolve) => to?.once('error', resolve));
      to?.resume();
      from?.resetAndDestroy();
      expect(await failed).to.have.property('code', 'ECONNRESET');
      await eventually(() => proxy.stats().tunnels === 0, 'tunnel gone');
    }
  });

  it('are cut when nothing moves', async () => {
    await using origin = await rawOrigin(() => {});
    await using proxy = await proxyFor(origin, { tunnelIdleMs: 150 });
    const client = await openTunnel(proxy, origin);
    client.resume();
    await eventually(() => client.destroyed && origin.connections[0]?.destroyed === true, 'both cut');
    expect(proxy.stats().tunnels).to.equal(0);
  });

  it('pause the origin for a client that does not read', async () => {
    let pulledBytes = 0;
    const block = Buffer.alloc(1024 * 1024);
    await using origin = await rawOrigin((socket) => {
      const more = (): void => {
        do pulledBytes += block.length;
        while (socket.write(block) && pulledBytes < 500 * block.length);
      };
      socket.on('drain', more);
      more();
    });
    await using proxy = await proxyFor(origin);
    const client = await openTunnel(proxy, origin);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(pulledBytes).to.be.below(24 * block.length);
    client.destroy();
    await eventually(() => origin.connections[0]?.destroyed === true, 'closed at the origin');
  });

  it('are refused to other ports, denied addresses and malformed targets', async () => {
    await using origin = await rawOrigin((socket) => socket.destroy());
    await using proxy = await testProxy({ connectPorts: [443, 8443] });
    const answers: Record<string, number> = {
      [connectRequest(origin.port)]: 403,
      [connectRequest(25, 'mail.example')]: 403,
      [connectRequest(443, '10.0.0.1')]: 403,
      [connectRequest(443, '[::1]')]: 403,
      [connectRequest(8443)]: 502,
      'CONNECT example.org HTTP/1.1\r\nHost: x\r\n\r\n': 400,
      'CONNECT user@example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n': 400,
      'CONNECT http://example.org:443/ HTTP/1.1\r\nHost: x\r\n\r\n': 400,
      'CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n': 400,
    };
    for (const [text, status] of Object.entries(answers)) {
      const answer = await rawClient(proxy.port, text).whole();
      expect(statusOf(answer), text).to.equal(status);
      expect(answer).to.match(/\r\n\r\nWEIR_[A-Z_]+: .+\n.+\n$/);
    }
    expect(origin.connections).to.have.length(0);
    await eventually(() => proxy.stats().tunnels === 0, 'none left');
  });

  it('are off when no port is allowed', async () => {
    await using proxy = await testProxy({ connectPorts: [] });
    expect(statusOf(await rawClient(proxy.port, connectRequest(443)).whole())).to.equal(403);
  });

  it('do not begin in the middle of an answer', async () => {
    await using origin = await rawOrigin((socket) =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345'),
    );
    await using proxy = await proxyFor(origin);
    const get = `GET http://127.0.0.1:${origin.port}/ HTTP/1.1\r\nHost: x\r\n\r\n`;
    const answer = await rawClient(proxy.port, get + connectRequest(origin.port)).whole();
    expect(answer).not.to.include('established');
  });

  it('end with the proxy', async () => {
    await using origin = await rawOrigin((socket) => socket.resume());
    const proxy = await proxyFor(origin);
    const client = await openTunnel(proxy, origin);
    client.resume();
    await proxy.close();
    await eventually(() => client.destroyed && origin.connections[0]?.destroyed === true, 'both cut');
  });
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function hashOf(socket: Socket): Promise<string> {
  const hash = createHash('sha256');
  return new Promise((resolve, reject) => {
    socket.on('data', (chunk) => hash.update(chunk));
    socket.once('end', () => resolve(hash.digest('hex')));
    socket.once('error', reject);
  });
}

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  await new Promise((resolve) => socket.once('end', resolve));
  return text;
}
