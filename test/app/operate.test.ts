import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseConfig, parseSettings } from '../../src/app/config.ts';
import { weir } from '../backup/program.ts';
import { temporaryDirectory } from '../backup/provider.ts';

describe('the operator’s commands', function () {
  this.timeout(30_000);
  let directory: { path: string } & AsyncDisposable;
  let config: string;

  beforeEach(async () => {
    directory = await temporaryDirectory();
    config = join(directory.path, 'weir.yaml');
    // A console port that nobody answers on: the commands open the data directory themselves.
    writeFileSync(
      config,
      `{ dataDirectory: ${directory.path}/data, console: { port: ${await freePort()} }, store: { reserveBytes: 0 } }`,
    );
  });
  afterEach(() => directory[Symbol.asyncDispose]());

  const operator = (...args: string[]) => weir([...args, '--config', config]);
  const subscriber = async (...args: string[]) => {
    const { json, stderr } = await operator('subscriber', ...args, '--json');
    expect(json, stderr).to.have.length(1);
    return json[0] ?? {};
  };

  it('change what is recorded of a subscriber, and say what stays', async () => {
    await subscriber('add', 'ada', '--address', '10.0.0.1');
    expect(await subscriber('list')).to.have.nested.property('consents.http.isGiven', true);
    const off = await operator('subscriber', 'set', 'ada', '--recording', 'off');
    expect(off.code, off.stderr).to.equal(0);
    expect(off.stdout).to.match(/RECORDING[\s\S]*\bada +active +off\b/);
    expect(off.stderr).to.include('What was recorded before stays');
    const on = await operator('subscriber', 'set', 'ada', '--recording', 'on');
    expect([on.code, on.stderr]).to.deep.equal([0, '']);
    await subscriber('add', 'bob', '--recording', 'off');
    const list = await operator('subscriber', 'list');
    expect(list.stdout).to.match(/\bada +active +on\b[\s\S]*\bbob +active +off\b/);
  });

  it('change addresses and connections, all that is named at once', async () => {
    await subscriber('add', 'ada', '--address', '10.0.0.1');
    const set = (...flags: string[]) => subscriber('set', 'ada', ...flags);
    expect(
      await set('--address', '10.0.0.2', '--address', '2001:DB8::0', '--connections', '5'),
    ).to.deep.include({ type: 'subscriber', addresses: ['10.0.0.2', '2001:db8::'], connections: 5 });
    expect(await set('--no-address')).to.deep.include({ addresses: [], connections: 5 });
    expect(await set('--connections', 'default')).to.deep.include({ connections: null });
    expect(await set('--no-address', '--address', '10.0.0.3')).to.deep.include({ addresses: ['10.0.0.3'] });
  });

  it('refuse what cannot be set', async () => {
    await subscriber('add', 'ada');
    await subscriber('add', 'bob', '--address', '10.0.0.9');
    const wrong: [string[], string][] = [
      [[], 'WEIR_USAGE'],
      [['--recording', 'yes'], 'WEIR_USAGE'],
      [['--connections', '0'], 'WEIR_USAGE'],
      [['--connections', 'many'], 'WEIR_USAGE'],
      [['--address', 'localhost'], 'WEIR_USAGE'],
      [['--address', '10.0.0.9'], 'WEIR_ADDRESS_TAKEN'],
    ];
    for (const [flags, code] of wrong) {
      const ended = await operator('subscriber', 'set', 'ada', ...flags);
      expect([ended.code, ended.stderr.includes(`[${code}]`)], ended.stderr).to.deep.equal([2, true]);
    }
    const nobody = await operator('subscriber', 'set', 'nobody', '--recording', 'off');
    expect([nobody.code, nobody.stderr.includes('WEIR_SUBSCRIBER_UNKNOWN')]).to.deep.equal([1, true]);
  });

  it('show what is in force and where it comes from, as a file that says the same', async () => {
    writeFileSync(
      config,
      'proxy: { port: 8080, cache: { memoryBytes: 1 GiB }, record: { minBodyBytes: 1 } }\n',
    );
    const shown = await operator('config', 'show');
    expect(shown.code, shown.stderr).to.equal(0);
    for (const line of ['port: 8080 # file', 'memoryBytes: 1 GiB # file', 'port: 7400 # default'])
      expect(shown.stdout).to.match(new RegExp(`^ +${line}$`, 'm'));
    expect(shown.stdout).to.include('# proxy.transparent.via: not set');
    const expected = parseConfig(
      'proxy: { port: 8080, cache: { memoryBytes: 1 GiB }, record: { minBodyBytes: 1 } }',
      'x',
    );
    const { dataDirectory, ...rest } = parseConfig(shown.stdout, 'shown');
    expect(dataDirectory).to.equal('/weir-data');
    expect({ ...rest, dataDirectory: './weir-data' }).to.deep.equal(expected);
    const { json } = await operator('config', 'show', '--json');
    expect(json).to.have.length(parseSettings('', 'x').all.length);
    expect(json).to.deep.include({
      schema: 1,
      type: 'setting',
      key: 'proxy.port',
      value: 8080,
      source: 'file',
    });
  });

  it('check a configuration without starting', async () => {
    expect((await operator('config', 'validate')).code).to.equal(0);
    writeFileSync(config, 'proxy: { clients: [0.0.0.0/0] }');
    const open = await operator('config', 'validate');
    expect(open.code).to.equal(2);
    expect(open.stderr).to.match(/proxy\.clients\.0 is "0\.0\.0\.0\/0": would let the whole world in/);
    expect((await operator('config', 'show')).code).to.equal(2);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
