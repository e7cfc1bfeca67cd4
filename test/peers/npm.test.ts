import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { openWorkplace, type Workplace } from './client.ts';
import { serveFiles } from './file-origin.ts';
import { needProgram, openPassage, type Passage, sha256 } from './passage.ts';

const NAME = 'weir-test-package';
const CODE = 'export const kept = true;\n'.repeat(500);

describe('npm through Weir', function () {
  this.timeout(60_000);
  before(function () {
    needProgram(this, 'npm');
  });

  let passage: Passage;
  let workplace: Workplace;
  let tarball: Buffer;
  before(async () => {
    workplace = await openWorkplace({ npm_config_update_notifier: 'false' });
    tarball = await pack(workplace);
    passage = await openPassage(
      serveFiles((path) => {
        if (path === `/${NAME}`)
          return { bytes: documentOf(passage, tarball), mediaType: 'application/json' };
        return path === `/${NAME}.tgz` ? { bytes: tarball } : undefined;
      }),
    );
  });
  after(async () => {
    await workplace?.[Symbol.asyncDispose]();
    await passage?.[Symbol.asyncDispose]();
  });

  it('installs from a registry, and again without it', async () => {
    for (const attempt of ['first', 'second']) {
      const directory = join(workplace.path, attempt);
      await mkdir(directory);
      const flags = ['--no-audit', '--no-fund', '--noproxy=', `--cache=${directory}/cache`];
      const where = [
        `--prefix=${directory}`,
        `--registry=${passage.url('/')}`,
        `--proxy=${passage.proxyUrl}`,
      ];
      await workplace.run('npm', 'install', ...flags, ...where, NAME);
      const installed = await readFile(join(directory, 'node_modules', NAME, 'index.js'), 'utf8');
      expect(installed).to.equal(CODE);
      await rm(directory, { recursive: true });
    }
    expect(passage.asked).to.have.members([`GET /${NAME}`, `GET /${NAME}.tgz`]);
    expect(await passage.recorded(passage.url(`/${NAME}.tgz`))).to.equal(sha256(tarball));
  });
});

async function pack(workplace: Workplace): Promise<Buffer> {
  const directory = join(workplace.path, 'package');
  await mkdir(directory);
  await writeFile(
    join(directory, 'package.json'),
    JSON.stringify({ name: NAME, version: '1.0.0', type: 'module' }),
  );
  await writeFile(join(directory, 'index.js'), CODE);
  await workplace.run('npm', 'pack', directory, '--offline', '--ignore-scripts');
  return readFile(join(workplace.path, `${NAME}-1.0.0.tgz`));
}

function documentOf(passage: Passage, tarball: Buffer): Buffer {
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
  const version = {
    name: NAME,
    version: '1.0.0',
    dist: { tarball: passage.url(`/${NAME}.tgz`), integrity },
  };
  return Buffer.from(
    JSON.stringify({ name: NAME, 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': version } }),
  );
}
