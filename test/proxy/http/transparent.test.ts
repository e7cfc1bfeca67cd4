import { type AddressInfo, connect } from 'node:net';
import { expect } from 'chai';
import type { TransparentOptions } from '../../../proxy/http/server.ts';
import { createDialer } from '../../../src/base/dial.ts';
import {
  bodyOf,
  httpOrigin,
  memoryRecorder,
  type Origin,
  rawClient,
  statusOf,
  type TestProxy,
  testProxy,
} from './harness.ts';

const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  'site.test': ['192.0.2.7', '127.0.0.1'],
  'mapped.test': ['::ffff:127.0.0.1'],
  'elsewhere.test': ['192.0.2.7'],
};

/** As if each connection had been on its way to `destination`. */
async function intercepting(destination: Origin | { host: string; port: number } | undefined) {
  const recorder = memoryRecorder();
  const { dial, addressesOf } = createDialer({
    allow: ['127.0.0.0/8', '192.0.2.7'],
    timeoutMs: 2_000,
    resolve: async (name) => ADDRESSES[name] ?? Promise.reject(new Error('no such name')),
  });
  const transparent: TransparentOptions = {
    listen: { host: '127.0.0.1', port: 0 },
    destinationOf: () => destination && { host: '127.0.0.1', ...destination },
    addressesOf,
  };
  // The address that is not the origin's own answers nobody here.
  const proxy = await testProxy({
    dial: (host, port, options) => dial(host === 'site.test' ? '127.0.0.1' : host, port, options),
    transparent,
    recorder,
  });
  return { ...proxy, recorder };
}

function ask({ transparentAddress }: TestProxy, text: string): Promise<string> {
  return rawClient(transparentAddress?.port ?? 0, text).whole();
}

function request(target: string, host: string, more = ''): string {
  return `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${more}\r\n`;
}

describe('requests of intercepted connections', () => {
  let origin: Origin;
  before(async () => {
    origin = await httpOrigin((req, res) => res.end(`<${req.url}|${req.headers.host}>`));
  });
  after(() => origin[Symbol.asyncDispose]());

  it('are those of the host they name when it is at the address that was dialled', async () => {
    await using proxy = await intercepting(origin);
    for (const name of ['site.test', 'SITE.test', 'mapped.test', '127.0.0.1']) {
      const host = `${name}:${origin.port}`;
      const expected = `<//a?b|${host.toLowerCase()}>`;
      expect(bodyOf(await ask(proxy, request('//a?b', host))), name).to.include(expected);
      expect(bodyOf(await ask(proxy, request(`http://${host}//a?b`, 'other')))).to.include(expected);
    }
    const urls = new Set(proxy.recorder.recorded.map(({ url }) => url));
    expect([...urls]).to.deep.equal(
      ['site.test', 'mapped.test', '127.0.0.1'].map((name) => `http://${name}:${origin.port}//a?b`),
    );
  });

  it('go where they were going, unseen by the recorder, when it is not', async () => {
    await using proxy = await intercepting(origin);
    const forged = [
      request('/x', `elsewhere.test:${origin.port}`),
      request('/x', `192.0.2.7:${origin.port}`),
      request('/x', `unknown.test:${origin.port}`),
      request('/x', 'site.test'),
      request('/x', 'site.test:81'),
    ];
    for (const text of forged) {
      const [, host] = /Host: (.*)\r/.exec(text) ?? [];
      expect(bodyOf(await ask(proxy, text)), text).to.include(`</x|${host}>`);
    }
    const absolute = request(`http://elsewhere.test:${origin.port}/x`, 'site.test');
    const expected = `<http://elsewhere.test:${origin.port}/x|site.test>`;
    expect(bodyOf(await ask(proxy, absolute))).to.include(expected);
    expect(proxy.recorder.recorded).to.deep.equal([]);
  });

  it('of HTTP/1.0 need no Host: they are those of the address', async () => {
    await using proxy = await intercepting(origin);
    const answer = await ask(proxy, 'GET /old HTTP/1.0\r\n\r\n');
    expect(bodyOf(answer)).to.include(`</old|127.0.0.1:${origin.port}>`);
    expect(proxy.recorder.recorded.map(({ url }) => url)).to.deep.equal([
      `http://127.0.0.1:${origin.port}/old`,
    ]);
  });

  it('upgrade to WebSocket like others', async () => {
    await using proxy = await intercepting(origin);
    const upgrade = request('/ws', `forged.test:${origin.port}`)
      .replace('close', 'Upgrade')
      .replace('Host', 'Upgrade: websocket\r\nHost');
    expect(bodyOf(await ask(proxy, upgrade))).to.include(`</ws|forged.test:${origin.port}>`);
  });

  it('are refused when their host is unclear, and when they are for a proxy', async () => {
    await using proxy = await intercepting(origin);
    const refused: Record<string, number> = {
      [request('/', 'site.test', 'Host: site.test\r\n')]: 400,
      [request('/', 'site.test', 'host: other.test\r\n')]: 400,
      [request('/', '')]: 400,
      [request('/', 'user@site.test')]: 400,
      [request('/', 'site.test/x')]: 400,
      [request('/', 'site.test, other.test')]: 400,
      [request('/', 'site.test:80:80')]: 400,
      [request('/#x', 'site.test')]: 400,
      [request('*', 'site.test')]: 400,
      'GET / HTTP/1.1\r\nConnection: close\r\n\r\n': 400,
      'TRACE / HTTP/1.1\r\nHost: site.test\r\n\r\n': 405,
      'CONNECT site.test:443 HTTP/1.1\r\nHost: site.test\r\n\r\n': 405,
    };
    for (const [text, status] of Object.entries(refused)) {
      expect(statusOf(await ask(proxy, text)), text).to.equal(status);
    }
  });

  it('reach no address that is denied, whatever host they name', async () => {
    await using proxy = await intercepting({ host: '10.0.0.1', port: 80 });
    for (const host of ['site.test', '10.0.0.1']) {
      const answer = await ask(proxy, request('/', host));
      expect(statusOf(answer), host).to.equal(403);
      expect(answer).to.include('WEIR_DIAL_REFUSED');
    }
  });

  it('are the proxy’s to answer when the connection was made to the proxy itself', async () => {
    await using proxy = await intercepting(undefined);
    expect(statusOf(await ask(proxy, request('/weir-heartbeat', 'whatever')))).to.equal(204);
    const explicit = request(`http://127.0.0.1:${origin.port}/x`, 'x');
    expect(bodyOf(await ask(proxy, explicit))).to.include('</x|127.0.0.1:');
  });

  it('share the limits of those who know of the proxy', async () => {
    await using proxy = await testProxy({
      limits: { connectionsPerClient: 2 },
      transparent: {
        listen: { host: '127.0.0.1', port: 0 },
        destinationOf: () => undefined,
        addressesOf: async () => [],
      },
    });
    const held = [rawClient(proxy.port), rawClient(proxy.transparentAddress?.port ?? 0)];
    await Promise.all(held.map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve))));
    expect(statusOf(await ask(proxy, request('/', 'x')))).to.equal(503);
    for (const { socket } of held) socket.destroy();
  });

  it('are refused when they are the proxy’s own, brought back to it', async () => {
    let port = 0;
    let dials = 0;
    await using proxy = await testProxy({
      dial: async () => {
        dials += 1;
        const socket = connect({ host: '127.0.0.1', port });
        await new Promise((resolve) => socket.once('connect', resolve));
        return socket;
      },
      transparent: {
        listen: { host: '127.0.0.1', port: 0 },
        destinationOf: () => ({ host: '192.0.2.7', port: 80 }),
        addressesOf: async () => ['192.0.2.7'],
      },
    });
    ({ port } = proxy.transparentAddress as AddressInfo);
    const answer = await ask(proxy, request('/', 'site.test'));
    expect(statusOf(answer)).to.equal(403);
    expect(answer).to.include('from this proxy itself');
    expect(dials).to.equal(1);
  });
});
