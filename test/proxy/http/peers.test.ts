import { execFile, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { httpOrigin, type Origin, rawOrigin, type TestProxy, testProxy } from './harness.ts';

const run = promisify(execFile);
const TIMEOUT_S = '10';

describe('curl as a client of the HTTP proxy', () => {
  before(function () {
    if (spawnSync('curl', ['--version']).error === undefined) return;
    if (process.env['WEIR_REQUIRE_PEERS'] === '1') throw new Error('curl is not installed');
    this.skip();
  });

  const bytes = randomBytes(3_000_000);
  const sha256 = (body: Uint8Array): string => createHash('sha256').update(body).digest('hex');
  let origin: Origin;
  let proxy: TestProxy;
  before(async () => {
    origin = await httpOrigin(async (req, res) => {
      if (req.method === 'GET') {
        res.end(bytes);
        return;
      }
      const hash = createHash('sha256');
      for await (const chunk of req) hash.update(chunk);
      res.end(
        `${req.method} ${req.headers['transfer-encoding'] ?? req.headers['content-length']} ${hash.digest('hex')}`,
      );
    });
    proxy = await testProxy();
  });
  after(async () => {
    await proxy?.close();
    await origin?.[Symbol.asyncDispose]();
  });

  async function curl(...args: string[]): Promise<Buffer> {
    const all = ['-sS', '--noproxy', '', '-x', `http://127.0.0.1:${proxy.port}`, '-m', TIMEOUT_S, ...args];
    const child = run('curl', all, { encoding: 'buffer', maxBuffer: 2 * bytes.length });
    // A curl that wants no input closes it.
    child.child.stdin?.on('error', () => {}).end(bytes);
    return (await child).stdout;
  }
  const url = (path = '/'): string => `http://127.0.0.1:${origin.port}${path}`;

  it('downloads, over HTTP/1.1 and 1.0', async () => {
    expect(sha256(await curl(url()))).to.equal(sha256(bytes));
    expect(sha256(await curl('-0', url()))).to.equal(sha256(bytes));
  });

  it('uploads with a length, chunked, and after asking', async () => {
    const expected = sha256(bytes);
    expect(String(await curl('-T', '-', url()))).to.equal(`PUT chunked ${expected}`);
    const asking = ['-H', 'Expect: 100-continue', '--data-binary', '@-'];
    expect(String(await curl(...asking, url()))).to.equal(`POST ${bytes.length} ${expected}`);
    expect(String(await curl('-X', 'DELETE', '-T', '-', url()))).to.equal(`DELETE chunked ${expected}`);
  });

  it('tunnels', async () => {
    await using echo = await rawOrigin((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ntunnel'));
    });
    await using open = await testProxy({ connectPorts: [echo.port] });
    const args = ['-sS', '--noproxy', '', '-p', '-x', `http://127.0.0.1:${open.port}`, '-m', TIMEOUT_S];
    const { stdout } = await run('curl', [...args, `http://127.0.0.1:${echo.port}/`]);
    expect(stdout).to.equal('tunnel');
  });

  it('sees a refusal and its remedy', async () => {
    const answer = String(await curl('-i', 'http://10.0.0.1/'));
    expect(answer).to.match(/^HTTP\/1\.1 403 Forbidden/);
    expect(answer).to.include('dial.allow');
  });
});
