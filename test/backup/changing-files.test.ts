import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Level } from '../../src/content/identifier.ts';
import { codes, type Outcome, type TestDevice, testDevice } from './device.ts';
import { sharedProvider } from './shared-provider.ts';
import { type Described, describeTree, differences } from './tree.ts';

const MIB = 1024 * 1024;

describe('files that change during a backup', function () {
  this.timeout(30_000);
  const shared = sharedProvider();
  let home: string;
  let device: TestDevice;

  beforeEach(async () => {
    const name = randomBytes(4).toString('hex');
    home = join(shared.path, name);
    mkdirSync(join(home, 'inner'), { recursive: true });
    writeFileSync(join(home, 'other'), randomBytes(40_000));
    writeFileSync(join(home, 'inner', 'one'), randomBytes(100_000));
    writeFileSync(join(home, 'inner', 'two'), randomBytes(1000));
    device = testDevice(await shared.provider.enrol(name), shared.path, [home]);
  });

  afterEach(() => {
    shared.provider.watching.onAsk = undefined;
    rmSync(home, { recursive: true });
  });

  /** Backs up, and does something when the agent first asks for things of a level. */
  async function backupWhile(level: Level, change: () => void): Promise<Outcome> {
    shared.provider.watching.onAsk = (asked) => {
      if (asked !== level) return;
      shared.provider.watching.onAsk = undefined;
      change();
    };
    return device.backup();
  }

  /** What is restored is the home as it is now. */
  async function expectRestored(): Promise<void> {
    const target = `${home}-back`;
    const { problems } = await device.restore(home, target);
    expect(codes(problems)).to.deep.equal([]);
    const back = filesOf(describeTree(target));
    rmSync(target, { recursive: true });
    expect(differences(filesOf(describeTree(home)), back)).to.deep.equal([]);
  }

  async function expectNextIsCalm(): Promise<void> {
    const next = await device.backup();
    expect(codes(next.problems)).to.deep.equal([]);
    await expectRestored();
    expect((await device.backup()).tally.readBytes).to.equal(0);
  }

  const changes: readonly [string, () => void][] = [
    ['appended to', () => appendFileSync(join(home, 'inner', 'one'), 'more')],
    ['rewritten', () => writeFileSync(join(home, 'inner', 'one'), randomBytes(200_000))],
    ['cut short', () => truncateSync(join(home, 'inner', 'one'), 10_000)],
    ['emptied', () => truncateSync(join(home, 'inner', 'one'), 0)],
    ['small and rewritten', () => writeFileSync(join(home, 'inner', 'two'), randomBytes(1000))],
    ['small and emptied', () => truncateSync(join(home, 'inner', 'two'), 0)],
  ];
  for (const [what, change] of changes) {
    it(`between scan and upload: ${what}, it goes as it is now`, async () => {
      const { problems } = await backupWhile('file', change);
      expect(codes(problems)).to.deep.equal([]);
      await expectRestored();
      await expectNextIsCalm();
    });
  }

  it('between scan and upload: emptied, the only file of its backup', async () => {
    rmSync(join(home, 'other'));
    rmSync(join(home, 'inner', 'two'));
    const { problems } = await backupWhile('file', () => truncateSync(join(home, 'inner', 'one'), 0));
    expect(codes(problems)).to.deep.equal([]);
    await expectRestored();
  });

  const losses: readonly [string, () => void, string][] = [
    ['removed', () => rmSync(join(home, 'inner', 'one')), 'WEIR_FILE_VANISHED'],
    [
      'removed with its directory',
      () => rmSync(join(home, 'inner'), { recursive: true }),
      'WEIR_FILE_VANISHED',
    ],
    ['renamed', () => renameSync(join(home, 'inner', 'one'), join(home, 'else')), 'WEIR_FILE_VANISHED'],
    ['replaced by a directory', () => replaceByDirectory(join(home, 'inner', 'one')), 'WEIR_FILE_UNREADABLE'],
    ['replaced by a link', () => replaceByLink(join(home, 'inner', 'one')), 'WEIR_FILE_UNREADABLE'],
  ];
  for (const [what, change, code] of losses) {
    it(`between scan and upload: ${what}, it is left out and the rest is protected`, async () => {
      const { problems } = await backupWhile('file', change);
      expect([...new Set(codes(problems))]).to.deep.equal([code]);
      const target = `${home}-back`;
      await device.restore(home, target);
      const back = describeTree(target);
      rmSync(target, { recursive: true });
      expect(back.has('inner/one')).to.equal(false);
      expect(back.get('other')?.what).to.equal(describeTree(home).get('other')?.what);
      await expectNextIsCalm();
    });
  }

  it('between planning and upload: rewritten, it is left out, reported, and goes with the next', async () => {
    const { problems } = await backupWhile('portion', () =>
      writeFileSync(join(home, 'inner', 'one'), randomBytes(100_000)),
    );
    expect(codes(problems)).to.deep.equal(['WEIR_FILE_CHANGED']);
    await expectNextIsCalm();
  });

  it('twice: before and after it was planned, it is left out and the rest is protected', async () => {
    const rewrite = () => writeFileSync(join(home, 'inner', 'one'), randomBytes(100_000));
    const { problems } = await backupWhile('file', () => {
      rewrite();
      shared.provider.watching.onAsk = (level) => {
        if (level !== 'portion') return;
        shared.provider.watching.onAsk = undefined;
        rewrite();
      };
    });
    expect(codes(problems)).to.deep.equal(['WEIR_FILE_CHANGED']);
    await expectNextIsCalm();
  });

  it('in the midst of the upload of a file of several groups, the rest is protected', async () => {
    writeFileSync(join(home, 'inner', 'huge'), incompressible(72));
    const { problems } = await backupWhile('portion', () =>
      writeFileSync(join(home, 'inner', 'huge'), incompressible(72)),
    );
    expect(codes(problems)).to.deep.equal(['WEIR_FILE_CHANGED']);
    await expectNextIsCalm();
  });

  it('while it is read, over and over: it is left out and the rest is protected', async () => {
    const log = join(home, 'inner', 'log');
    const large = 8 * MIB;
    writeFileSync(log, incompressible(8));
    const growing = setInterval(() => appendFileSync(log, 'line\n'), 1);
    try {
      const { problems, snapshot } = await device.backup();
      expect(codes(problems).every((code) => code === 'WEIR_FILE_CHANGED')).to.equal(true);
      expect(snapshot.bytes.totalBytes).to.be.within(141_000, 141_000 + large + MIB);
    } finally {
      clearInterval(growing);
    }
    await expectNextIsCalm();
  });

  it('protects a file that fills its last group of portions to the byte', async () => {
    for (const path of ['other', 'inner/one', 'inner/two']) rmSync(join(home, path));
    writeFileSync(join(home, 'zeros'), Buffer.alloc(64 * MIB));
    const { problems } = await device.backup();
    expect(codes(problems)).to.deep.equal([]);
    await expectRestored();
  });
});

/** Directories change with what is in them. */
function filesOf(tree: Described): Described {
  return new Map([...tree].filter(([, { kind }]) => kind === 'file'));
}

function replaceByDirectory(path: string): void {
  rmSync(path);
  mkdirSync(path);
}

function replaceByLink(path: string): void {
  rmSync(path);
  symlinkSync('/etc/hostname', path);
}

function incompressible(mib: number): Buffer {
  return Buffer.concat(Array.from({ length: mib }, () => randomBytes(MIB)));
}
