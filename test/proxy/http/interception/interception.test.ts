import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { openDestinationReader } from '../../../../proxy/http/original-destination.ts';
import { eventually } from '../harness.ts';
import {
  missingForNetwork,
  type Network,
  openNetwork,
  PRIVATE_SERVER_V4,
  type Program,
  ROUTER_V4,
  SERVER_V4,
  SERVER_V6,
  STRANGER_V4,
  SUBSCRIBER_V4,
} from './network.ts';

const PROCESS = fileURLToPath(new URL('process.js', import.meta.url));
const WEIR = fileURLToPath(new URL('../../../../src/app/weir.js', import.meta.url));
const ROUTER_SEEN = '::ffff:203.0.113.1';

/** Opens a port with IP_TRANSPARENT as descriptor 3, as systemd does for `Transparent=yes`. */
const LAUNCHER = `use Socket qw(:all); $^F = 255;
  socket(my $s, AF_INET6, SOCK_STREAM, 0) or die $!;
  setsockopt($s, SOL_SOCKET, SO_REUSEADDR, pack("i", 1)) or die $!;
  setsockopt($s, 0, 19, pack("i", 1)) and setsockopt($s, 41, 75, pack("i", 1)) or die $!;
  bind($s, pack_sockaddr_in6(3129, inet_pton(AF_INET6, "::"))) and listen($s, 512) or die $!;
  fileno($s) == 3 or die "descriptor " . fileno($s); exec @ARGV;`;

describe('interception in network namespaces', () => {
  let network: Network;
  let origin: Program;
  let directory: string;
  let config: string;

  before(async function () {
    const missing = missingForNetwork();
    if (missing !== undefined) {
      if (process.env['WEIR_REQUIRE_PEERS'] === '1') throw new Error(missing);
      this.skip();
    }
    directory = await mkdtemp(join(tmpdir(), 'weir-interception-'));
    config = join(directory, 'weir.yaml');
    await writeFile(config, "proxy: { clients: ['10.77.0.0/16', 'fd77:1::/32'] }\n");
    network = await openNetwork();
    origin = await ready(network.start('server', process.execPath, PROCESS, 'origin'));
  });
  after(async () => {
    await network?.[Symbol.asyncDispose]();
    if (directory !== undefined) await rm(directory, { recursive: true });
  });

  const weir = (...args: string[]): string[] => [process.execPath, WEIR, 'nft', ...args];
  const rules = (): string[] => ['--interface', 'lan', '--config', config];
  const nft = (...args: string[]): Promise<string> => network.in('router', ...weir(...args));

  function curl(host: string, address: string, ...args: string[]): Promise<string> {
    const resolve = `${host}:80:${address}`;
    const all = ['-sS', '--noproxy', '*', '-m', '10', '--resolve', resolve, ...args, `http://${host}/page`];
    return network.in('subscriber', 'curl', ...all);
  }

  /** A proxy on the router, and what it and the origin write while `use` runs. */
  async function withProxy(
    via: 'tproxy' | 'redirect',
    use: (proxy: Program) => Promise<void>,
  ): Promise<void> {
    const launcher = via === 'tproxy' ? ['perl', '-e', LAUNCHER] : [];
    const proxy = await ready(network.start('router', ...launcher, process.execPath, PROCESS, via));
    try {
      await use(proxy);
    } finally {
      proxy.process.kill('SIGKILL');
      await proxy.exit;
    }
  }

  async function fetchesPages(proxy: Program): Promise<void> {
    const before = asked(origin, 'site.test/page').length;
    expect(await curl('site.test', SERVER_V4)).to.equal(`<${ROUTER_SEEN} site.test/page>`);
    expect(await curl('site.test', SERVER_V4)).to.equal(`<${ROUTER_SEEN} site.test/page>`);
    expect(await curl('site.test', `[${SERVER_V6}]`)).to.equal(`<${ROUTER_SEEN} site.test/page>`);
    expect(asked(origin, 'site.test/page').length - before, 'one answer for all three').to.equal(1);
    expect(proxy.output()).to.include('recorded http://site.test/page');
  }

  async function passesForgedHosts(proxy: Program): Promise<void> {
    for (const host of ['elsewhere.test', 'unknown.test']) {
      const before = asked(origin, `${host}/page`).length;
      for (const address of [SERVER_V4, `[${SERVER_V6}]`]) {
        expect(await curl(host, address)).to.include(` ${host}/page>`);
      }
      expect(asked(origin, `${host}/page`).length - before, 'nothing kept').to.equal(2);
    }
    expect(proxy.output()).not.to.match(/recorded .*(?:elsewhere|unknown)/);
  }

  describe('by TPROXY', () => {
    beforeEach(() => nft('apply', ...rules(), '--yes'));
    afterEach(() => nft('remove'));

    it('pages arrive over IPv4 and IPv6; forged hosts are passed on and not kept', async () => {
      await withProxy('tproxy', async (proxy) => {
        await fetchesPages(proxy);
        await passesForgedHosts(proxy);
      });
    });

    it('what is not the subscribers’, is local, or is not dialled goes its own way', async () => {
      await withProxy('tproxy', async () => {
        const stranger = await curl('site.test', SERVER_V4, '--interface', STRANGER_V4);
        expect(stranger).to.equal(`<::ffff:${STRANGER_V4} site.test/page>`);
        const inside = await curl('inside.test', PRIVATE_SERVER_V4);
        expect(inside).to.equal(`<::ffff:${SUBSCRIBER_V4} inside.test/page>`);
        const local = await curl('router.test', ROUTER_V4).catch((error: Error) => error.message);
        expect(local).to.match(/refused|connect/i);
      });
    });

    it('the proxy answers for itself on its transparent port', async () => {
      await withProxy('tproxy', async () => {
        const url = `http://${ROUTER_V4}:3129/weir-heartbeat`;
        const head = await network.in('subscriber', 'curl', '-sSi', '--noproxy', '*', '-m', '10', url);
        expect(head).to.match(/^HTTP\/1\.1 204/);
      });
    });

    it('traffic passes by when the proxy is gone', async () => {
      await withProxy('tproxy', () => Promise.resolve());
      expect(await curl('direct.test', SERVER_V4)).to.equal(`<::ffff:${SUBSCRIBER_V4} direct.test/page>`);
    });
  });

  it('by REDIRECT, the same', async function () {
    const reason = await openDestinationReader('redirect').then(
      () => undefined,
      (error: unknown) => error,
    );
    if (reason !== undefined) {
      expect(reason).to.have.property('code', 'WEIR_REDIRECT_UNAVAILABLE');
      this.skip();
    }
    await nft('apply', ...rules(), '--yes', '--via', 'redirect');
    await withProxy('redirect', async (proxy) => {
      await fetchesPages(proxy);
      await passesForgedHosts(proxy);
    });
    await nft('remove');
  });

  describe('the command', () => {
    afterEach(() => nft('remove'));
    const isIntercepted = async (): Promise<boolean> =>
      (await curl('x.test', SERVER_V4)).includes(ROUTER_SEEN);

    it('undoes what nobody confirms, though it is killed', async () => {
      await withProxy('tproxy', async () => {
        const apply = network.start('router', ...weir('apply', ...rules(), '--seconds', '2'));
        await eventually(() => apply.output().includes('In force for 2 s'), 'applied');
        apply.process.kill('SIGKILL');
        expect(await isIntercepted()).to.equal(true);
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        expect(await isIntercepted()).to.equal(false);
        expect(await nft('status')).to.include('not confirmed in time');
        await expectFailure(nft('confirm'), 'WEIR_NFT_UNCONFIRMED');
      });
    });

    it('removes everything when it is not confirmed, and says so', async () => {
      const before = await kernelState();
      const apply = network.start('router', ...weir('apply', ...rules(), '--seconds', '1'));
      expect(await apply.exit).to.equal(1);
      expect(apply.output()).to.include('WEIR_NFT_UNCONFIRMED');
      expect(await kernelState()).to.equal(before);
    });

    it('keeps what is confirmed from another shell', async () => {
      await withProxy('tproxy', async () => {
        const apply = network.start('router', ...weir('apply', ...rules(), '--seconds', '3'));
        await eventually(() => apply.output().includes('In force'), 'applied');
        await nft('confirm');
        expect(await apply.exit).to.equal(0);
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        expect(await isIntercepted()).to.equal(true);
        expect(JSON.parse(await nft('status', '--json'))).to.include({ type: 'nft', state: 'confirmed' });
      });
    });

    it('keeps what is confirmed by Enter on a terminal', async () => {
      const command = [...weir('apply', ...rules(), '--seconds', '5')].join(' ');
      const typed = `(sleep 1.5; echo) | script -qec '${command}' /dev/null`;
      expect(await network.in('router', 'sh', '-c', typed)).to.include('port 80 is intercepted');
    });

    it('touches nothing else, however often it runs', async () => {
      await network.in(
        'router',
        'nft',
        'table inet other { set s { type ipv4_addr; elements = { 10.0.0.1 }; }; }',
      );
      await network.in('router', 'ip', 'rule', 'add', 'pref', '100', 'fwmark', '7', 'lookup', '7');
      const before = await kernelState();
      for (const via of ['tproxy', 'tproxy', 'redirect', 'tproxy']) {
        await nft('apply', ...rules(), '--yes', '--via', via);
      }
      const rulesOfIp = await network.in('router', 'ip', 'rule', 'show');
      expect(rulesOfIp.match(/0x77656972/g)).to.have.length(1);
      await nft('remove');
      await nft('remove');
      expect(await kernelState()).to.equal(before);
    });

    it('changes nothing with -n, and nothing when it fails', async () => {
      const before = await kernelState();
      expect(await nft('apply', ...rules(), '-n')).to.include('tproxy ip6 to :3129');
      expect(await nft('show', ...rules(), '--via', 'redirect')).to.include('redirect to :3129');
      await expectFailure(nft('apply', '--config', config, '--interface', 'a"b'), 'WEIR_USAGE');
      await expectFailure(nft('apply', '--config', config), 'WEIR_USAGE');
      expect(await kernelState()).to.equal(before);
    });
  });

  /** All rules and policy routing of the router. */
  async function kernelState(): Promise<string> {
    const parts = [
      ['nft', 'list', 'ruleset'],
      ...['-4', '-6'].flatMap((family) => [
        ['ip', family, 'rule', 'show'],
        ['ip', family, 'route', 'show', 'table', 'all', 'type', 'local', 'default'],
      ]),
    ];
    return (await Promise.all(parts.map((command) => network.in('router', ...command)))).join('\n');
  }
});

async function ready(program: Program): Promise<Program> {
  await eventually(() => /^ready$/m.test(program.output()), 'started').catch((error: Error) => {
    throw new Error(`${error.message}: ${program.output()}`);
  });
  return program;
}

function asked(origin: Program, hostAndPath: string): string[] {
  return origin
    .output()
    .split('\n')
    .filter((line) => line.startsWith('asked ') && line.endsWith(` ${hostAndPath}`));
}

async function expectFailure(command: Promise<string>, code: string): Promise<void> {
  const message = await command.catch((error: Error) => error.message);
  expect(message).to.include(code);
}
