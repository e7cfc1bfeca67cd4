import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32, deflateSync } from 'node:zlib';
import { expect } from 'chai';
import { visit } from '../browser/chromium.ts';
import { type Origin, rawClient } from '../proxy/http/harness.ts';
import { openWorkplace } from './client.ts';
import { serveFiles } from './file-origin.ts';
import { needProgram, openPassage, type Passage, sha256 } from './passage.ts';
import { openEcho } from './websocket-echo.ts';

const HOST = 'site.test';
const WIDTH = 7;
const PAGE = `<!doctype html><title>a page</title><body>
<img src="/image.png" onload="document.body.dataset.width = this.naturalWidth">
<script src="/script.js"></script>`;
const SCRIPT = `document.body.dataset.script = 'has run';`;

describe('a browser through Weir', function () {
  this.timeout(60_000);
  before(function () {
    needProgram(this, 'chromium');
  });

  let echo: Origin;
  let passage: Passage;
  let url: (path: string) => string;
  before(async () => {
    echo = await openEcho();
    const talk = `const socket = new WebSocket('ws://${HOST}:${echo.port}/');
      socket.onopen = () => socket.send('what passes');
      socket.onmessage = ({ data }) => { fetch('/heard?' + data); };`;
    const files = new Map(
      Object.entries({
        '/page': { bytes: Buffer.from(PAGE), mediaType: 'text/html' },
        '/talk': { bytes: Buffer.from(`<body><script>${talk}</script>`), mediaType: 'text/html' },
        '/script.js': { bytes: Buffer.from(SCRIPT), mediaType: 'text/javascript' },
        '/image.png': { bytes: image(), mediaType: 'image/png' },
      }),
    );
    passage = await openPassage(
      serveFiles((path) => files.get(path)),
      { names: [HOST], connectPorts: [echo.port] },
    );
    url = (path) => passage.url(path).replace('127.0.0.1', HOST);
  });
  after(async () => {
    await passage?.[Symbol.asyncDispose]();
    await echo?.[Symbol.asyncDispose]();
  });

  it('set up by the PAC file loads a page with image and script, and a second browser without the origin', async () => {
    for (let browser = 0; browser < 2; browser++) {
      const { dom, console } = await visit(url('/page'), `--proxy-pac-url=${passage.proxyUrl}/proxy.pac`);
      expect(dom).to.include('data-script="has run"').and.include(`data-width="${WIDTH}"`);
      expect(console.filter((line) => !line.includes('favicon'))).to.deep.equal([]);
    }
    const asked = passage.asked.filter((one) => !one.includes('favicon'));
    expect(asked).to.have.members(['GET /page', 'GET /image.png', 'GET /script.js']);
    expect(await passage.recorded(url('/page'))).to.equal(sha256(Buffer.from(PAGE)));
    expect(await passage.recorded(url('/image.png'))).to.equal(sha256(image()));
    expect(await passage.recorded(url('/script.js'))).to.equal(sha256(Buffer.from(SCRIPT)));
  });

  it('talks over a WebSocket in a tunnel', async () => {
    await using workplace = await openWorkplace();
    const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'];
    const profile = `--user-data-dir=${workplace.path}`;
    const browser = spawn(
      'chromium',
      [...flags, profile, `--proxy-server=${passage.proxyUrl}`, url('/talk')],
      {
        stdio: 'ignore',
      },
    );
    const closed = once(browser, 'close');
    try {
      const heard = (): boolean => passage.asked.includes('GET /heard?WHAT%20PASSES');
      for (let tries = 0; tries < 200 && !heard(); tries++) await sleep(50);
      expect(heard(), passage.asked.join()).to.equal(true);
    } finally {
      browser.kill();
      await closed;
    }
  });
});

describe('a WebSocket client through Weir', () => {
  it('talks to a server after an Upgrade', async () => {
    await using echo = await openEcho();
    await using passage = await openPassage((_req, res) => res.end());
    const head = [
      `GET http://127.0.0.1:${echo.port}/ HTTP/1.1`,
      `Host: 127.0.0.1:${echo.port}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ];
    const client = rawClient(passage.port, `${head.join('\r\n')}\r\n\r\n`);
    const answer = await client.until((received) => received.includes('\r\n\r\n'));
    expect(answer)
      .to.match(/^HTTP\/1\.1 101 /)
      .and.include('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    client.socket.write(frame(1, 'hello'));
    await client.until((received) => received.endsWith('\x81\x05HELLO'));
    client.socket.write(frame(8, ''));
    await client.whole();
  });
});

/** A masked frame of one short message; the mask is zero, which RFC 6455 does not forbid. */
function frame(opcode: number, text: string): Buffer {
  return Buffer.concat([Buffer.of(0x80 | opcode, 0x80 | text.length, 0, 0, 0, 0), Buffer.from(text)]);
}

/** A grey PNG of `WIDTH` by one. */
function image(): Buffer {
  const chunk = (name: string, content: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(name), content]);
    const framed = Buffer.alloc(body.length + 8);
    framed.writeUInt32BE(content.length, 0);
    body.copy(framed, 4);
    framed.writeUInt32BE(crc32(body), body.length + 4);
    return framed;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDTH, 0);
  header.writeUInt32BE(1, 4);
  header[8] = 8;
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const pixels = chunk('IDAT', deflateSync(Buffer.alloc(WIDTH + 1)));
  return Buffer.concat([signature, chunk('IHDR', header), pixels, chunk('IEND', Buffer.alloc(0))]);
}
