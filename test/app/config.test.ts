import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { loadConfig, loadSettings, parseConfig, parseSettings, variableOf } from '../../src/app/config.ts';
import { CONFIG_KEYS } from '../../src/app/config-schema.ts';
import { createDial } from '../../src/base/dial.ts';
import { WeirError } from '../../src/base/errors.ts';
import { mutated, underSeed } from '../base/seeded.ts';
import { ROOT } from '../house/sources.ts';

/** A value that every key takes. */
const FULL = `
dataDirectory: /srv/weir
roles: [proxy]
proxy:
  host: 192.0.2.1
  port: 3129
  clients: [10.0.0.0/8, 2001:db8::/32, 192.0.2.7]
  connectPorts: [443, 8443]
  connections: 100
  connectionsPerClient: 10
  workers: 2
  publicHost: proxy.test
  publicPort: 8080
  page:
    providerName: Test Net
    contact: help@test
    retention: For ever.
    agentUrl: https://weir.test/agent
  via: true
  forwarded: true
  transparent: { via: redirect, host: '::', port: 3130 }
  record:
    enabled: false
    newSubscribers: false
    minBodyBytes: 1 KiB
    maxBodyBytes: 1000
    hosts: { exclude: [.Example.org, 10.0.0.1], include: [bücher.example] }
    mediaTypes: { exclude: [text/HTML, unknown], include: ['image/*'] }
  cache: { enabled: false, memoryBytes: 1.5GiB, memoryBodyBytes: 500 kB, targetedFields: [CDN-Cache-Control] }
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
  passingBytes: 33.5 %
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
    '[0.0.0.0/0]',
    "['::/0']",
    '[10.0.0.0/00]',
  ],
  'proxy.connectPorts': ['443', '[65536]', "['443']"],
  'proxy.connections': ['0', '65536', "'many'"],
  'proxy.connectionsPerClient': ['0', '1.5'],
  'proxy.workers': ['0', '65', 'auto'],
  'proxy.publicHost': ["''", "'a b'", "'x;y'", "'[::1]'", 'http://x'],
  'proxy.publicPort': ['0'],
  'proxy.page': ['true'],
  'proxy.page.providerName': ["''", '5', `'${'x'.repeat(301)}'`],
  'proxy.page.agentUrl': ['weir', 'javascript:alert(1)', 'ftp://weir.test'],
  'proxy.via': ['1', "'no'"],
  'proxy.forwarded': ["'on'"],
  'proxy.transparent': [
    'true',
    '{ via: tproxy }',
    '{ via: tproxy, port: 1 }',
    '{ via: redirect, port: 1, fd: 3 }',
    '{ via: nat, fd: 3 }',
  ],
  'proxy.record': ['1', "'yes'", 'null', 'false'],
  'proxy.record.enabled': ['1', "'on'"],
  'proxy.record.newSubscribers': ["'off'"],
  'proxy.record.minBodyBytes': ['-1', "'-1 MB'"],
  'proxy.record.maxBodyBytes': [
    '0',
    '-5',
    '1.5',
    "'1 XB'",
    "'MiB'",
    "''",
    "'99999999 TiB'",
    '1e300',
    '.nan',
    '[1]',
  ],
  'proxy.record.hosts.exclude': ["['*.example.org']", '[example.org/x]', "['a:80']", "['']", 'x'],
  'proxy.record.mediaTypes.include': ["['*/*']", '[html]', "['text/html; q=1']", 'text/html'],
  'proxy.cache.memoryBytes': ['-1', '50%', 'true'],
  'proxy.cache.targetedFields': ["['a b']", "['']", "['a:']"],
  'backup.host': ['5'],
  'backup.port': ['-1', '65536'],
  'backup.publicHost': ['5', "''", 'x'.repeat(254)],
  'backup.publicPort': ['0', '65536', "'7400'"],
  'console.host': ['5'],
  'console.port': ['-1', "'x'"],
  'dial.allow': ['10.0.0.0/8', '[nonsense]', "['fe80::1%eth0/64']", "['::ffff:10.0.0.0/104']"],
  'store.reserveBytes': ['-1', '0.5', "'5 %'"],
  'store.passingBytes': ['0', '0%', '101%', "'%'", '-5%', 'half'],
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
        connections: 100,
        connectionsPerClient: 10,
        workers: 2,
        publicHost: 'proxy.test',
        publicPort: 8080,
        page: {
          providerName: 'Test Net',
          contact: 'help@test',
          retention: 'For ever.',
          agentUrl: 'https://weir.test/agent',
        },
        via: true,
        forwarded: true,
        transparent: { via: 'redirect', host: '::', port: 3130 },
        record: {
          enabled: false,
          newSubscribers: false,
          minBodyBytes: 1024,
          maxBodyBytes: 1000,
          hosts: { exclude: ['.Example.org', '10.0.0.1'], include: ['bücher.example'] },
          mediaTypes: { exclude: ['text/HTML', 'unknown'], include: ['image/*'] },
        },
        cache: {
          enabled: false,
          memoryBytes: 1_610_612_736,
          memoryBodyBytes: 500_000,
          targetedFields: ['CDN-Cache-Control'],
        },
      },
      backup: { host: '::', port: 0, publicHost: 'backup.test', publicPort: 65_535 },
      console: { host: '127.0.0.2', port: 7481 },
      dial: { allow: ['10.1.0.0/16'] },
      store: { reserveBytes: 0, passingBytes: '33.5%' },
    });
  });

  for (const [path, values] of Object.entries(WRONG)) {
    it(`${path}: refuses what is wrong by key and value`, () => {
      for (const value of values) {
        const message = refusal(setting(path, value));
        expect(message, value).to.match(/^weir\.yaml: /);
        expect(message, value).to.include(path);
        expect(message, value).to.match(/ is (?:"|-?\d|\[|\{|true|false|null|undefined)/);
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
    const message = refusal('proxy: {port: -1, via: 5}\nstroe: {}\n');
    for (const part of ['proxy.port', 'proxy.via', 'stroe']) expect(message).to.include(part);
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

describe('configuration from the environment', () => {
  it('is stronger than the file, and the file than the default', () => {
    const environment = {
      WEIR_PROXY_PORT: '8080',
      WEIR_PROXY_CLIENTS: '10.0.0.0/8, fc00::/7',
      WEIR_ROLES: '[proxy]',
      WEIR_PROXY_CACHE_MEMORY_BYTES: '1 GiB',
      WEIR_PROXY_RECORD_MAX_BODY_BYTES: '1000',
      WEIR_PROXY_PAGE_PROVIDER_NAME: '123',
      WEIR_PROXY_TRANSPARENT_VIA: 'tproxy',
      WEIR_PROXY_TRANSPARENT_FD: '3',
      WEIR_DATA_DIRECTORY: '',
      WEIR_STATE: 'somebody else’s',
    };
    const { config, all } = parseSettings('proxy: {port: 1, via: true}', 'weir.yaml', environment);
    expect(config.proxy.port).to.equal(8080);
    expect(config.proxy.clients).to.deep.equal(['10.0.0.0/8', 'fc00::/7']);
    expect(config.roles).to.deep.equal(['proxy']);
    expect(config.proxy.cache.memoryBytes).to.equal(1024 ** 3);
    expect(config.proxy.record.maxBodyBytes).to.equal(1000);
    expect(config.proxy.page.providerName).to.equal('123');
    expect(config.proxy.transparent).to.deep.equal({ via: 'tproxy', host: '0.0.0.0', fd: 3 });
    expect(config.dataDirectory, 'an empty variable is none').to.equal('./weir-data');
    const sourceOf = (key: string) => all.find((setting) => setting.key === key)?.source;
    expect(sourceOf('proxy.port')).to.equal('environment');
    expect(sourceOf('proxy.via')).to.equal('file');
    expect(sourceOf('dataDirectory')).to.equal('default');
    expect(sourceOf('backup.publicPort')).to.equal('default');
  });

  it('is refused by the name of the variable', () => {
    const refused = (environment: Record<string, string>, text = '') => {
      try {
        parseSettings(text, 'weir.yaml', environment);
        return 'taken';
      } catch (error) {
        expect(error).to.be.instanceOf(WeirError).with.property('code', 'WEIR_CONFIG_INVALID');
        return String(error);
      }
    };
    expect(refused({ WEIR_PROXY_PORT: 'x' })).to.include('WEIR_PROXY_PORT: proxy.port is "x"');
    expect(refused({ WEIR_PROXY_CLIENTS: 'x' })).to.include('WEIR_PROXY_CLIENTS: proxy.clients.0 is "x"');
    expect(refused({ WEIR_PROXY_PORT: '{' })).to.include('WEIR_PROXY_PORT is not YAML');
    expect(refused({ WEIR_PROXY_PORT: '80' }, 'proxy: 5')).to.include('weir.yaml: proxy is 5');
    expect(refused({ WEIR_PROXY_PORT: '80' }, '5')).to.include('weir.yaml: the file is 5');
  });

  it('has one variable for every key', () => {
    const variables = CONFIG_KEYS.map(({ path }) => variableOf(path));
    expect(new Set(variables).size).to.equal(variables.length);
    for (const variable of variables) expect(variable).to.match(/^WEIR(?:_[A-Z]+)+$/);
  });
});

describe('docs/weir.yaml', () => {
  const text = readFileSync(join(ROOT, 'docs/weir.yaml'), 'utf8');

  it('sets every default to itself', () => {
    expect(parseConfig(text, 'docs/weir.yaml')).to.deep.equal(parseConfig('', 'x'));
  });

  it('names every key, and shows for those without a default what is taken', () => {
    const uncommented = text.replaceAll(/^( *)#(\w+:)/gm, '$1$2');
    const { all } = parseSettings(uncommented.replace(/^ *fd: 3 .*\n/m, ''), 'docs/weir.yaml');
    const missing = all.filter(({ source }) => source === 'default').map(({ key }) => key);
    expect(missing, 'the other way').to.deep.equal(['proxy.transparent.fd']);
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
    const { config, all } = await loadSettings(path, { WEIR_CONSOLE_PORT: '1' });
    expect(config.console.port).to.equal(1);
    expect(all.find(({ key }) => key === 'dataDirectory')?.value).to.equal(resolve('data'));
  });

  it('must be there when it is named', async () => {
    const failure = await loadConfig(join(directory, 'none.yaml')).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(WeirError).with.property('code', 'WEIR_CONFIG_INVALID');
    const directoryRead = await loadConfig(directory).catch((error: unknown) => error);
    expect(directoryRead).to.be.instanceOf(WeirError).with.property('code', 'WEIR_CONFIG_INVALID');
  });
});
