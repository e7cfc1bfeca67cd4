import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect } from 'chai';
import { ERRORS, isErrorCode } from '../../src/base/errors.ts';
import { type Ended, WEIR, weir } from './program.ts';
import { temporaryDirectory } from './provider.ts';
import { describeTree, differences } from './tree.ts';

const NOBODY = 65_534;

describe('the program', function () {
  this.timeout(60_000);
  let directory: { path: string } & AsyncDisposable;
  let config: string;
  let state: string;
  let home: string;
  let stop: () => Promise<void>;
  let ports: ReadonlyMap<string, number>;
  let offlineInvitation: string;

  before(async () => {
    directory = await temporaryDirectory();
    config = join(directory.path, 'weir.yaml');
    state = join(directory.path, 'state');
    home = join(directory.path, 'home');
    mkdirSync(home);
    const [proxy, backup, console] = await Promise.all([freePort(), freePort(), freePort()]);
    const lines = [
      `dataDirectory: ${join(directory.path, 'data')}`,
      `proxy: { host: 127.0.0.1, port: ${proxy} }`,
      `backup: { host: 127.0.0.1, port: ${backup}, publicHost: 127.0.0.1 }`,
      `console: { host: 127.0.0.1, port: ${console} }`,
      'dial: { allow: [127.0.0.0/8] }',
      'store: { reserveBytes: 0 }',
    ];
    writeFileSync(config, lines.join('\n'));
    const added = await weir(['subscriber', 'add', 'ada', '--config', config]);
    expect(added.code, added.stderr).to.equal(0);
    offlineInvitation = added.stdout.trim();
    ({ ports, stop } = await serve(config));
    const setup = await weir([
      'setup',
      '--invite',
      offlineInvitation,
      '--device',
      'laptop',
      '--state',
      state,
    ]);
    expect(setup.code, setup.stderr).to.equal(0);
  });

  after(async () => {
    await stop();
    await directory[Symbol.asyncDispose]();
  });

  const mine = (...args: string[]) => weir([...args, '--state', state]);
  const operator = (...args: string[]) => weir([...args, '--config', config]);

  it('adds a subscriber while serve runs, one name once', async () => {
    const added = await operator('subscriber', 'add', 'bob', '--json');
    expect(added.code).to.equal(0);
    expect(added.json).to.have.length(1);
    expect(added.json[0]).to.include({ schema: 1, type: 'invitation', name: 'bob' });
    expectFailure(await operator('subscriber', 'add', 'bob'), 'WEIR_NAME_TAKEN');
    const listed = await operator('subscriber', 'list', '--json');
    expect(listed.json.map(({ name }) => name)).to.include.members(['ada', 'bob']);
    expectFailure(await operator('subscriber', 'invite', 'nobody'), 'WEIR_SUBSCRIBER_UNKNOWN');
  });

  it('reads an invitation from its input, so that it stands in no list of processes', async () => {
    const input = (await operator('subscriber', 'invite', 'ada')).stdout;
    const other = join(directory.path, 'from input');
    const { code, stderr } = await weir(['setup', '--invite', '-', '--state', other], { input });
    expect(code, stderr).to.equal(0);
  });

  it('a second serve of the same data directory is locked out', async () => {
    const data = join(directory.path, 'other.yaml');
    writeFileSync(data, readFileSync(config, 'utf8').replaceAll(/port: \d+/g, 'port: 0'));
    expectFailure(await weir(['serve', '--config', data]), 'WEIR_LOCKED');
  });

  it('protects what passed the proxy almost without sending it, says so last, and restores it', async () => {
    const body = randomBytes(5_000_000);
    const origin = createServer((_, response) =>
      response.writeHead(200, { 'content-length': body.length }).end(body),
    );
    await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}/file`;
    await download(url, ports.get('proxy') ?? 0, join(home, 'download'));
    await new Promise((resolve) => origin.close(resolve));
    const backup = await mine('backup', home);
    expect(backup.code, backup.stderr).to.equal(0);
    const last = backup.stdout.trim().split('\n').at(-1) ?? '';
    expect(last).to.match(/^5\.0 MB protected · .* sent · .* received/);
    const target = join(directory.path, 'back');
    const restored = await mine('restore', `latest:${home}`, '-t', target);
    expect(restored.code, restored.stderr).to.equal(0);
    expect(differences(describeTree(home), describeTree(target))).to.deep.equal([]);
    const [line] = (await mine('snapshots', '--json')).json;
    expect(line).to.include({ schema: 1, type: 'snapshot' });
    expect(line).to.have.nested.property('bytes.passedBytes', 5_000_000);
    expect(line).to.have.nested.property('bytes.uploadedBytes', 0);
  });

  it('speaks JSON lines with schema and type, the result last', async () => {
    const backup = await mine('backup', home, '--json', '--tag', 'one', '--tag', 'two');
    expect(backup.json.every(({ schema, type }) => schema === 1 && typeof type === 'string')).to.equal(true);
    expect(backup.json.at(-1))
      .to.include({ type: 'backup', problems: 0 })
      .and.to.have.deep.property('tags', ['one', 'two']);
    for (const args of [['ls', 'latest'], ['status'], ['snapshots']]) {
      const { json, code } = await mine(...args, '--json');
      expect(code).to.equal(0);
      expect(json).not.to.have.length(0);
      expect(json.every(({ schema, type }) => schema === 1 && typeof type === 'string')).to.equal(true);
    }
    const [failed] = (await mine('ls', 'ffff', '--json')).json;
    expect(failed)
      .to.include({ schema: 1, type: 'error', code: 'WEIR_SNAPSHOT_UNKNOWN' })
      .and.to.have.property('remedy');
  });

  const failures: readonly [string, () => string[], string][] = [
    [
      'an unknown snapshot',
      () => ['restore', 'ffff', '-t', join(directory.path, 'x'), '--state', state],
      'WEIR_SNAPSHOT_UNKNOWN',
    ],
    ['an unknown path', () => ['ls', 'latest:/nowhere', '--state', state], 'WEIR_PATH_UNKNOWN'],
    [
      'a device that is not enrolled',
      () => ['backup', home, '--state', join(directory.path, 'fresh')],
      'WEIR_NOT_ENROLLED',
    ],
    [
      'a device that is enrolled already',
      () => ['setup', '--invite', offlineInvitation, '--state', state],
      'WEIR_ALREADY_ENROLLED',
    ],
    [
      'a used invitation',
      () => ['setup', '--invite', offlineInvitation, '--state', join(directory.path, 'used')],
      'WEIR_INVITATION_INVALID',
    ],
    [
      'what is no invitation',
      () => ['setup', '--invite', 'weir1.nonsense', '--state', join(directory.path, 'none')],
      'WEIR_INVITATION_INVALID',
    ],
    [
      'a key nobody knows in the configuration',
      () => ['serve', '--config', badConfig()],
      'WEIR_CONFIG_INVALID',
    ],
    [
      'a configuration that is not there',
      () => ['serve', '--config', '/nowhere.yaml'],
      'WEIR_CONFIG_INVALID',
    ],
    ['more paths than a snapshot names', () => ['backup', ...manyPaths(), '--state', state], 'WEIR_USAGE'],
    [
      'a size that is none',
      () => ['backup', home, '--exclude-larger-than', 'big', '--state', state],
      'WEIR_USAGE',
    ],
    [
      'another overwrite',
      () => ['restore', 'latest', '-t', '/x', '--overwrite', 'maybe', '--state', state],
      'WEIR_USAGE',
    ],
  ];
  for (const [what, args, code] of failures) {
    it(`names the code and the remedy for ${what}`, async () => {
      expectFailure(await weir(args()), code);
    });
  }

  function badConfig(): string {
    const path = join(directory.path, 'bad.yaml');
    writeFileSync(path, 'proxy: { prot: 1 }\n');
    return path;
  }

  function manyPaths(): string[] {
    return Array.from({ length: 300 }, (_, at) => `${home}/${at}`);
  }

  for (const args of [
    ['no-such-command'],
    ['backup'],
    ['restore', 'latest'],
    ['backup', '/x', '--no-such-flag'],
  ])
    it(`ends with 2 for: weir ${args.join(' ')}`, async () => {
      const { code, stderr } = await weir(args);
      expect(code).to.equal(2);
      expect(stderr).not.to.equal('');
    });

  it('ends with 20 when the provider is not there', async () => {
    const lonely = join(directory.path, 'lonely');
    const invitation = (await operator('subscriber', 'invite', 'ada')).stdout.trim();
    await weir(['setup', '--invite', invitation, '--state', lonely]);
    await stop();
    try {
      expectFailure(await weir(['backup', home, '--state', lonely]), 'WEIR_UNREACHABLE');
    } finally {
      ({ ports, stop } = await serve(config));
    }
    expect((await weir(['backup', home, '--state', lonely])).code).to.equal(0);
  });

  it('refuses a device of a suspended subscriber, and one that was revoked', async () => {
    const other = join(directory.path, 'other');
    const invitation = (await operator('subscriber', 'add', 'carl')).stdout.trim();
    await weir(['setup', '--invite', invitation, '--device', 'phone', '--state', other]);
    await operator('subscriber', 'suspend', 'carl');
    expectFailure(await weir(['backup', home, '--state', other]), 'WEIR_SUBSCRIBER_SUSPENDED');
    await operator('subscriber', 'resume', 'carl');
    expect((await weir(['backup', home, '--state', other])).code).to.equal(0);
    await operator('subscriber', 'revoke', 'carl', 'phone');
    expectFailure(await weir(['backup', home, '--state', other]), 'WEIR_TOKEN_REFUSED');
  });

  it('one backup at a time, and the lock of one that died is taken over', async () => {
    const lock = join(state, 'backup.lock');
    writeFileSync(lock, `${process.pid}\n`);
    expectFailure(await mine('backup', home), 'WEIR_LOCKED');
    writeFileSync(lock, '999999999\n');
    expect((await mine('backup', home)).code).to.equal(0);
    expect(existsSync(lock)).to.equal(false);
  });

  it('leaves out what it may not read, ends with 3, and protects the rest', async function () {
    if (process.getuid?.() !== 0 || !isReadableByAll()) {
      if (process.env['WEIR_REQUIRE_PEERS'] === '1')
        throw new Error('needs root, and a program all may read');
      return this.skip();
    }
    const place = join(directory.path, 'of nobody');
    mkdirSync(join(place, 'closed'), { recursive: true });
    chmodSync(directory.path, 0o755);
    writeFileSync(join(place, 'readable'), 'readable');
    writeFileSync(join(place, 'secret'), 'secret', { mode: 0o600 });
    writeFileSync(join(place, 'closed', 'inner'), 'inner');
    chmodSync(join(place, 'closed'), 0o700);
    const nobodys = join(directory.path, 'state of nobody');
    mkdirSync(nobodys, { mode: 0o777 });
    chmodSync(nobodys, 0o777);
    const invitation = (await operator('subscriber', 'invite', 'ada')).stdout.trim();
    const setup = await weir(['setup', '--invite', invitation, '--state', nobodys], { uid: NOBODY });
    expect(setup.code, setup.stderr).to.equal(0);
    const backup = await weir(['backup', place, '--state', nobodys], { uid: NOBODY });
    expect(backup.code, backup.stderr).to.equal(3);
    expect(backup.stderr.match(/\[WEIR_FILE_UNREADABLE\]/g)).to.have.length(2);
    expect(backup.stderr).to.include('of nobody/secret').and.to.include('of nobody/closed');
    expect(backup.stdout.trim().split('\n').at(-1)).to.include('2 left out');
    const { stdout } = await weir(['ls', `latest:${place}`, '--state', nobodys], { uid: NOBODY });
    expect(stdout.trim().split('\n')).to.deep.equal(['closed', 'readable']);
    const excluded = await weir(
      ['backup', place, '--state', nobodys, '--exclude', 'secret', '--exclude', 'closed/'],
      {
        uid: NOBODY,
      },
    );
    expect(excluded.code, excluded.stderr).to.equal(0);
  });

  describe('with patterns', () => {
    let place: string;
    let target: string;

    before(() => {
      place = join(directory.path, 'patterns');
      target = join(directory.path, 'chosen');
      mkdirSync(join(place, 'a', 'b'), { recursive: true });
      for (const name of ['x.txt', 'x.tmp', 'a/y.txt', 'a/y.tmp', 'a/b/z.txt', 'a/b/empty.txt'])
        writeFileSync(join(place, name), name.includes('empty') ? '' : name);
    });

    afterEach(() => rmSync(target, { recursive: true, force: true }));

    async function listed(): Promise<string[]> {
      return (await mine('ls', `latest:${place}`)).stdout.trim().split('\n').toSorted();
    }

    it('backs up without what they match', async () => {
      expect((await mine('backup', place, '--exclude', '*.tmp', '--exclude', 'b/')).code).to.equal(0);
      expect(await listed()).to.deep.equal(['a', 'a/y.txt', 'x.txt']);
    });

    it('backs up without what a file of them matches', async () => {
      const list = join(directory.path, 'patterns.list');
      writeFileSync(list, '# a comment\nb/\n*.tmp\n');
      expect((await mine('backup', place, '--exclude-file', list)).code).to.equal(0);
      expect(await listed()).to.deep.equal(['a', 'a/y.txt', 'x.txt']);
    });

    it('restores only what they match, in directories too', async () => {
      expect((await mine('backup', place)).code).to.equal(0);
      const { code, stderr } = await mine('restore', `latest:${place}`, '-t', target, '--include', '*.txt');
      expect(code, stderr).to.equal(0);
      const files = [...describeTree(target)].filter(([, { kind }]) => kind === 'file').map(([path]) => path);
      expect(files).to.deep.equal(['a/b/empty.txt', 'a/b/z.txt', 'a/y.txt', 'x.txt']);
    });

    it('restores without what they match', async () => {
      expect((await mine('backup', place)).code).to.equal(0);
      const { code, stderr } = await mine(
        'restore',
        `latest:${place}`,
        '-t',
        target,
        '--exclude',
        'b/',
        '--exclude',
        '*.tmp',
      );
      expect(code, stderr).to.equal(0);
      expect([...describeTree(target).keys()]).to.deep.equal(['a', 'a/y.txt', 'x.txt']);
    });
  });
});

/** A person is told the code and what to do, on stderr, and the exit code is the table's. */
function expectFailure({ code, stderr }: Ended, expected: string): void {
  expect(isErrorCode(expected), expected).to.equal(true);
  if (!isErrorCode(expected)) return;
  expect(stderr).to.include(`[${expected}]`);
  expect(stderr).to.include(ERRORS[expected].remedy);
  expect(code).to.equal(ERRORS[expected].exit);
}

async function serve(config: string): Promise<{ ports: Map<string, number>; stop: () => Promise<void> }> {
  const child = spawn(process.execPath, [WEIR, 'serve', '--config', config], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let text = '';
  for await (const bytes of child.stdout) {
    text += String(bytes);
    if (text.includes('ready\n')) break;
  }
  const ports = [...text.matchAll(/^(\w+)\s+\S+:(\d+)$/gm)].map(
    ([, role = '', port]) => [role, Number(port)] as const,
  );
  return {
    ports: new Map(ports),
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      expect(child.exitCode, 'serve ends by itself').to.equal(0);
    },
  };
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function download(url: string, port: number, path: string): Promise<void> {
  const get = request({ host: '127.0.0.1', port, path: url, headers: { host: new URL(url).host } });
  const answered = once(get, 'response') as Promise<[NodeJS.ReadableStream]>;
  get.end();
  const [response] = await answered;
  await pipeline(response, createWriteStream(path));
}

/** Whether another user can run the program: its directories are open to all. */
function isReadableByAll(): boolean {
  return !WEIR.startsWith('/root/');
}
