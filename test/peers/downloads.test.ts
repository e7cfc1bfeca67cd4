import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { openWorkplace, type Workplace } from './client.ts';
import { serveFiles } from './file-origin.ts';
import { needProgram, openPassage, type Passage, sha256 } from './passage.ts';

const bytes = randomBytes(3_000_000);
const half = bytes.length / 2;
const text = Buffer.from('what passes is kept\n'.repeat(10_000));

/** A path for every test: what one has fetched, another would find kept. */
function files(path: string) {
  return path.startsWith('/file-') ? { bytes } : undefined;
}

async function openBoth(): Promise<{ passage: Passage; workplace: Workplace }> {
  const origin = serveFiles(files);
  const passage = await openPassage((req, res) => {
    if (req.url !== '/text') return origin(req, res);
    const isPacked = req.headers['accept-encoding']?.includes('gzip') === true;
    res.setHeader('Vary', 'Accept-Encoding').setHeader('Cache-Control', 'max-age=3600');
    if (isPacked) res.setHeader('Content-Encoding', 'gzip');
    res.end(isPacked ? gzipSync(text) : text);
  });
  return { passage, workplace: await openWorkplace({ http_proxy: passage.proxyUrl }) };
}

describe('curl through Weir', () => {
  before(function () {
    needProgram(this, 'curl');
  });

  let passage: Passage;
  let workplace: Workplace;
  before(async () => {
    ({ passage, workplace } = await openBoth());
  });
  after(async () => {
    await workplace?.[Symbol.asyncDispose]();
    await passage?.[Symbol.asyncDispose]();
  });
  const curl = (...args: string[]): Promise<Buffer> => workplace.run('curl', '-sSf', ...args);
  const askedFor = (path: string): string[] => passage.asked.filter((asked) => asked.endsWith(` ${path}`));

  it('is given what was kept, whole, in part and as a head, over HTTP/1.1 and 1.0', async () => {
    const path = '/file-kept';
    const url = passage.url(path);
    expect(sha256(await curl(url))).to.equal(sha256(bytes));
    expect(await passage.recorded(url)).to.equal(sha256(bytes));
    expect(sha256(await curl(url))).to.equal(sha256(bytes));
    expect(sha256(await curl('-0', url))).to.equal(sha256(bytes));
    expect(await curl('-r', '1000-1999', url)).to.deep.equal(bytes.subarray(1000, 2000));
    expect(await curl('-r', '-1000', url)).to.deep.equal(bytes.subarray(-1000));
    expect(String(await curl('-I', url))).to.match(/^HTTP\/1\.1 200 .*\r\ncontent-length: 3000000\r\n/is);
    expect(askedFor(path)).to.deep.equal([`GET ${path}`]);
  });

  it('resumes what was fetched elsewhere', async () => {
    const path = '/file-resumed';
    const target = join(workplace.path, 'resumed');
    await writeFile(target, bytes.subarray(0, half));
    await curl('-C', '-', '-o', target, passage.url(path));
    expect(sha256(await readFile(target))).to.equal(sha256(bytes));
  });

  it('gets a compressed answer and a plain one, each again without the origin', async () => {
    for (let time = 0; time < 2; time++) {
      expect(sha256(await curl('--compressed', passage.url('/text')))).to.equal(sha256(text));
      expect(sha256(await curl(passage.url('/text')))).to.equal(sha256(text));
    }
    expect(askedFor('/text')).to.have.length(2);
  });

  it('reaches an origin over IPv6', async function () {
    if (!Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1')))
      this.skip();
    const origin = createServer(serveFiles(files));
    await new Promise<void>((resolve) => origin.listen(0, '::1', resolve));
    const url = `http://[::1]:${(origin.address() as AddressInfo).port}/file-six`;
    try {
      expect(sha256(await curl('-g', url))).to.equal(sha256(bytes));
      expect(await passage.recorded(url)).to.equal(sha256(bytes));
    } finally {
      origin.closeAllConnections();
      await new Promise((resolve) => origin.close(resolve));
    }
  });
});

describe('wget through Weir', () => {
  before(function () {
    needProgram(this, 'wget');
  });

  let passage: Passage;
  let workplace: Workplace;
  before(async () => {
    ({ passage, workplace } = await openBoth());
  });
  after(async () => {
    await workplace?.[Symbol.asyncDispose]();
    await passage?.[Symbol.asyncDispose]();
  });

  it('resumes half a file, from the origin and from what is kept', async () => {
    const url = passage.url('/file-wget');
    const resume = async (): Promise<string> => {
      const target = join(workplace.path, 'file-wget');
      await writeFile(target, bytes.subarray(0, half));
      await workplace.run('wget', '-q', '-c', url);
      return sha256(await readFile(target));
    };
    expect(await resume()).to.equal(sha256(bytes));
    await workplace.run('wget', '-q', '-O', 'whole', url);
    expect(sha256(await readFile(join(workplace.path, 'whole')))).to.equal(sha256(bytes));
    expect(await passage.recorded(url)).to.equal(sha256(bytes));
    const askedSoFar = passage.asked.length;
    expect(await resume()).to.equal(sha256(bytes));
    expect(passage.asked).to.have.length(askedSoFar);
  });
});
