import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Tally } from '../../backup/agent/tally.ts';
import { codeOf, codes, testDevice } from '../backup/device.ts';
import { openProvider, temporaryDirectory } from '../backup/provider.ts';
import { describeTree, differences } from '../backup/tree.ts';
import { haveRootTools, run } from './machine.ts';

const MIB = 1024 * 1024;

describe('backup, a full disk at the provider', function () {
  this.timeout(30_000);
  let mount: string | undefined;

  before(async function () {
    if (!(await haveRootTools())) return this.skip();
    mount = await mkdtemp(join(tmpdir(), 'weir-full-'));
    await run('mount', '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', mount);
  });

  after(async () => {
    if (mount === undefined) return;
    // Lazily: SQLite's binding gives the closed file up only when it is collected as garbage.
    await run('umount', '-l', mount);
    await rm(mount, { recursive: true });
  });

  it('says so, keeps what was acknowledged, serves restores, and goes on when there is room', async () => {
    await using directory = await temporaryDirectory();
    const home = join(directory.path, 'home');
    const target = join(directory.path, 'back');
    mkdirSync(home);
    await using provider = await openProvider(join(mount ?? '', 'provider'));
    const device = testDevice(await provider.enrol('ada'), directory.path, [home]);
    writeFileSync(join(home, 'first'), randomBytes(4 * MIB));
    await device.backup();
    const before = describeTree(home);
    writeFileSync(join(mount ?? '', 'filler'), Buffer.alloc(42 * MIB));
    for (let at = 0; at < 60; at++) writeFileSync(join(home, `more-${at}`), randomBytes(MIB / 2));
    let tally: Tally | undefined;
    expect(await codeOf(device.backup({ onStart: (started) => (tally = started) }))).to.equal(
      'WEIR_STORE_FULL',
    );
    const acknowledged = tally?.uploadedBytes ?? 0;
    expect(codes((await device.restore(home, target)).problems)).to.deep.equal([]);
    expect(differences(before, describeTree(target))).to.deep.equal([]);
    rmSync(join(mount ?? '', 'filler'));
    const second = await device.backup();
    expect(second.up).to.be.below(30 * MIB - acknowledged + 2 * MIB);
    await device.restore(home, target);
    expect(differences(describeTree(home), describeTree(target))).to.deep.equal([]);
  });
});
