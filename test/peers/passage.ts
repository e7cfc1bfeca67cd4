import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { Context } from 'mocha';
import { createClosers } from '../../src/base/closers.ts';
import { createDial } from '../../src/base/dial.ts';
import { EMBEDDED, openTestCatalog } from '../catalog/opened-catalog.ts';
import { keptIn } from '../proxy/http/caching/stage.ts';
import { httpOrigin, testProxy } from '../proxy/http/harness.ts';

/** Weir between a client, who is a subscriber at 127.0.0.1, and an origin that keeps count. */
export interface Passage extends AsyncDisposable {
  /** The proxy. */
  readonly port: number;
  readonly proxyUrl: string;
  /** Where a path is at the origin. */
  url(path: string): string;
  /** What the origin was asked so far: `GET /path`. */
  readonly asked: readonly string[];
  /** SHA-256 in hexadecimal of what a URL gave last, according to the ledger; undefined when nothing was recorded. */
  recorded(url: string): Promise<string | undefined>;
}

type Answer = Parameters<typeof httpOrigin>[0];

export interface PassageOptions {
  /** Host names that lead to 127.0.0.1, whatever their port. */
  readonly names?: readonly string[];
  readonly connectPorts?: readonly number[];
}

export async function openPassage(answer: Answer, options: PassageOptions = {}): Promise<Passage> {
  const closers = createClosers();
  const { catalog, remove } = await openTestCatalog(EMBEDDED);
  closers.defer(remove);
  const { scope } = await catalog.subscribers.add('peer', ['127.0.0.1']);
  const kept = keptIn(catalog);
  closers.defer(() => kept.recorder.settle());
  const asked: string[] = [];
  const origin = await httpOrigin((req, res) => {
    asked.push(`${req.method} ${req.url}`);
    return answer(req, res);
  });
  closers.defer(async () => origin[Symbol.asyncDispose]());
  const dial = createDial({ allow: ['127.0.0.0/8', '::1'] });
  const { names = [], connectPorts = [] } = options;
  const proxy = await testProxy({
    ...kept,
    connectPorts,
    dial: (host, ...rest) => dial(names.includes(host) ? '127.0.0.1' : host, ...rest),
  });
  closers.defer(() => proxy.close());
  return {
    port: proxy.port,
    proxyUrl: `http://127.0.0.1:${proxy.port}`,
    url: (path) => `http://127.0.0.1:${origin.port}${path}`,
    asked,
    async recorded(url) {
      await kept.recorder.settle();
      const capture = await catalog.captures.lookUp(scope, url);
      return capture && Buffer.from(capture.contentId).toString('hex');
    },
    [Symbol.asyncDispose]: () => closers.closeAll(),
  };
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** For a `before` hook: leaves out what follows when a program is missing, or fails where peers are required. */
export function needProgram(context: Context, program: string, versionFlag = '--version'): void {
  if (spawnSync(program, [versionFlag]).error === undefined) return;
  if (process.env['WEIR_REQUIRE_PEERS'] === '1') throw new Error(`${program} is not installed`);
  context.skip();
}
