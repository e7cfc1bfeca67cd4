import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { replaceFile, writeAll } from '../../src/base/durable-write.ts';
import { WeirError } from '../../src/base/errors.ts';
import { type Files, type OpenFile, systemFiles } from '../../src/base/files.ts';
import { chance } from './seeded.ts';

/** The real files, with what happens written down, and writes cut to `writtenBytes`. */
function watched(done: string[], writtenBytes = Number.POSITIVE_INFINITY): Files {
  const name = (path: string) => path.slice(path.lastIndexOf('/') + 1);
  const file = (path: string, open: OpenFile): OpenFile => ({
    ...open,
    write(bytes, position) {
      done.push(`write ${name(path)}`);
      return writtenBytes === 0
        ? Promise.resolve(0)
        : open.write(bytes.subarray(0, Math.min(bytes.length, writtenBytes)), position);
    },
    async datasync() {
      done.push(`datasync ${name(path)}`);
      await open.datasync();
    },
    async close() {
      done.push(`close ${name(path)}`);
      await open.close();
    },
  });
  return {
    ...systemFiles,
    open: async (path, mode) => file(path, await systemFiles.open(path, mode)),
    async rename(from, to) {
      done.push(`rename ${name(from)} ${name(to)}`);
      await systemFiles.rename(from, to);
    },
    async syncDirectory(directory) {
      done.push('sync directory');
      await systemFiles.syncDirectory(directory);
    },
  };
}

describe('durable write', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weir-durable-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('writes, syncs, renames and syncs the directory, in this order', async () => {
    const done: string[] = [];
    await replaceFile(watched(done), join(directory, 'file'), Buffer.from('content'));
    expect(done).to.deep.equal([
      'write file.new',
      'datasync file.new',
      'close file.new',
      'rename file.new file',
      'sync directory',
    ]);
    expect(await readFile(join(directory, 'file'), 'utf8')).to.equal('content');
    expect((await stat(join(directory, 'file'))).mode & 0o777).to.equal(0o600);
  });

  it('goes on after short writes', async () => {
    const bytes = chance(1).bytes(1000);
    const done: string[] = [];
    await replaceFile(watched(done, 7), join(directory, 'file'), bytes);
    expect((await readFile(join(directory, 'file'))).equals(bytes)).to.equal(true);
    expect(done.filter((what) => what.startsWith('write'))).to.have.length(143);
  });

  it('takes a write of nothing for a full disk, and leaves the old file', async () => {
    const path = join(directory, 'file');
    await writeFile(path, 'old');
    const failure = await replaceFile(watched([], 0), path, Buffer.from('new')).catch(
      (error: unknown) => error,
    );
    expect(failure).to.be.instanceOf(WeirError).with.property('code', 'WEIR_STORE_FULL');
    expect(await readFile(path, 'utf8')).to.equal('old');
  });

  it('replaces what a crash left behind', async () => {
    const path = join(directory, 'file');
    await writeFile(`${path}.new`, 'a longer half of something');
    await replaceFile(systemFiles, path, Buffer.from('whole'));
    expect(await readFile(path, 'utf8')).to.equal('whole');
    expect(await readdir(directory)).to.deep.equal(['file']);
  });

  it('writes at its position and nothing for no bytes', async () => {
    await using file = disposable(await systemFiles.open(join(directory, 'file'), 'create'));
    await writeAll(file, Buffer.from('tail'), 4);
    await writeAll(file, Buffer.from('head'), 0);
    await writeAll(file, Buffer.alloc(0), 99);
    expect(await readFile(join(directory, 'file'), 'utf8')).to.equal('headtail');
  });
});

function disposable(file: OpenFile): OpenFile & AsyncDisposable {
  return { ...file, [Symbol.asyncDispose]: () => file.close() };
}
