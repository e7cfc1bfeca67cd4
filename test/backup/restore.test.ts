import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Overwrite } from '../../backup/agent/restore.ts';
import { openDevice } from '../../src/app/device.ts';
import { codeOf, codes, type TestDevice, testDevice } from './device.ts';
import { WEIR } from './program.ts';
import { sharedProvider } from './shared-provider.ts';
import { describeTree, differences } from './tree.ts';

const OLD = 1_000_000_000;
const NEW = 1_500_000_000;

describe('a restore', function () {
  this.timeout(30_000);
  const shared = sharedProvider();
  let home: string;
  let target: string;
  let canary: string;
  let device: TestDevice;

  beforeEach(async () => {
    const name = randomBytes(4).toString('hex');
    home = join(shared.path, name);
    target = `${home}-back`;
    canary = `${home}-canary`;
    mkdirSync(join(home, 'inner'), { recursive: true });
    mkdirSync(canary);
    writeFileSync(join(canary, 'file'), 'canary');
    writeFileSync(join(home, 'inner', 'file'), 'what was backed up');
    utimesSync(join(home, 'inner', 'file'), NEW, NEW);
    writeFileSync(join(home, 'inner', 'empty'), '');
    symlinkSync('somewhere', join(home, 'inner', 'link'));
    device = testDevice(await shared.provider.enrol(name), shared.path, [home]);
    await device.backup();
  });

  afterEach(() => {
    expect(readdirSync(canary)).to.deep.equal(['file']);
    expect(readFileSync(join(canary, 'file'), 'utf8')).to.equal('canary');
    for (const path of [home, target, canary]) rmSync(path, { recursive: true, force: true });
  });

  /** Codes of what a restore over everything could not bring back. */
  async function inTheWay(): Promise<string[]> {
    const { problems } = await device.restore(home, target, { overwrite: 'always' });
    return problems.map(({ code }) => code);
  }

  it('never follows a link that stands for a directory, nor for the target itself', async () => {
    mkdirSync(target);
    symlinkSync(canary, join(target, 'inner'));
    expect(await inTheWay()).to.deep.equal(['WEIR_RESTORE_TARGET']);
    rmSync(target, { recursive: true });
    symlinkSync(canary, target);
    expect(await codeOf(device.restore(home, target, { overwrite: 'always' }))).to.equal(
      'WEIR_RESTORE_TARGET',
    );
  });

  it('never writes through a link or a hard link that stands for a file', async () => {
    mkdirSync(join(target, 'inner'), { recursive: true });
    symlinkSync(join(canary, 'file'), join(target, 'inner', 'file'));
    linkSync(join(canary, 'file'), join(target, 'inner', 'empty'));
    await device.restore(home, target, { overwrite: 'always' });
    expect(differences(describeTree(home), describeTree(target))).to.deep.equal([]);
  });

  it('says what is in the way: a directory for a file, a file for a directory', async () => {
    mkdirSync(join(target, 'inner', 'file'), { recursive: true });
    expect(await inTheWay()).to.deep.equal(['WEIR_RESTORE_TARGET']);
    rmSync(target, { recursive: true });
    mkdirSync(target);
    writeFileSync(join(target, 'inner'), 'a file');
    expect(await inTheWay()).to.deep.equal(['WEIR_RESTORE_TARGET']);
    expect(readFileSync(join(target, 'inner'), 'utf8')).to.equal('a file');
  });

  const same = 'other bytes, same.';
  const cases: readonly [Overwrite, { text: string; time: number }, boolean][] = [
    ['never', { text: 'x', time: OLD }, false],
    ['never', { text: 'x', time: NEW + 1 }, false],
    ['if-older', { text: 'x', time: OLD }, true],
    ['if-older', { text: 'x', time: NEW + 1 }, false],
    ['if-older', { text: same, time: NEW }, false],
    ['if-changed', { text: 'x', time: NEW }, true],
    ['if-changed', { text: same, time: NEW + 1 }, true],
    ['if-changed', { text: same, time: NEW }, false],
    ['always', { text: same, time: NEW }, true],
    ['always', { text: 'x', time: NEW + 1 }, true],
  ];
  for (const [overwrite, { text, time }, isReplaced] of cases) {
    const what = `${text.length} bytes of ${time}`;
    it(`--overwrite ${overwrite} ${isReplaced ? 'replaces' : 'keeps'} a file of ${what}`, async () => {
      mkdirSync(join(target, 'inner'), { recursive: true });
      const path = join(target, 'inner', 'file');
      writeFileSync(path, text);
      utimesSync(path, time, time);
      const { kept } = await device.restore(home, target, { overwrite });
      expect(readFileSync(path, 'utf8')).to.equal(isReplaced ? 'what was backed up' : text);
      expect(kept).to.equal(isReplaced ? 0 : 1);
    });
  }

  for (const overwrite of ['never', 'if-older'] as const) {
    it(`--overwrite ${overwrite} keeps a newer file where a link would go`, async () => {
      mkdirSync(join(target, 'inner'), { recursive: true });
      const path = join(target, 'inner', 'link');
      writeFileSync(path, 'newer than the backup');
      utimesSync(path, 4_000_000_000, 4_000_000_000);
      await device.restore(home, target, { overwrite });
      expect(lstatSync(path).isFile(), 'the newer file is there').to.equal(true);
    });
  }

  it('leaves what is in the target and not in the snapshot', async () => {
    mkdirSync(join(target, 'inner'), { recursive: true });
    writeFileSync(join(target, 'inner', 'mine'), 'mine');
    await device.restore(home, target);
    expect(readFileSync(join(target, 'inner', 'mine'), 'utf8')).to.equal('mine');
  });

  it('that is only rehearsed writes nothing', async () => {
    await device.restore(home, target, { isDryRun: true });
    expect(existsSync(target)).to.equal(false);
  });

  it('strips setuid unless asked to keep it', async () => {
    writeFileSync(join(home, 'setuid'), 's', { mode: 0o755 });
    const path = join(home, 'setuid');
    chmodSync(path, 0o4755);
    await device.backup();
    await device.restore(home, target, { metadata: { setsOwner: false, keepsSetuid: false } });
    expect(lstatSync(join(target, 'setuid')).mode & 0o7777).to.equal(0o755);
  });

  it('of what is complete already fetches nothing', async () => {
    await device.restore(home, target);
    const again = await device.restore(home, target);
    expect(again).to.include({ restored: 0, kept: 2 });
  });

  it('killed in the midst of a file is completed by the next', async () => {
    writeFileSync(join(home, 'inner', 'large'), randomBytes(96 * 1024 * 1024));
    await device.backup();
    const state = `${home}-state`;
    await (await openDevice(state)).enrol(device.enrolment);
    const child = spawn(process.execPath, [
      WEIR,
      'restore',
      `latest:${home}`,
      '-t',
      target,
      '--state',
      state,
    ]);
    const closed = new Promise((go) => child.once('close', go));
    while (child.exitCode === null && largestIn(join(target, 'inner')) < 4 * 1024 * 1024)
      await new Promise((go) => setTimeout(go, 2));
    child.kill('SIGKILL');
    await closed;
    rmSync(state, { recursive: true });
    expect(child.signalCode, 'it was killed').to.equal('SIGKILL');
    const { problems } = await device.restore(home, target);
    expect(codes(problems)).to.deep.equal([]);
    expect(differences(describeTree(home), describeTree(target))).to.deep.equal([]);
  });
});

function largestIn(path: string): number {
  if (!existsSync(path)) return 0;
  return Math.max(0, ...readdirSync(path).map((name) => lstatSync(join(path, name)).size));
}
