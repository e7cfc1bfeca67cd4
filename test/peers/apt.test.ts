import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { openWorkplace, type Workplace } from './client.ts';
import { serveFiles } from './file-origin.ts';
import { needProgram, openPassage, type Passage, sha256 } from './passage.ts';

const PACKAGE = 'weir-test-package';
const CONTROL = [
  `Package: ${PACKAGE}`,
  'Version: 1.0',
  'Architecture: all',
  'Maintainer: Nobody <nobody@example.org>',
  'Description: a package of a test',
];

describe('apt through Weir', function () {
  this.timeout(60_000);
  before(function () {
    needProgram(this, 'apt-get');
    needProgram(this, 'dpkg-deb');
  });

  let passage: Passage;
  let workplace: Workplace;
  let archive: Buffer;
  const mirror = new Map<string, Buffer>();
  before(async () => {
    workplace = await openWorkplace();
    archive = await buildPackage(workplace);
    const index = Buffer.from(
      [
        ...CONTROL,
        `Filename: ./${PACKAGE}.deb`,
        `Size: ${archive.length}`,
        `SHA256: ${sha256(archive)}`,
        '',
      ].join('\n'),
    );
    mirror.set(`/${PACKAGE}.deb`, archive).set('/Packages', index);
    mirror.set('/Release', releaseOf(index));
    passage = await openPassage(
      serveFiles((path) => {
        const bytes = mirror.get(path.replace('/./', '/'));
        return bytes && { bytes };
      }),
    );
    await configure(workplace, passage);
  });
  after(async () => {
    await workplace?.[Symbol.asyncDispose]();
    await passage?.[Symbol.asyncDispose]();
  });
  const apt = (...args: string[]): Promise<Buffer> =>
    workplace.run('env', `APT_CONFIG=${join(workplace.path, 'apt.conf')}`, 'apt-get', '-q', ...args);

  it('updates, downloads a package, and downloads it again without the mirror', async () => {
    await apt('update');
    await apt('download', PACKAGE);
    const name = (await readdir(workplace.path)).find((found) => found.endsWith('_all.deb')) ?? '';
    expect(sha256(await readFile(join(workplace.path, name)))).to.equal(sha256(archive));
    const askedFor = passage.asked.filter((asked) => asked.endsWith('.deb'));
    expect(askedFor).to.have.length(1);
    expect(await passage.recorded(passage.url(askedFor[0]?.slice('GET '.length) ?? ''))).to.equal(
      sha256(archive),
    );

    await apt('update');
    await apt('install', '--download-only', '-y', PACKAGE);
    const fetched = await readFile(join(workplace.path, 'cache', 'archives', name));
    expect(sha256(fetched)).to.equal(sha256(archive));
    expect(passage.asked.filter((asked) => asked.endsWith('.deb'))).to.deep.equal(askedFor);
  });
});

async function buildPackage(workplace: Workplace): Promise<Buffer> {
  const root = join(workplace.path, 'package');
  await mkdir(join(root, 'DEBIAN'), { recursive: true });
  await mkdir(join(root, 'usr', 'share'), { recursive: true });
  await writeFile(join(root, 'DEBIAN', 'control'), `${CONTROL.join('\n')}\n`);
  await writeFile(join(root, 'usr', 'share', PACKAGE), 'what passes is kept\n'.repeat(1000));
  await workplace.run('dpkg-deb', '--root-owner-group', '--build', root, 'built.deb');
  return readFile(join(workplace.path, 'built.deb'));
}

/** What apt asks for first. It would be signed, were it not for `trusted=yes`. */
function releaseOf(index: Buffer): Buffer {
  const lines = [
    'Date: Mon, 01 Jun 2026 12:00:00 UTC',
    'SHA256:',
    ` ${sha256(index)} ${index.length} Packages`,
    '',
  ];
  return Buffer.from(lines.join('\n'));
}

/** A whole apt of its own: nothing of the system's is read but dpkg's architecture, and nothing is written. */
async function configure({ path }: Workplace, passage: Passage): Promise<void> {
  for (const name of ['state/lists/partial', 'cache/archives/partial', 'etc', 'log'])
    await mkdir(join(path, name), { recursive: true });
  await writeFile(join(path, 'status'), '');
  await writeFile(join(path, 'etc', 'sources.list'), `deb [trusted=yes] ${passage.url('/')} ./\n`);
  const settings = {
    Dir: '/',
    'Dir::State': join(path, 'state'),
    'Dir::State::status': join(path, 'status'),
    'Dir::Cache': join(path, 'cache'),
    'Dir::Etc': join(path, 'etc'),
    'Dir::Log': join(path, 'log'),
    'Dir::Bin::dpkg': '/usr/bin/dpkg',
    'Acquire::http::Proxy': passage.proxyUrl,
    'Acquire::Languages': 'none',
    'Acquire::Retries': '0',
    'APT::Sandbox::User': 'root',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";`);
  await writeFile(join(path, 'apt.conf'), `#clear Dir::Etc::parts;\n${lines.join('\n')}\n`);
}
