import { expect } from 'chai';
import { isSharedCacheable } from '../../../proxy/http/shared-cacheable.ts';
import {
  ask,
  bodyOf,
  eventually,
  get,
  httpOrigin,
  memoryRecorder,
  NOTHING_DURABLE,
  rawClient,
  rawOrigin,
  testProxy,
} from './harness.ts';

describe('what the HTTP proxy gives the recorder', () => {
  it('the body of a complete answer, with what is known about it', async () => {
    await using origin = await httpOrigin((_req, res) => {
      const headers = {
        'Content-Length': 10,
        ETag: '"v1"',
        'Last-Modified': 'Thu, 19 Nov 2026 00:00:00 GMT',
      };
      res.writeHead(200, headers).write('01234');
      setTimeout(() => res.end('56789'), 20);
    });
    const recorder = memoryRecorder();
    await using proxy = await testProxy({ recorder });
    const client = rawClient(proxy.port, get(origin, '/path?q=1'), '127.0.0.5');
    expect(bodyOf(await client.whole())).to.equal('0123456789');
    const [entry, ...others] = recorder.recorded;
    expect(others).to.have.length(0);
    expect(Buffer.concat(entry?.chunks ?? []).toString()).to.equal('0123456789');
    expect(entry).to.include({
      clientAddress: '127.0.0.5',
      url: `http://127.0.0.1:${origin.port}/path?q=1`,
      sizeBytes: 10,
      etag: '"v1"',
      lastModified: 'Thu, 19 Nov 2026 00:00:00 GMT',
      isSharedCacheable: true,
      outcome: 'finished',
    });
  });

  it('chunked and connection-delimited bodies without their framing, content codings as they are', async () => {
    const answers = [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n',
      'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde',
      'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde',
    ];
    for (const answer of answers) {
      await using origin = await rawOrigin((socket) => socket.once('data', () => socket.end(answer)));
      const recorder = memoryRecorder();
      await using proxy = await testProxy({ recorder });
      await ask(proxy, get(origin));
      expect(recorder.recorded.map(({ outcome }) => outcome)).to.deep.equal(['finished']);
      expect(Buffer.concat(recorder.recorded[0]?.chunks ?? []).toString()).to.equal('abcde');
    }
  });

  const broken = {
    'short length': 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcde',
    'missing last chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n',
    'malformed chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdeXX\r\n',
  };
  for (const [name, bytes] of Object.entries(broken)) {
    it(`an abandoned recording for a ${name}`, async () => {
      await using origin = await rawOrigin((socket) => socket.once('data', () => socket.end(bytes)));
      const recorder = memoryRecorder();
      await using proxy = await testProxy({ recorder });
      await ask(proxy, get(origin));
      await eventually(() => recorder.recorded[0]?.outcome === 'abandoned', 'abandoned');
    });
  }

  it('an abandoned recording when the origin resets or the client leaves', async () => {
    await using origin = await rawOrigin((socket) => {
      socket.once('data', (head) => {
        socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde');
        if (head.includes('/reset')) setTimeout(() => socket.resetAndDestroy(), 30);
      });
    });
    const recorder = memoryRecorder();
    await using proxy = await testProxy({ recorder });
    await ask(proxy, get(origin, '/reset'));
    const client = rawClient(proxy.port, get(origin, '/leave'));
    await client.until((text) => text.includes('abcde'));
    client.socket.destroy();
    await eventually(
      () => recorder.recorded.length === 2 && recorder.recorded[1]?.outcome !== 'open',
      'settled',
    );
    expect(recorder.recorded.map(({ outcome }) => outcome)).to.deep.equal(['abandoned', 'abandoned']);
  });

  it('nothing for other methods, other statuses and declined bodies', async () => {
    await using origin = await httpOrigin((req, res) => {
      res.statusCode = Number(req.url?.slice(1));
      res.end(res.statusCode === 304 ? undefined : 'body');
    });
    const recorder = memoryRecorder();
    await using proxy = await testProxy({ recorder });
    for (const status of [201, 206, 304, 404, 500]) await ask(proxy, get(origin, `/${status}`));
    for (const method of ['HEAD', 'POST', 'PUT', 'OPTIONS', 'DELETE']) {
      await ask(proxy, get(origin, '/200').replace('GET', method));
    }
    await ask(proxy, get(origin, '/200').replace(/GET \S+/, 'GET /'));
    expect(recorder.recorded).to.have.length(0);
    await using declined = await testProxy();
    expect(bodyOf(await ask(declined, get(origin, '/200')))).to.include('body');
  });

  it('no more than a client that stopped reading has let pass', async () => {
    const block = Buffer.alloc(1024 * 1024);
    await using origin = await httpOrigin((_req, res) => {
      res.on('drain', () => res.write(block));
      res.write(block);
    });
    let recordedBytes = 0;
    const recorder = {
      begin: () => ({
        write: (chunk: Uint8Array) => void (recordedBytes += chunk.length),
        finish: () => Promise.resolve(undefined),
        abandon() {},
        durable: NOTHING_DURABLE,
      }),
    };
    await using proxy = await testProxy({ recorder });
    const client = rawClient(proxy.port, get(origin));
    client.socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(recordedBytes).to.be.within(1, 24 * block.length);
    client.socket.destroy();
  });

  it('whether a shared cache may keep the answer', () => {
    const shared: [request: string[], answer: string[]][] = [
      [[], []],
      [[], ['Cache-Control', 'public, max-age=60']],
      [[], ['Cache-Control', 's-maxage=60']],
      [
        ['Cache-Control', 'no-cache'],
        ['Vary', 'Accept-Encoding'],
      ],
    ];
    const own: [request: string[], answer: string[]][] = [
      [
        ['Authorization', 'Basic eA=='],
        ['Cache-Control', 'public'],
      ],
      [['cookie', 'a=b'], []],
      [['Cache-Control', 'no-store'], []],
      [[], ['set-cookie', 'a=b']],
      [[], ['Cache-Control', 'max-age=60', 'cache-control', 'PRIVATE']],
      [[], ['Cache-Control', 'private="Set-Cookie"']],
      [[], ['Cache-Control', 'max-age=60,no-store']],
      [[], ['Vary', '*']],
    ];
    for (const [request, answer] of shared)
      expect(isSharedCacheable(request, answer), String(answer)).to.equal(true);
    for (const [request, answer] of own)
      expect(isSharedCacheable(request, answer), [...request, ...answer].join(' ')).to.equal(false);
  });
});
