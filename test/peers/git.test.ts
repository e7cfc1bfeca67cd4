import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import { openWorkplace, type Workplace } from './client.ts';
import { needProgram, openPassage, type Passage, sha256 } from './passage.ts';

const IDENTITY = {
  GIT_AUTHOR_NAME: 'Nobody',
  GIT_AUTHOR_EMAIL: 'nobody@example.org',
  GIT_COMMITTER_NAME: 'Nobody',
  GIT_COMMITTER_EMAIL: 'nobody@example.org',
  GIT_CONFIG_NOSYSTEM: '1',
};

describe('git through Weir', function () {
  this.timeout(60_000);
  before(function () {
    needProgram(this, 'git');
  });

  let passage: Passage;
  let workplace: Workplace;
  before(async () => {
    workplace = await openWorkplace(IDENTITY);
    const { path } = workplace;
    await workplace.run('git', 'init', '-q', '-b', 'main', 'source');
    await commit(workplace, 'first');
    await workplace.run('git', 'clone', '-q', '--bare', 'source', 'repository.git');
    await workplace.run('git', '-C', 'repository.git', 'update-server-info');
    passage = await openPassage((req, res) =>
      req.url?.startsWith('/smart/') === true ? answerSmart(path, req, res) : answerDumb(path, req, res),
    );
  });
  after(async () => {
    await workplace?.[Symbol.asyncDispose]();
    await passage?.[Symbol.asyncDispose]();
  });
  const git = (...args: string[]): Promise<Buffer> =>
    workplace.run('git', '-c', `http.proxy=${passage.proxyUrl}`, ...args);
  const headOf = async (directory: string): Promise<string> =>
    String(await git('-C', directory, 'rev-parse', 'HEAD'));

  it('clones and fetches by the smart protocol', async () => {
    await git('clone', '-q', passage.url('/smart/repository.git'), 'smart');
    await git('-C', 'smart', 'fsck', '--strict');
    const refs = passage.url('/smart/repository.git/info/refs?service=git-upload-pack');
    expect(await passage.recorded(refs), 'what passed').to.be.a('string');
    expect(await headOf('smart')).to.equal(await headOf('source'));

    await commit(workplace, 'second');
    await git('-C', 'source', 'push', '-q', join(workplace.path, 'repository.git'), 'main');
    await git('-C', 'smart', 'pull', '-q', '--ff-only');
    expect(await headOf('smart')).to.equal(await headOf('source'));
    expect(passage.asked.some((asked) => asked === 'POST /smart/repository.git/git-upload-pack')).to.equal(
      true,
    );
  });

  it('clones by the dumb protocol, twice, fetching the pack once', async () => {
    await git('-C', 'repository.git', 'repack', '-adq');
    await git('-C', 'repository.git', 'update-server-info');
    for (const directory of ['dumb-1', 'dumb-2']) {
      await git('clone', '-q', passage.url('/repository.git'), directory);
      await git('-C', directory, 'fsck', '--strict');
      expect(await headOf(directory)).to.equal(await headOf('source'));
    }
    const packs = passage.asked.filter((asked) => asked.endsWith('.pack'));
    expect(packs).to.have.length(1);
    const path = packs[0]?.slice('GET '.length) ?? '';
    expect(await passage.recorded(passage.url(path))).to.equal(
      sha256(await readFile(join(workplace.path, path))),
    );
  });
});

async function commit(workplace: Workplace, name: string): Promise<void> {
  const lines = Array.from(
    { length: 2000 },
    (_, line) => `${name} ${line} ${sha256(Buffer.from(`${name} ${line}`))}`,
  );
  await writeFile(join(workplace.path, 'source', name), lines.join('\n'));
  await workplace.run('git', '-C', 'source', 'add', name);
  await workplace.run('git', '-C', 'source', 'commit', '-q', '-m', name);
}

/** Files of the repository as they are; packs never change under their name. */
async function answerDumb(directory: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { pathname } = new URL(req.url ?? '/', 'http://origin');
  const bytes = await readFile(join(directory, pathname)).catch(() => undefined);
  const isPack = pathname.includes('/objects/pack/');
  res.setHeader('Cache-Control', isPack ? 'max-age=31536000, immutable' : 'no-cache');
  res.writeHead(bytes === undefined ? 404 : 200).end(bytes);
}

/** As much of CGI (RFC 3875) as `git http-backend` wants. */
async function answerSmart(directory: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(req.url ?? '/', 'http://origin');
  const { headers } = req;
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'] ?? '',
      GIT_PROJECT_ROOT: directory,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: pathname.slice('/smart'.length),
      QUERY_STRING: searchParams.toString(),
      REQUEST_METHOD: req.method ?? 'GET',
      CONTENT_TYPE: headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(headers['git-protocol'] ?? ''),
      ...(headers['content-length'] !== undefined && { CONTENT_LENGTH: headers['content-length'] }),
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  req.pipe(child.stdin.on('error', () => undefined));
  const [output] = await Promise.all([buffer(child.stdout), once(child, 'close')]);
  const end = output.indexOf('\r\n\r\n');
  for (const line of output.toString('latin1', 0, end).split('\r\n')) {
    const [name = '', value = ''] = line.split(/: */, 2);
    if (name === 'Status') res.statusCode = Number(value.slice(0, 3));
    else res.setHeader(name, value);
  }
  res.end(output.subarray(end + 4));
}
