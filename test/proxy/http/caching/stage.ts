import type { HttpProxyOptions } from '../../../../proxy/http/server.ts';
import { openCacheStore } from '../../../../proxy/record/cache-store.ts';
import { catalogKeeper } from '../../../../proxy/record/keeper.ts';
import { recordingPolicy } from '../../../../proxy/record/policy.ts';
import { createRecorder, type StoringRecorder } from '../../../../proxy/record/recorder.ts';
import { systemClock } from '../../../../src/base/clock.ts';
import { type Closers, createClosers } from '../../../../src/base/closers.ts';
import { createDial } from '../../../../src/base/dial.ts';
import { silentLog } from '../../../../src/base/log.ts';
import { systemRandom } from '../../../../src/base/random.ts';
import type { Catalog } from '../../../../src/catalog/catalog.ts';
import { EMBEDDED, openTestCatalog } from '../../../catalog/opened-catalog.ts';
import { RECORD_ALL } from '../../record/record-all.ts';
import { testProxy } from '../harness.ts';
import { openScriptedOrigin, type ScriptedOrigin } from './scripted-origin.ts';

/** A proxy with the scripted origin behind it. */
export interface Stage extends AsyncDisposable {
  readonly proxy: { readonly host: string; readonly port: number };
  readonly origin: ScriptedOrigin;
  /** Whether every name in `.test` leads to the origin, on every port. */
  readonly hasNames: boolean;
}

/** What Weir's proxy keeps answers in; the store has all, memory what is small. */
export type Keeping = 'store' | 'memory';

/**
 * Weir's proxy. `WEIR_TEST_PROXY=host:port` puts another forward proxy in its place, to see whether
 * a case asks for what others do.
 */
export async function openStage(keeping: Keeping, cache: HttpProxyOptions['cache'] = {}): Promise<Stage> {
  const closers = createClosers();
  const origin = await openScriptedOrigin();
  closers.defer(async () => origin[Symbol.asyncDispose]());
  const other = process.env['WEIR_TEST_PROXY'];
  const proxy =
    other === undefined ? await openWeir({ keeping, cache }, origin.port, closers) : addressIn(other);
  return {
    proxy,
    origin,
    hasNames: other === undefined,
    [Symbol.asyncDispose]: () => closers.closeAll(),
  };
}

function addressIn(text: string): Stage['proxy'] {
  const { hostname, port } = new URL(`http://${text}`);
  return { host: hostname, port: Number(port) };
}

async function openWeir(
  { keeping, cache }: Required<Pick<HttpProxyOptions, 'cache'>> & { readonly keeping: Keeping },
  originPort: number,
  closers: Closers,
): Promise<Stage['proxy']> {
  const dial = createDial({ allow: ['127.0.0.0/8'], timeoutMs: 2_000 });
  const proxy = await testProxy({
    ...(keeping === 'store' && (await openStore(closers))),
    cache,
    dial: (host, port, options) =>
      host.endsWith('.test') ? dial('127.0.0.1', originPort, options) : dial(host, port, options),
  });
  closers.defer(() => proxy.close());
  return { host: '127.0.0.1', port: proxy.port };
}

async function openStore(closers: Closers): Promise<Kept> {
  const { catalog, remove } = await openTestCatalog(EMBEDDED);
  closers.defer(remove);
  const kept = keptIn(catalog);
  closers.defer(() => kept.recorder.settle());
  return kept;
}

export interface Kept extends Pick<HttpProxyOptions, 'store'> {
  readonly recorder: StoringRecorder;
}

/** What a proxy needs to keep its answers in the store of `catalog`. */
export function keptIn(catalog: Catalog): Kept {
  const keeper = catalogKeeper(catalog);
  const recorder = createRecorder({
    keeper,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    policy: recordingPolicy(RECORD_ALL),
  });
  return { recorder, store: openCacheStore(keeper, silentLog) };
}

/** An address for each subscriber of each case, so that no bound on one subscriber's connections is met. */
export function addressOf(caseNumber: number, subscriber = 1): string {
  return `127.${subscriber}.${1 + Math.floor(caseNumber / 250)}.${1 + (caseNumber % 250)}`;
}
