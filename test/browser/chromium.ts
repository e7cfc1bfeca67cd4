import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export interface Visit {
  /** The document as it is once the page has come to rest. */
  readonly dom: string;
  /** What the page and the browser wrote to the console. */
  readonly console: readonly string[];
}

/** Without a proxy it reaches this machine alone, whatever it would like to fetch for itself. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--enable-logging=stderr',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];
const PAGE_TIME_MS = 5_000;
const TIMEOUT_MS = 15_000;

export function hasChromium(): boolean {
  return spawnSync('chromium', ['--version']).error === undefined;
}

/** Opens a page in a fresh profile and gives what became of it. */
export async function visit(url: string, ...flags: readonly string[]): Promise<Visit> {
  const profile = await mkdtemp(join(tmpdir(), 'weir-chromium-'));
  try {
    const page = [`--virtual-time-budget=${PAGE_TIME_MS}`, '--dump-dom', url];
    const child = spawn('chromium', [...FLAGS, `--user-data-dir=${profile}`, ...flags, ...page], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    const [dom, log] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { dom, console: log.split('\n').filter((line) => line.includes(':CONSOLE')) };
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
