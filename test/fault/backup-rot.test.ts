import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { codes, type TestDevice, testDevice } from '../backup/device.ts';
import { openProvider, type TestProvider, temporaryDirectory } from '../backup/provider.ts';
import { describeTree, differences } from '../backup/tree.ts';

const ADDRESS = '127.0.0.31';
const MIB = 1024 * 1024;

describe('backup, bytes that rot in the store', function () {
  this.timeout(30_000);
  let directory: { path: string } & AsyncDisposable;
  let provider: TestProvider;
  let home: string;
  let device: TestDevice;

  beforeEach(async () => {
    directory = await temporaryDirectory();
    provider = await openProvider(join(directory.path, 'provider'));
    await provider.add('ada', ADDRESS);
    home = join(directory.path, 'home');
    mkdirSync(home);
    device = testDevice(await provider.enrol('ada'), directory.path, [home]);
  });

  afterEach(async () => {
    await provider[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  /** Flips a bit in the middle of these bytes wherever the store has them. They must not compress. */
  function rot(bytes: Buffer): void {
    const sample = bytes.subarray(bytes.length / 2, bytes.length / 2 + 32);
    let flipped = 0;
    for (const path of filesBelow(join(provider.directory, 'bytes'))) {
      const stored = readFileSync(path);
      const at = stored.indexOf(sample);
      if (at < 0) continue;
      stored[at] = (stored[at] ?? 0) ^ 1;
      writeFileSync(path, stored);
      flipped++;
    }
    expect(flipped, 'the bytes are in the store').to.equal(1);
  }

  async function expectRestored(): Promise<void> {
    const target = join(directory.path, 'back');
    const { problems } = await device.restore(home, target);
    expect(codes(problems)).to.deep.equal([]);
    const left = differences(describeTree(home), describeTree(target));
    rmSync(target, { recursive: true });
    expect(left).to.deep.equal([]);
  }

  it('a small capture is not matched: the file is uploaded instead', async () => {
    const files = Array.from({ length: 5 }, () => randomBytes(9000));
    for (const [at, bytes] of files.entries()) {
      await provider.pass(ADDRESS, `http://origin/${at}`, bytes);
      writeFileSync(join(home, `${at}`), bytes);
    }
    rot(files[2] ?? expect.fail());
    const { snapshot, problems } = await device.backup();
    expect(codes(problems)).to.deep.equal([]);
    expect(snapshot.bytes).to.include({ uploadedBytes: 9000, passedBytes: 4 * 9000 });
    await expectRestored();
  });

  it('of a large capture the rotten portion alone is uploaded', async () => {
    const bytes = randomBytes(4 * MIB);
    await provider.pass(ADDRESS, 'http://origin/large', bytes);
    writeFileSync(join(home, 'large'), bytes);
    rot(bytes);
    const { snapshot, problems } = await device.backup();
    expect(codes(problems)).to.deep.equal([]);
    expect(snapshot.bytes.uploadedBytes).to.be.within(1, 256 * 1024);
    await expectRestored();
  });

  describe('after a backup', () => {
    let files: Buffer[];

    beforeEach(async () => {
      files = Array.from({ length: 5 }, () => randomBytes(200_000));
      for (const [at, bytes] of files.entries()) writeFileSync(join(home, `${at}`), bytes);
      await device.backup();
      rot(files[2] ?? expect.fail());
    });

    it('restore reports that file alone, and restores the others', async () => {
      const target = join(directory.path, 'back');
      const { problems, restored } = await device.restore(home, target);
      expect(codes(problems)).to.deep.equal(['WEIR_CONTENT_MISSING']);
      expect(problems[0]?.facts).to.deep.equal({ path: join(target, '2') });
      expect(restored).to.equal(4);
      expect([...describeTree(target).keys()]).to.deep.equal(['0', '1', '3', '4']);
    });

    it('the remedy works: a backup of a device that still has the file brings it back', async () => {
      await device.restore(home, join(directory.path, 'noticed'));
      await device.backup({ isFull: true });
      await expectRestored();
    });

    it('a full backup takes no file for protected by bytes nobody can read', async () => {
      utimesSync(join(home, '2'), 1_000_000_000, 1_000_000_000);
      await device.backup({ isFull: true });
      await expectRestored();
    });

    it('an edited file, whose other portions rot, is backed up all the same', async () => {
      appendFileSync(join(home, '2'), randomBytes(1000));
      const { problems } = await device.backup();
      expect(codes(problems)).to.deep.equal([]);
      await expectRestored();
    });
  });
});

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile());
}
