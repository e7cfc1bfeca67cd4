import type { AddressInfo } from 'node:net';
import type { ElsewhereConnections } from '../../proxy/http/connections.ts';
import { openDestinationReader } from '../../proxy/http/original-destination.ts';
import { type HttpProxy, type HttpProxyOptions, openHttpProxy } from '../../proxy/http/server.ts';
import { openCacheStore } from '../../proxy/record/cache-store.ts';
import type { Keeper, KnownSubscriber } from '../../proxy/record/keeper.ts';
import { recordingPolicy } from '../../proxy/record/policy.ts';
import { createRecorder } from '../../proxy/record/recorder.ts';
import { systemClock } from '../base/clock.ts';
import { createDialer } from '../base/dial.ts';
import type { Log } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import type { Config } from './config.ts';
import { transparentListen } from './config-schema.ts';
import { VERSION } from './version.ts';

/** The proxy with its recorder: all that one process does of the role, or several together. */
export interface ProxyRole {
  readonly address: AddressInfo;
  /** Counters of the proxy and of the recorder, each under its name. */
  stats(): Promise<Readonly<Record<string, unknown>>>;
  /** Resolves when every capture finished so far is durable or given up. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** In this process. `elsewhere` when it is one of several. */
export async function openProxyRole(
  config: Config,
  log: Log,
  keeper: Keeper,
  elsewhere?: ElsewhereConnections,
): Promise<ProxyRole> {
  const policy = recordingPolicy(config.proxy.record);
  const recorder = createRecorder({ keeper, clock: systemClock, random: systemRandom, log, policy });
  const proxy = await openProxy(config, log, keeper, { recorder, ...(elsewhere && { elsewhere }) });
  return {
    address: proxy.address,
    stats: async () => ({ recorder: recorder.stats, proxy: proxy.stats() }),
    settle: () => recorder.settle(),
    async close() {
      await proxy.close();
      await recorder.settle();
    },
  };
}

async function openProxy(
  config: Config,
  log: Log,
  keeper: Keeper,
  own: Pick<HttpProxyOptions, 'recorder' | 'elsewhere'>,
): Promise<HttpProxy> {
  const { clients, connectPorts, connections, connectionsPerClient, page, transparent } = config.proxy;
  const { publicHost, publicPort, port, via, forwarded, workers } = config.proxy;
  const publicAddress = publicHost && { host: publicHost, port: publicPort ?? port };
  const { enabled: isEnabled, memoryBytes, ...cache } = config.proxy.cache;
  const { dial, addressesOf } = createDialer({ allow: config.dial.allow });
  return openHttpProxy({
    listen: config.proxy,
    ...(transparent && {
      transparent: {
        listen: transparentListen(transparent),
        destinationOf: await openDestinationReader(transparent.via),
        addressesOf,
      },
    }),
    clients,
    clientAt: keeper.subscriberAt,
    connectPorts,
    limits: { connections: Math.ceil(connections / workers), connectionsPerClient },
    dial,
    store: openCacheStore(keeper, log),
    cache: { isEnabled, memoryBytes: Math.ceil(memoryBytes / workers), ...cache },
    page: {
      site: { version: VERSION, retention: RETENTION, ...page, ...(publicAddress && { publicAddress }) },
      subscriberAt(address) {
        const subscriber = keeper.subscriberAt(address);
        return subscriber && { name: subscriber.name, isRecorded: isRecorded(config, subscriber) };
      },
    },
    announce: { via, forwarded },
    log,
    ...own,
  });
}

/** For the page, where the provider has not written a sentence of its own. */
const RETENTION =
  'Until its room is needed: what is worth least goes first, and nothing goes that a backup refers to.';

function isRecorded({ proxy }: Config, { isSuspended, consents }: KnownSubscriber): boolean {
  return proxy.record.enabled && !isSuspended && consents.http?.isGiven === true;
}
