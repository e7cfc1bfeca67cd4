import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { loadConfig, parseConfig } from '../../src/app/config.ts';
import { createDial } from '../../src/base/dial.ts';
import { WeirError } from '../../src/base/errors.ts';
import { mutated, underSeed } from '../base/seeded.ts';

/** A value that every key takes. */
const FULL = `
dataDirectory: /srv/weir
roles: [proxy]
proxy:
  host: 192.0.2.1
  port: 3129
  clients: [10.0.0.0/8, 2001:db8::/32, 192.0.2.7]
  connectPorts: [443, 8443]
  record: false
  maxBodyBytes: 1000
backup:
  host: '::'
  port: 0
  publicHost: backup.test
  publicPort: 65535
console:
  host: 127.0.0.2
  port: 7481
dial:
  allow: [10.1.0.0/16]
store:
  reserveBytes: 0
`;

function refusal(text: string): string {
  try {
    parseConfig(text, 'weir.yaml');
  } catch (error) {
    expect(error).to.be.instanceOf(WeirError).with.property('code', 'WEIR_CONFIG_INVALID');
    return error instanceof WeirError ? error.message : '';
  }
  return 'taken';
}

/** YAML that sets the key of dotted path to the value. */
function setting(path: string, value: string): string {
  return path
    .split('.')
    .map((key, depth) => `${'  '.repeat(depth)}${key}:`)
    .join('\n')
    .concat(` ${value}\n`);
}

const WRONG: Record<string, readonly string[]> = {
  dataDirectory: ['5', '[a]', 'null', "''"],
  roles: ['proxy', '[cache]', '[1]', '{}'],
  proxy: ['5', '[]', 'yes'],
  'proxy.host': ['5', 'true', "''"],
  'proxy.port': ['-1', '65536', '1.5', "'80'", '.nan', '.inf', 'yes'],
  'proxy.clients': [
    '10.0.0.0/8',
    '[10.0.0.0/33]',
    '[10.0.0/8]',
    "['']",
    '[example.test]',
    '[10.0.0.0/8/9]',
    '[5]',
  ],
  'proxy.connectPorts': ['443', '[65536]', "['443']"],
  'proxy.record': ['1', "'yes'", 'null'],
  'proxy.maxBodyBytes': ['0', '-5', '1.5', "'1 MB'", '1e300'],
  'backup.host': ['5'],
  'backup.port': ['-1', '65536'],
  'backup.publicHost': ['5', "''", 'x'.repeat(254)],
  'backup.publicPort': ['0', '65536', "'7400'"],
  'console.host': ['5'],
  'console.port': ['-1', "'x'"],
  'dial.allow': ['10.0.0.0/8', '[nonsense]', "['fe80::1%eth0/64']", "['::ffff:10.0.0.0/104']"],
  'store.reserveBytes': ['-1', '0.5', "'5 %'"],
};

describe('configuration', () => {
  it('has a default for every key', () => {
    for (const text of ['', '# nothing\n', '{}', 'proxy: {}\nbackup: {}\n']) {
      const config = parseConfig(text, 'weir.yaml');
      expect(config).to.deep.equal(parseConfig('', 'x'));
      expect(config.roles).to.deep.equal(['proxy', 'backup', 'console']);
      expect([config.proxy.port, config.backup.port, config.console.port]).to.deep.equal([3128, 7400, 7480]);
      expect(config.console.host, 'the console is for this machine').to.equal('127.0.0.1');
      expect(config.dial.allow, 'nothing private is dialled').to.deep.equal([]);
      expect(config.proxy.connectPorts).to.deep.equal([443]);
    }
    const clients = parseConfig('', 'x').proxy.clients;
    expect(clients.some((range) => range.endsWith('/0'))).to.equal(false);
    createDial({ allow: clients });
  });

  it('takes every key', () => {
    expect(parseConfig(FULL, 'weir.yaml')).to.deep.equal({
      dataDirectory: '/srv/weir',
      roles: ['proxy'],
      proxy: {
        host: '192.0.2.1',
        port: 3129,
        clients: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'],
        connectPorts: [443, 8443],
        record: false,
        maxBodyBytes: 1000,
      },
      backup: { host: '::', port: 0, publicHost: 'backup.test', publicPort: 65_535 },
      console: { host: '127.0.0.2', port: 7481 },
      dial: { allow: ['10.1.0.0/16'] },
      store: { reserveBytes: 0 },
    });
  });

  for (const [path, values] of Object.entries(WRONG)) {
    it(`${path}: refuses what is wrong by key and value`, () => {
      for (const value of values) {
        const message = refusal(setting(path, value));
        expect(message, value).to.match(/^weir\.yaml: /);
        expect(message, value).to.include(path);
        expect(message, value).to.match(/ is (?:"|-?\d|\[|\{|true|null|undefined)/);
      }
    });
  }

  it('names the value that is wrong, and what would be right', () => {
    expect(refusal('proxy: {port: 70000}')).to.match(/proxy\.port is 70000: .*65535/);
    expect(refusal('proxy: {port: "80"}')).to.match(/proxy\.port is "80": .*(?:int|number)/);
    expect(refusal('roles: [proxy, cache]')).to.match(/roles\.1 is "cache": .*"proxy"\|"backup"\|"console"/);
    expect(refusal('dial: {allow: [10.0.0.0/8, x]}')).to.match(/dial\.allow\.1 is "x": is not a range like/);
  });

  it('refuses keys it does not know, with their path and a fix', () => {
    expect(refusal('prot: 5')).to.include('unknown key prot: remove it or correct its spelling');
    expect(refusal('proxy: {prot: 5, hots: x}')).to.include('unknown key proxy.prot, proxy.hots');
    for (const key of ['__proto__', 'constructor', 'toString', '"a b"', '1'])
      expect(refusal(`${key}: {}`), key).not.to.equal('taken');
  });

  it('names all that is wrong at once', () => {
    const message = refusal('proxy: {port: -1, record: 5}\nstroe: {}\n');
    for (const part of ['proxy.port', 'proxy.record', 'stroe']) expect(message).to.include(part);
  });

  it('refuses what is no mapping, no YAML, or several documents', () => {
    for (const text of [
      '5',
      'hello',
      '[]',
      '- a\n- b',
      'a: b: c',
      '{',
      '\t\tx',
      'a: 1\na: 2',
      'a: 1\n---\nb: 2',
      '*x',
      'dataDirectory: !tag x',
    ])
      expect(refusal(text), text).to.match(/^weir\.yaml/);
  });

  it('takes a range if and only if the proxy does', () => {
    const part = fc.constantFrom(
      '10.0.0.0',
      '::',
      '2001:db8::1',
      '::ffff:1.2.3.4',
      'fe80::1%lo',
      'x',
      '',
      '1.2.3',
    );
    const bits = fc.constantFrom(
      '',
      '/0',
      '/8',
      '/32',
      '/33',
      '/96',
      '/104',
      '/128',
      '/129',
      '/8/8',
      '/-1',
      '/x',
      '/',
    );
    fc.assert(
      fc.property(part, bits, (address, suffix) => {
        const range = address + suffix;
        let isTaken = true;
        try {
          createDial({ allow: [range] });
        } catch {
          isTaken = false;
        }
        expect(refusal(`dial: {allow: ['${range}']}`) === 'taken', range).to.equal(isTaken);
      }),
      { numRuns: 300 },
    );
  });

  it('takes or refuses whatever a file may hold', () => {
    underSeed((chance) => {
      for (let run = 0; run < 2000; run++) refusal(mutated(Buffer.from(FULL), chance).toString('latin1'));
    });
  });
});

describe('configuration file', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weir-config-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('is read, and its data directory made absolute', async () => {
    const path = join(directory, 'other.yaml');
    await writeFile(path, 'dataDirectory: data\n');
    expect((await loadConfig(path)).dataDirectory).to.equal(resolve('data'));
  });

  it('must be there when it is named', async () => {
    const failure = await loadConfig(join(directory, 'none.yaml')).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(WeirError).with.property('code', 'WEIR_CONFIG_INVALID');
    const directoryRead = await loadConfig(directory).catch((error: unknown) => error);
    expect(directoryRead).to.be.instanceOf(WeirError).with.property('code', 'WEIR_CONFIG_INVALID');
  });
});
