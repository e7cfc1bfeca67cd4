import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { codes, type TestDevice, testDevice } from './device.ts';
import { openProvider, type TestProvider, temporaryDirectory } from './provider.ts';
import { bytesOf, describeTree, differences } from './tree.ts';

const MIB = 1024 * 1024;
const isThorough = process.env['WEIR_REQUIRE_PEERS'] === '1';
const ADDRESS = '127.0.0.11';

describe('a first backup', function () {
  this.timeout(30_000);
  let directory: { path: string } & AsyncDisposable;
  let provider: TestProvider;
  let home: string;
  let device: TestDevice;

  before(async () => {
    directory = await temporaryDirectory();
    provider = await openProvider(join(directory.path, 'provider'));
    await provider.add('ada', ADDRESS);
  });

  after(async () => {
    await provider[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    home = join(directory.path, `home-${randomBytes(4).toString('hex')}`);
    mkdirSync(home);
    device = testDevice(await provider.enrol('ada'), directory.path, [home]);
  });

  afterEach(() => rmSync(home, { recursive: true }));

  /** Restores the home elsewhere and says in what it differs. */
  async function restoredDifferences(): Promise<string[]> {
    const target = `${home}-back`;
    try {
      const { problems } = await device.restore(home, target);
      expect(codes(problems)).to.deep.equal([]);
      return differences(describeTree(home), describeTree(target));
    } finally {
      rmSync(target, { recursive: true, force: true });
    }
  }

  it('sends almost nothing of files that passed the provider', async () => {
    const passed = Array.from({ length: 40 }, (_, at) => randomBytes(50_000 + at * 20_000));
    for (const [at, bytes] of passed.entries()) {
      await provider.pass(ADDRESS, `http://origin/${at}`, bytes);
      writeFileSync(join(home, `download-${at}`), bytes);
    }
    const { snapshot, up, problems } = await device.backup();
    const total = passed.reduce((sum, { length }) => sum + length, 0);
    expect(codes(problems)).to.deep.equal([]);
    expect(snapshot.bytes).to.include({ totalBytes: total, passedBytes: total, uploadedBytes: 0 });
    expect(up).to.be.below(4096);
    expect(await restoredDifferences()).to.deep.equal([]);
  });

  it('uploads of an edited download only the portions around the edit, and a new file whole', async () => {
    const passed = randomBytes(8 * MIB);
    await provider.pass(ADDRESS, 'http://origin/big', passed);
    const middle = 4 * MIB;
    const edited = Buffer.concat([passed.subarray(0, middle), Buffer.from('edit'), passed.subarray(middle)]);
    writeFileSync(join(home, 'edited'), edited);
    writeFileSync(join(home, 'new'), randomBytes(300_000));
    const { snapshot, up } = await device.backup();
    const around = snapshot.bytes.uploadedBytes - 300_000;
    expect(around).to.be.within(1, 2 * 256 * 1024);
    expect(up).to.be.below(snapshot.bytes.uploadedBytes * 1.03 + 8192);
    expect(await restoredDifferences()).to.deep.equal([]);
  });

  it('brings back names that are not UTF-8, empty things, links, modes and times', async () => {
    makeAwkwardThings(home);
    const { problems } = await device.backup();
    expect(codes(problems)).to.deep.equal([]);
    expect(await restoredDifferences()).to.deep.equal([]);
  });

  it('brings back a tree 200 directories deep', async () => {
    let at = home;
    for (let depth = 0; depth < 200; depth++) {
      at = join(at, 'd');
      mkdirSync(at);
      writeFileSync(join(at, 'f'), `${depth}`);
    }
    const { problems } = await device.backup();
    expect(codes(problems)).to.deep.equal([]);
    expect(await restoredDifferences()).to.deep.equal([]);
  });

  const many = isThorough ? 20_000 : 9000;
  it(`brings back ${many} files of one directory, which cross batches`, async () => {
    for (let at = 0; at < many; at++) writeFileSync(join(home, `file-${at}`), `content ${at}`);
    mkdirSync(join(home, 'file-4321-dir'));
    const { problems } = await device.backup();
    expect(codes(problems)).to.deep.equal([]);
    expect(await restoredDifferences()).to.deep.equal([]);
  });

  it('takes a sparse file of many portions, and keeps it sparse', async () => {
    const size = isThorough ? 5 * 1024 * MIB : 128 * MIB;
    const file = openSync(join(home, 'sparse'), 'w');
    ftruncateSync(file, size);
    writeSync(file, randomBytes(100_000), 0, 100_000, Math.floor(size / 2));
    closeSync(file);
    const { snapshot, up } = await device.backup();
    expect(snapshot.bytes.totalBytes).to.equal(size);
    expect(up).to.be.below(MIB);
    expect(await restoredDifferences()).to.deep.equal([]);
  }).timeout(180_000);

  it('takes a file of 80 MB, more than one group of portions, that nothing matches, in portions', async () => {
    const piece = randomBytes(MIB);
    const file = openSync(join(home, 'large'), 'w');
    for (let at = 0; at < 80; at++) {
      piece.writeUInt32LE(at, (at * 4321) % (MIB - 4));
      for (let word = 0; word < MIB; word += 8192) piece.writeUInt32LE(at * MIB + word, word);
      writeSync(file, piece);
    }
    closeSync(file);
    const { snapshot } = await device.backup();
    expect(snapshot.bytes.uploadedBytes).to.equal(80 * MIB);
    expect(await restoredDifferences()).to.deep.equal([]);
  });

  it('covers a path inside another once, and restores one file of many', async () => {
    mkdirSync(join(home, 'inner'));
    writeFileSync(join(home, 'inner', 'a'), 'aa');
    writeFileSync(join(home, 'b'), 'b');
    const { snapshot } = await device.backup({ paths: [join(home, 'inner'), home, join(home, 'b')] });
    expect(snapshot.bytes.files).to.equal(2);
    const target = `${home}-one`;
    await device.restore(`${home}/inner/a`, target);
    expect([...describeTree(target).keys()]).to.deep.equal(['a']);
    rmSync(target, { recursive: true });
  });
});

/** As a string: Node.js takes a negative number for "now". */
function setTime(path: Buffer, time: number): void {
  utimesSync(path, `${time}`, `${time}`);
}

function makeAwkwardThings(home: string): void {
  const name = (bytes: string) => bytesOf(`${home}/${bytes}`);
  writeFileSync(name('\xff\xfe not UTF-8 \x80'), 'content');
  writeFileSync(name('new\nline'), 'x');
  writeFileSync(name('\xc3\xbc'), 'UTF-8');
  writeFileSync(name('n'.repeat(255)), 'longest name');
  writeFileSync(name(' '), 'blank');
  writeFileSync(name('-rf'), 'option');
  writeFileSync(name('empty'), '');
  mkdirSync(name('empty directory'));
  mkdirSync(name('\xe9\xe9'));
  writeFileSync(name('\xe9\xe9/inner'), 'inner');
  symlinkSync('empty', name('link'));
  symlinkSync('nowhere/\xff', name('dangling'));
  symlinkSync('/etc', name('absolute'));
  symlinkSync('x'.repeat(4095), name('long link'));
  for (const mode of [0o000, 0o400, 0o777, 0o644, 0o4755, 0o2711, 0o1777]) {
    writeFileSync(name(`mode ${mode.toString(8)}`), 'm');
    chmodSync(name(`mode ${mode.toString(8)}`), mode);
  }
  mkdirSync(name('closed'));
  writeFileSync(name('closed/file'), 'f');
  for (const [at, time] of [
    0, -1.5, 1.000001, 1_700_000_000.123456, 4_000_000_000.999999, 13_569_465_600,
  ].entries()) {
    writeFileSync(name(`time ${at}`), `${at}`);
    setTime(name(`time ${at}`), time);
    mkdirSync(name(`directory time ${at}`));
    setTime(name(`directory time ${at}`), time);
  }
  lutimesSync(name('link'), 1_600_000_000.654321, 1_600_000_000.654321);
  chmodSync(name('closed'), 0o500);
}
