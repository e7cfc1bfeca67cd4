import { createHash, randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { expect } from 'chai';
import { get, httpOrigin, rawClient, testProxy } from './harness.ts';

const MIB = 1024 * 1024;
const LARGE = 50 * MIB;

describe('streaming through the HTTP proxy', () => {
  const block = randomBytes(MIB);
  const largeHash = createHash('sha256');
  for (let i = 0; i < LARGE / MIB; i += 1) largeHash.update(block);
  const expected = largeHash.digest('hex');

  for (const framing of ['length', 'chunked']) {
    it(`streams 50 MB down (${framing})`, async () => {
      await using origin = await httpOrigin(async (_req, res) => {
        if (framing === 'length') res.setHeader('Content-Length', LARGE);
        for (let i = 0; i < LARGE / MIB; i += 1) {
          if (!res.write(block)) await new Promise((resolve) => res.once('drain', resolve));
        }
        res.end();
      });
      await using proxy = await testProxy();
      const answer = await through(proxy.port, origin.port, { method: 'GET' });
      expect(answer.headers['content-length']).to.equal(framing === 'length' ? String(LARGE) : undefined);
      expect(await hashOf(answer)).to.equal(expected);
    });

    it(`streams 50 MB up (${framing})`, async () => {
      await using origin = await httpOrigin(async (req, res) => res.end(await hashOf(req)));
      await using proxy = await testProxy();
      const headers = framing === 'length' ? { 'Content-Length': LARGE } : {};
      const answer = await through(proxy.port, origin.port, { method: 'PUT', headers }, LARGE / MIB);
      expect(await textOf(answer)).to.equal(expected);
    });
  }

  function through(
    proxyPort: number,
    originPort: number,
    options: { method: string; headers?: Record<string, string | number> },
    blocks = 0,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const path = `http://127.0.0.1:${originPort}/`;
      const req = httpRequest(
        { host: '127.0.0.1', port: proxyPort, path, agent: false, ...options },
        resolve,
      );
      req.on('error', reject);
      let left = blocks;
      const more = (): void => {
        while (left > 0) {
          left -= 1;
          if (!req.write(block)) return void req.once('drain', more);
        }
        req.end();
      };
      more();
    });
  }

  it('pulls no more from the origin than a client reads', async () => {
    let pulledBytes = 0;
    await using origin = await httpOrigin((_req, res) => {
      const more = (): void => {
        do pulledBytes += block.length;
        while (res.write(block) && pulledBytes < 500 * MIB);
      };
      res.on('drain', more);
      more();
    });
    await using proxy = await testProxy();
    // Other suites of this process have left buffers of their own.
    const othersBytes = process.memoryUsage().arrayBuffers;
    const clients = Array.from({ length: 20 }, () => rawClient(proxy.port, get(origin)));
    for (const { socket } of clients) socket.pause();
    let before = -1;
    while (before !== pulledBytes) {
      before = pulledBytes;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    // What the kernel buffers on four sockets of each path (up to 6 MiB each) is not the proxy's memory.
    expect(pulledBytes / clients.length).to.be.below(24 * MIB);
    const grownBytes = process.memoryUsage().arrayBuffers - othersBytes;
    expect(grownBytes).to.be.below(clients.length * 4 * MIB);
    for (const { socket } of clients) socket.destroy();
  });
});

async function hashOf(message: IncomingMessage): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of message) hash.update(chunk);
  return hash.digest('hex');
}

async function textOf(message: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of message) text += chunk;
  return text;
}
