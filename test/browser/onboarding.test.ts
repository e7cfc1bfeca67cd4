import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { answerItself } from '../../proxy/http/direct.ts';
import { httpOrigin, type Origin, type TestProxy, testProxy } from '../proxy/http/harness.ts';
import { hasChromium, visit } from './chromium.ts';

describe('a browser at the page of the proxy', function () {
  this.timeout(60_000);
  before(function () {
    if (hasChromium()) return;
    if (process.env['WEIR_REQUIRE_PEERS'] === '1') throw new Error('chromium is not installed');
    this.skip();
  });

  let origin: Origin;
  let proxy: TestProxy;
  before(async () => {
    origin = await httpOrigin((req, res) => {
      res.end(`${req.headers.host}${req.url}`);
    });
    // Whatever the proxy dials is this origin.
    proxy = await testProxy({ dial: () => dialled(origin.port) });
  });
  after(async () => {
    await proxy?.close();
    await origin?.[Symbol.asyncDispose]();
  });
  const pac = (): string => `--proxy-pac-url=http://127.0.0.1:${proxy.port}/proxy.pac`;

  it('set up by the PAC file passes through Weir, and the page says so', async () => {
    const { dom, console } = await visit('http://weir/', pac());
    expect(dom).to.include('<h1 id="state">You are passing through Weir.</h1>');
    expect(dom).to.include(`http://127.0.0.1:${proxy.port}/proxy.pac</code></pre><button`);
    expect(dom).to.match(/<details id="linux" open/);
    expect(console).to.deep.equal([]);
  });

  it('sees the test download miss and then hit', async () => {
    const { dom } = await visit('http://weir/', pac());
    expect(dom).to.match(
      /first <span class="tag miss">MISS<\/span>, second <span class="tag hit">HIT<\/span>/,
    );
  });

  it('fetches plain http through the proxy, and what is near directly', async () => {
    await using near = await httpOrigin((_req, res) => res.end('near'));
    const { dom: through } = await visit('http://far.example.org/through', pac());
    expect(through).to.include('far.example.org/through');
    const { dom: directly } = await visit(`http://127.0.0.1:${near.port}/`, pac());
    expect(directly).to.include('near');
  });

  it('is told when it reached the port and does not use the proxy', async () => {
    const { dom, console } = await visit(`http://127.0.0.1:${proxy.port}/`);
    expect(dom).to.include('This browser does not use Weir yet.');
    expect(dom).to.include('http://weir/ did not answer').and.include('class="status"');
    expect(console.filter((line) => !line.includes('ERR_NAME_NOT_RESOLVED'))).to.deep.equal([]);
  });

  it('is told at the port, too, that it does use the proxy', async () => {
    const { dom, console } = await visit(`http://127.0.0.1:${proxy.port}/`, pac());
    expect(dom).to.include('This browser passes through Weir.').and.include('class="status yes"');
    expect(console).to.deep.equal([]);
  });

  it('runs nothing that a hostile name brings', async () => {
    const name = `</bdi></script><script>document.title='run'</script><img src=x onerror="document.title='run'">`;
    const settings = {
      site: { version: name, providerName: name, contact: name, retention: name },
      subscriberAt: () => ({ name, isRecorded: true }),
    };
    await using page = await httpOrigin((req, res) =>
      answerItself({ req, path: req.url ?? '', isProxied: true }, res, settings),
    );
    const { dom, console } = await visit(`http://127.0.0.1:${page.port}/`, pac());
    expect(dom).to.include('<title>Weir</title>').and.not.include('<img');
    expect(dom.match(/<script>/g)).to.have.length(1);
    expect(console).to.deep.equal([]);
  });
});

function dialled(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
  });
}
