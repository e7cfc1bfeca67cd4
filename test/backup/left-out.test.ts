import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { codes, type TestDevice, testDevice } from './device.ts';
import { sharedProvider } from './shared-provider.ts';
import { type Described, describeTree } from './tree.ts';

describe('what a backup leaves out', function () {
  this.timeout(20_000);
  const shared = sharedProvider();
  let home: string;
  let device: TestDevice;

  beforeEach(async () => {
    home = join(shared.path, 'home');
    mkdirSync(home);
    writeFileSync(join(home, 'file'), 'file');
    device = testDevice(await shared.provider.enrol('ada'), shared.path, [home]);
  });

  // Deeper than Node.js can remove.
  afterEach(() => execFileSync('rm', ['-rf', home]));

  async function restored(): Promise<Described> {
    const target = join(shared.path, 'back');
    const { problems } = await device.restore(home, target);
    const found = describeTree(target);
    rmSync(target, { recursive: true });
    expect(codes(problems)).to.deep.equal([]);
    return found;
  }

  it('sockets, pipes and devices, each named, and nothing else', async () => {
    execFileSync('mkfifo', [join(home, 'pipe')]);
    const server = createServer().listen(join(home, 'socket'));
    if (process.getuid?.() === 0) execFileSync('mknod', [join(home, 'device'), 'c', '1', '3']);
    const { problems } = await device.backup();
    server.close();
    const kinds = process.getuid?.() === 0 ? ['device', 'pipe', 'socket'] : ['pipe', 'socket'];
    expect(codes(problems)).to.deep.equal(kinds.map(() => 'WEIR_FILE_KIND'));
    expect(problems.map(({ facts }) => facts['path'])).to.deep.equal(kinds.map((kind) => join(home, kind)));
    expect([...(await restored()).keys()]).to.deep.equal(['file']);
  });

  it('directories below the deepest that are taken, at 10,000 as at one too many', async () => {
    nest(home, 'd', 10_000);
    const { problems } = await device.backup();
    expect(codes(problems)).to.deep.equal(['WEIR_TREE_TOO_DEEP']);
    const found = await restored();
    expect(found.has('file')).to.equal(true);
    expect(found.size).to.be.within(200, 256);
  });

  it('paths too long for the system, named', async () => {
    nest(home, 'x'.repeat(250), 20);
    const { problems } = await device.backup();
    expect(problems).to.have.length(1);
    expect((await restored()).has('file')).to.equal(true);
  });

  it('what is excluded, without a word', async () => {
    mkdirSync(join(home, 'cache', 'deep'), { recursive: true });
    writeFileSync(join(home, 'cache', 'deep', 'a'), 'a');
    writeFileSync(join(home, 'b.tmp'), 'b');
    const { problems, snapshot } = await device.backup({
      isExcluded: (path, isDirectory) => (isDirectory && path.endsWith('/cache')) || path.endsWith('.tmp'),
    });
    expect(codes(problems)).to.deep.equal([]);
    expect(snapshot.bytes.files).to.equal(1);
    expect([...(await restored()).keys()]).to.deep.equal(['file']);
  });

  it('files above the size asked for, and directories tagged as caches', async () => {
    writeFileSync(join(home, 'large'), Buffer.alloc(10_001));
    mkdirSync(join(home, 'cache'));
    writeFileSync(join(home, 'cache', 'CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55');
    await device.backup({ maxFileBytes: 10_000, excludesCaches: true });
    expect([...(await restored()).keys()]).to.deep.equal(['file']);
  });

  it('nothing of thousands of links with the longest targets there are', async () => {
    for (let at = 0; at < 2500; at++) symlinkSync(`${at}/`.padEnd(4095, 'x'), join(home, `link-${at}`));
    const { problems } = await device.backup();
    expect(codes(problems)).to.deep.equal([]);
    expect((await restored()).size).to.equal(2501);
  });

  it('a path that is not there, named', async () => {
    const { problems } = await device.backup({ paths: [home, join(shared.path, 'nowhere')] });
    expect(codes(problems)).to.deep.equal(['WEIR_FILE_VANISHED']);
  });
});

/** Directories inside one another; their whole path may be longer than the system takes. */
function nest(directory: string, name: string, depth: number): void {
  const script = `for (let i = 0; i < ${depth}; i++) { fs.mkdirSync('${name}'); process.chdir('${name}'); }`;
  execFileSync(process.execPath, ['-e', script], { cwd: directory });
}
