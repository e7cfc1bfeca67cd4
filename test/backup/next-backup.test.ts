import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { openSession } from '../../backup/agent/session.ts';
import { opened, openPath } from '../../src/wire/snapshots.ts';
import { codeOf, codes, type Outcome, type TestDevice, testDevice } from './device.ts';
import { openProvider, type TestProvider, temporaryDirectory } from './provider.ts';
import { describeTree, differences } from './tree.ts';

const FILES = 200;
const LARGE_BYTES = 4 * 1024 * 1024;
/** A directory's entries again, compressed, with the messages around them. */
const METADATA_BYTES = 12 * 1024;

describe('the next backup', function () {
  this.timeout(30_000);
  let directory: { path: string } & AsyncDisposable;
  let provider: TestProvider;
  let home: string;
  let device: TestDevice;
  let first: Outcome;

  before(async () => {
    directory = await temporaryDirectory();
    provider = await openProvider(join(directory.path, 'provider'));
  });

  after(async () => {
    await provider[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    const name = randomBytes(4).toString('hex');
    home = join(directory.path, name);
    for (let at = 0; at < FILES; at++) {
      const inside = join(home, `d${at % 12}`);
      mkdirSync(inside, { recursive: true });
      writeFileSync(join(inside, `f${at}`), randomBytes(2000 + at));
    }
    writeFileSync(join(home, 'large'), randomBytes(LARGE_BYTES));
    device = testDevice(await provider.enrol(name), directory.path, [home]);
    first = await device.backup();
  });

  afterEach(() => rmSync(home, { recursive: true }));

  /** The id of the home as a snapshot has it. What is above it changes by itself. */
  async function homeIn({ snapshot }: Outcome): Promise<string> {
    const session = await openSession(device.enrolment);
    const asked = { snapshot: Buffer.from(snapshot.id).toString('hex'), path: home };
    const { attributesId } = await session.channel.call(openPath, asked, opened);
    session.close();
    return Buffer.from(attributesId).toString('hex');
  }

  it('reads every file again when it is full, and sends next to nothing', async () => {
    const { tally, up, problems } = await device.backup({ isFull: true });
    expect(codes(problems)).to.deep.equal([]);
    expect(tally.readBytes).to.equal(first.snapshot.bytes.totalBytes);
    expect(tally.uploadedBytes).to.equal(0);
    expect(up).to.be.below(METADATA_BYTES);
  });

  it('of nothing new reads no file, sends at most 4 KiB and makes the same tree', async () => {
    const second = await device.backup();
    expect(second.tally).to.include({ readBytes: 0, scannedFiles: FILES + 1 });
    expect(second.up).to.be.at.most(4096);
    expect(second.snapshot.bytes).to.include({
      uploadedBytes: 0,
      unchangedBytes: first.snapshot.bytes.totalBytes,
    });
    expect(await homeIn(second)).to.equal(await homeIn(first));
  });

  it('of nothing new does so too after the provider was restarted', async () => {
    const { port } = provider;
    await provider[Symbol.asyncDispose]();
    provider = await openProvider(join(directory.path, 'provider'), { port });
    const second = await device.backup();
    expect(second.tally.readBytes).to.equal(0);
    expect(second.up).to.be.at.most(4096);
    expect(await homeIn(second)).to.equal(await homeIn(first));
  });

  const damages: readonly [string, (path: string) => void, readonly string[]][] = [
    ['deleted', (path) => rmSync(path), []],
    ['empty', (path) => truncateSync(path, 0), []],
    ['of another program', (path) => writeFileSync(path, randomBytes(1000)), []],
    [
      'cut short',
      (path) => truncateSync(path, Math.floor(statSync(path).size / 2) + 3),
      ['WEIR_STATE_UNREADABLE'],
    ],
    ['flipped in a byte', (path) => flip(path), ['WEIR_STATE_UNREADABLE']],
  ];
  for (const [what, damage, told] of damages) {
    it(`reads again when its cache is ${what}, and makes the same tree`, async () => {
      damage(device.cachePath);
      const second = await device.backup();
      expect(codes(second.problems)).to.deep.equal(told);
      expect(second.tally.readBytes).to.be.greaterThan(0);
      expect(second.snapshot.bytes.uploadedBytes).to.equal(0);
      expect(await homeIn(second)).to.equal(await homeIn(first));
      expect((await device.backup()).tally.readBytes).to.equal(0);
    });
  }

  it('says so, and hangs in nothing, when its cache cannot be used', async () => {
    rmSync(device.cachePath);
    mkdirSync(join(device.cachePath, 'in the way'), { recursive: true });
    expect(await codeOf(device.backup())).to.equal('WEIR_STATE_UNREADABLE');
    await expectNoSessions();
  });

  it('sends of an appended file its last portion and what is new', async () => {
    appendFileSync(join(home, 'large'), randomBytes(10_000));
    const second = await device.backup();
    expect(second.snapshot.bytes.uploadedBytes).to.be.within(10_000, 10_000 + 2 * 256 * 1024);
    expect(second.tally.readBytes).to.equal(LARGE_BYTES + 10_000);
    await expectRestored();
  });

  it('sends of a small new file little more than the file', async () => {
    writeFileSync(join(home, 'd3', 'new'), randomBytes(700));
    const second = await device.backup();
    expect(second.snapshot.bytes.uploadedBytes).to.equal(700);
    expect(second.up).to.be.below(700 + METADATA_BYTES);
    await expectRestored();
  });

  const changes: readonly [string, () => void][] = [
    ['a renamed file', () => renameSync(join(home, 'large'), join(home, 'larger'))],
    [
      'a file moved to another directory',
      () => renameSync(join(home, 'd1', 'f1'), join(home, 'd2', 'moved')),
    ],
    ['a renamed directory', () => renameSync(join(home, 'd1'), join(home, 'other'))],
    ['a file of another mode', () => chmodSync(join(home, 'd1', 'f1'), 0o600)],
    ['a touched file', () => utimesSync(join(home, 'large'), 1_600_000_000, 1_600_000_000)],
    ['a removed file', () => rmSync(join(home, 'd1', 'f1'))],
    ['a removed directory', () => rmSync(join(home, 'd1'), { recursive: true })],
  ];
  for (const [what, change] of changes) {
    it(`sends metadata alone for ${what}`, async () => {
      change();
      const second = await device.backup();
      expect(codes(second.problems)).to.deep.equal([]);
      expect(second.snapshot.bytes.uploadedBytes).to.equal(0);
      expect(second.up).to.be.below(METADATA_BYTES);
      expect(await homeIn(second)).not.to.equal(await homeIn(first));
      await expectRestored();
    });
  }

  it('of another device knows what the first one gave', async () => {
    const other = testDevice(await provider.enrol(home.slice(-8)), directory.path, [home]);
    const second = await other.backup();
    expect(second.snapshot.bytes.uploadedBytes).to.equal(0);
    expect(second.up).to.be.at.most(4096);
  });

  it('of another subscriber knows nothing of it', async () => {
    const other = testDevice(await provider.enrol(`not ${home.slice(-8)}`), directory.path, [home]);
    const second = await other.backup();
    expect(second.snapshot.bytes.uploadedBytes).to.equal(second.snapshot.bytes.totalBytes);
  });

  async function expectRestored(): Promise<void> {
    const target = join(directory.path, 'back');
    const { problems } = await device.restore(home, target);
    expect(codes(problems)).to.deep.equal([]);
    const left = differences(describeTree(home), describeTree(target));
    rmSync(target, { recursive: true });
    expect(left).to.deep.equal([]);
  }

  async function expectNoSessions(): Promise<void> {
    const until = performance.now() + 2000;
    while (provider.sessions > 0 && performance.now() < until) await new Promise((go) => setTimeout(go, 20));
    expect(provider.sessions, 'sessions left open').to.equal(0);
  }
});

function flip(path: string): void {
  const bytes = Buffer.from(readFileSync(path));
  bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}
