import { type ChildProcessByStdio, execFile, spawn, spawnSync } from 'node:child_process';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A subscriber, a router, and a web server behind it, each in a network namespace of its own. */
export interface Network extends AsyncDisposable {
  /** Runs a program there to its end. Rejects when it fails. */
  in(place: Place, ...command: string[]): Promise<string>;
  /** Starts a program there that ends with the network. */
  start(place: Place, ...command: string[]): Program;
}

export interface Program {
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  /** Everything it has written so far. */
  output(): string;
  readonly exit: Promise<number | null>;
}

export type Place = 'subscriber' | 'router' | 'server';

export const SUBSCRIBER_V4 = '10.77.1.2';
/** Of the subscriber too, but in no range of the clients. */
export const STRANGER_V4 = '198.51.100.7';
export const ROUTER_V4 = '10.77.1.1';
export const SERVER_V4 = '203.0.113.10';
export const SERVER_V6 = '2001:db8:2::10';
/** Of the server, in a range that the proxy does not dial. */
export const PRIVATE_SERVER_V4 = '10.99.0.10';

const COMMAND_TIMEOUT_MS = 20_000;

/** Why there cannot be such a network here, or undefined. */
export function missingForNetwork(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  for (const program of ['ip', 'nft', 'curl', 'perl']) {
    if (spawnSync(program, ['-V']).error !== undefined) return `${program} is not installed`;
  }
  const name = `weir-try-${process.pid}`;
  const made = spawnSync('ip', ['netns', 'add', name]).status === 0;
  const tproxy = 'add table inet t; add chain inet t c { type filter hook prerouting priority 0; }; ';
  const rule = 'add rule inet t c tcp dport 80 socket wildcard 0 tproxy to :1';
  const tried = made && spawnSync('ip', ['netns', 'exec', name, 'nft', tproxy + rule]).status === 0;
  if (made) spawnSync('ip', ['netns', 'del', name]);
  if (!made) return 'no network namespaces';
  return tried ? undefined : 'the kernel has no TPROXY for nftables';
}

export async function openNetwork(): Promise<Network> {
  const name = (place: Place): string => `weir-${place}-${process.pid}`;
  const places: readonly Place[] = ['subscriber', 'router', 'server'];
  const programs: Program[] = [];
  const ip = (...args: string[]): Promise<unknown> => run('ip', args);

  function start(place: Place, ...command: string[]): Program {
    const child = spawn('ip', ['netns', 'exec', name(place), ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += String(chunk)));
    const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
    const program = { process: child, output: () => text, exit };
    programs.push(program);
    return program;
  }

  async function close(): Promise<void> {
    for (const { process: child } of programs) child.kill('SIGKILL');
    await Promise.all(programs.map(({ exit }) => exit));
    for (const place of places) await ip('netns', 'del', name(place)).catch(() => {});
  }

  try {
    for (const place of places) {
      await ip('netns', 'add', name(place));
      await ip('-n', name(place), 'link', 'set', 'lo', 'up');
    }
    await cable(ip, name('subscriber'), name('router'), 'lan', {
      near: [`${SUBSCRIBER_V4}/24`, `${STRANGER_V4}/32`, 'fd77:1::2/64'],
      far: [`${ROUTER_V4}/24`, 'fd77:1::1/64'],
    });
    await cable(ip, name('server'), name('router'), 'wan', {
      near: [`${SERVER_V4}/24`, `${PRIVATE_SERVER_V4}/24`, `${SERVER_V6}/64`],
      far: ['203.0.113.1/24', '10.99.0.1/24', '2001:db8:2::1/64'],
    });
    await ip('-n', name('subscriber'), 'route', 'add', 'default', 'via', ROUTER_V4);
    await ip('-n', name('subscriber'), 'route', 'add', 'default', 'via', 'fd77:1::1');
    await ip('-n', name('server'), 'route', 'add', 'default', 'via', '203.0.113.1');
    await ip('-n', name('server'), 'route', 'add', 'default', 'via', '2001:db8:2::1');
    await ip('-n', name('router'), 'route', 'add', `${STRANGER_V4}/32`, 'dev', 'lan');
    const forwarding = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
    await ip('netns', 'exec', name('router'), 'sysctl', '-qw', ...forwarding);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    async in(place, ...command) {
      const args = ['netns', 'exec', name(place), ...command];
      return (await run('ip', args, { timeout: COMMAND_TIMEOUT_MS })).stdout;
    },
    start,
    [Symbol.asyncDispose]: close,
  };
}

/** A pair of interfaces, `eth0` at `near` and `far` at the other end, up and with addresses. */
async function cable(
  ip: (...args: string[]) => Promise<unknown>,
  near: string,
  far: string,
  farName: string,
  addresses: { readonly near: readonly string[]; readonly far: readonly string[] },
): Promise<void> {
  const peer = ['peer', 'name', farName, 'netns', far];
  await ip('link', 'add', 'eth0', 'netns', near, 'type', 'veth', ...peer);
  const add = async (place: string, device: string, list: readonly string[]): Promise<void> => {
    for (const address of list) {
      const flags = address.includes(':') ? ['nodad'] : [];
      await ip('-n', place, 'addr', 'add', address, 'dev', device, ...flags);
    }
    await ip('-n', place, 'link', 'set', device, 'up');
  };
  await add(near, 'eth0', addresses.near);
  await add(far, farName, addresses.far);
}
