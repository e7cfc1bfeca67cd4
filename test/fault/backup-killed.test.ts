import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { enrolDevice } from '../../backup/agent/enrol.ts';
import type { Tally } from '../../backup/agent/tally.ts';
import { openDevice } from '../../src/app/device.ts';
import { decodeInvitation } from '../../src/wire/invitation.ts';
import { codeOf, codes, type TestDevice, testDevice } from '../backup/device.ts';
import { WEIR, weir } from '../backup/program.ts';
import { openProvider, temporaryDirectory } from '../backup/provider.ts';
import { describeTree, differences } from '../backup/tree.ts';

const MIB = 1024 * 1024;
/** Metadata and identifiers, which are sent again. */
const SLACK_BYTES = 2 * MIB;

describe('backup, one side killed in mid-upload', function () {
  this.timeout(60_000);
  let directory: { path: string } & AsyncDisposable;
  let home: string;

  beforeEach(async () => {
    directory = await temporaryDirectory();
    home = join(directory.path, 'home');
    mkdirSync(home);
  });

  afterEach(() => directory[Symbol.asyncDispose]());

  const homes: readonly [string, () => void][] = [
    ['small files', () => makeFiles(1600, 12_000, 30_000)],
    ['one large file', () => writeFileSync(join(home, 'large'), randomBytes(40 * MIB))],
  ];

  function makeFiles(count: number, ...sizes: number[]): void {
    for (let at = 0; at < count; at++)
      writeFileSync(join(home, `${at}`), randomBytes((sizes[at % sizes.length] ?? 0) + at));
  }

  async function expectRestored(device: TestDevice): Promise<void> {
    const target = join(directory.path, 'back');
    const { problems } = await device.restore(home, target);
    expect(codes(problems)).to.deep.equal([]);
    expect(differences(describeTree(home), describeTree(target))).to.deep.equal([]);
  }

  for (const [what, make] of homes) {
    it(`the provider, with ${what}: what it acknowledged is not sent again`, async () => {
      make();
      const config = await configure(directory.path);
      const added = await weir(['subscriber', 'add', 'ada', '--config', config]);
      let serve = await startServe(config);
      try {
        const { enrolment } = await enrolDevice(
          { ...decodeInvitation(added.stdout), port: serve.port },
          'laptop',
        );
        const device = testDevice(enrolment, directory.path, [home]);
        let tally: Tally | undefined;
        const first = device.backup({ onStart: (started) => (tally = started) });
        const ended = codeOf(first);
        while ((tally?.uploadedBytes ?? 0) < 12 * MIB) await new Promise((go) => setTimeout(go, 1));
        serve.child.kill('SIGKILL');
        expect(await ended).to.equal('WEIR_DISCONNECTED');
        const acknowledged = tally?.uploadedBytes ?? 0;
        serve = await startServe(config, serve.port);
        const second = await device.backup();
        const total = second.snapshot.bytes.totalBytes;
        expect(second.up).to.be.below(total - acknowledged + SLACK_BYTES);
        await expectRestored(device);
      } finally {
        serve.child.kill('SIGKILL');
      }
    });

    it(`the agent, with ${what}: what it sent is not sent again`, async () => {
      make();
      await using provider = await openProvider(join(directory.path, 'provider'));
      const enrolment = await provider.enrol('ada');
      const state = join(directory.path, 'state');
      await (await openDevice(state)).enrol(enrolment);
      let stored = 0;
      const child = spawn(process.execPath, [WEIR, 'backup', home, '--state', state], { stdio: 'ignore' });
      const exited = once(child, 'exit');
      provider.watching.onStored = (bytes) => {
        stored += bytes;
        if (stored > 12 * MIB) child.kill('SIGKILL');
      };
      await exited;
      expect(child.signalCode, 'it was killed').to.equal('SIGKILL');
      while (provider.sessions > 0) await new Promise((go) => setTimeout(go, 5));
      provider.watching.onStored = undefined;
      const device = testDevice(enrolment, directory.path, [home]);
      const second = await device.backup();
      expect(second.up).to.be.below(second.snapshot.bytes.totalBytes - stored + SLACK_BYTES);
      await expectRestored(device);
      const again = await weir(['backup', home, '--state', state, '--json']);
      expect(again.code, 'its lock is taken over').to.equal(0);
    });
  }

  it('leaves no snapshot of a backup that did not end', async () => {
    makeFiles(50, 100_000);
    await using provider = await openProvider(join(directory.path, 'provider'));
    const device = testDevice(await provider.enrol('ada'), directory.path, [home]);
    provider.watching.onStored = () => void provider[Symbol.asyncDispose]();
    expect(await codeOf(device.backup())).not.to.equal(undefined);
    await using reopened = await openProvider(join(directory.path, 'provider'), { port: provider.port });
    expect(await codeOf(device.restore('', join(directory.path, 'back')))).to.equal('WEIR_SNAPSHOT_UNKNOWN');
    expect(reopened.sessions).to.be.lessThan(2);
  });
});

async function configure(directory: string): Promise<string> {
  const path = join(directory, 'weir.yaml');
  const lines = [
    `dataDirectory: ${join(directory, 'data')}`,
    'roles: [backup]',
    'backup: { host: 127.0.0.1, port: 0, publicHost: 127.0.0.1, publicPort: 1 }',
    'store: { reserveBytes: 0 }',
  ];
  writeFileSync(path, lines.join('\n'));
  return path;
}

async function startServe(config: string, port = 0): Promise<{ child: ChildProcess; port: number }> {
  if (port !== 0) writeFileSync(config, readFileSync(config, 'utf8').replace(/port: 0/, `port: ${port}`));
  const child = spawn(process.execPath, [WEIR, 'serve', '--config', config], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let text = '';
  for await (const bytes of child.stdout) {
    text += String(bytes);
    if (text.includes('ready\n')) break;
  }
  return { child, port: Number(/^backup\s+\S+:(\d+)$/m.exec(text)?.[1]) };
}
