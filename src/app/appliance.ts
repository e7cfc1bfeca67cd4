import { join } from 'node:path';
import { openServerIdentity } from '../../backup/server/identity.ts';
import { openBackupServer } from '../../backup/server/server.ts';
import { openDestinationReader } from '../../proxy/http/original-destination.ts';
import { type HttpProxy, openHttpProxy } from '../../proxy/http/server.ts';
import { openCacheStore } from '../../proxy/record/cache-store.ts';
import { catalogKeeper, type Keeper } from '../../proxy/record/keeper.ts';
import { recordingPolicy } from '../../proxy/record/policy.ts';
import { createRecorder } from '../../proxy/record/recorder.ts';
import type { Recorder } from '../../proxy/record/recording.ts';
import { systemClock } from '../base/clock.ts';
import { type Closers, createClosers } from '../base/closers.ts';
import { createDialer } from '../base/dial.ts';
import { systemFiles } from '../base/files.ts';
import type { Log } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { type Catalog, openCatalog } from '../catalog/catalog.ts';
import type { Subscriber } from '../catalog/subscribers.ts';
import { createOperator, type Operator } from '../console/operator.ts';
import { openConsole } from '../console/server.ts';
import type { ByteStore } from '../store/byte-store.ts';
import { openEmbeddedByteStore } from '../store/embedded/byte-store.ts';
import { openEmbeddedRecords } from '../store/embedded/records.ts';
import type { Records } from '../store/records.ts';
import type { Config } from './config.ts';
import { transparentListen } from './config-schema.ts';
import { operatorToken } from './operator-token.ts';
import { VERSION } from './version.ts';

/** The provider's side, open: the roles of the configuration over one catalogue. */
export interface Appliance extends AsyncDisposable {
  readonly operator: Operator;
  /** Where each role listens. */
  readonly addresses: Readonly<
    Partial<Record<'proxy' | 'backup' | 'console', { host: string; port: number }>>
  >;
  /** Resolves when every capture finished so far is durable. */
  settle(): Promise<void>;
}

/**
 * Opens the stores, recovers them, and starts the roles. The data directory has one owner:
 * WEIR_LOCKED names the process that has it. Whatever was opened is closed again when a later step
 * fails.
 */
export async function openAppliance(
  config: Config,
  log: Log,
  roles: readonly string[] = config.roles,
): Promise<Appliance> {
  const closers = createClosers();
  try {
    return await openRoles(config, log, roles, closers);
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

async function openRoles(
  config: Config,
  log: Log,
  roles: readonly string[],
  closers: Closers,
): Promise<Appliance> {
  const { dataDirectory } = config;
  const { bytes, records } = await openStores(config, log, closers);
  const identity = await openServerIdentity(systemFiles, dataDirectory);
  const catalog = await openCatalog(records, bytes, systemClock, systemRandom);
  const policy = recordingPolicy(config.proxy.record);
  const keeper = catalogKeeper(catalog);
  const recorder = createRecorder({ keeper, clock: systemClock, random: systemRandom, log, policy });
  closers.defer(() => recorder.settle());
  const addresses: { proxy?: ListenAddress; backup?: ListenAddress; console?: ListenAddress } = {};
  const stats: Record<string, () => unknown> = { bytes: () => bytes.stats(), recorder: () => recorder.stats };

  if (roles.includes('proxy')) {
    const proxy = await openProxy(config, log, catalog, keeper, recorder);
    closers.defer(() => proxy.close());
    addresses.proxy = { host: config.proxy.host, port: proxy.address.port };
    stats['proxy'] = () => proxy.stats();
  }
  if (roles.includes('backup')) {
    const listen = config.backup;
    const server = await openBackupServer({
      listen,
      identity,
      catalog,
      clock: systemClock,
      random: systemRandom,
      log,
    });
    closers.defer(() => server.close());
    addresses.backup = server.address;
    stats['backup'] = () => ({ sessions: server.sessions, objects: catalog.contents.entries });
  }
  const { publicHost: host, publicPort } = config.backup;
  const port = publicPort ?? addresses.backup?.port ?? config.backup.port;
  const operator = createOperator(
    catalog,
    { host, port, pin: identity.pin },
    { http: config.proxy.record.newSubscribers },
  );
  if (roles.includes('console')) {
    const token = await operatorToken(dataDirectory);
    const readStats = () => Object.fromEntries(Object.entries(stats).map(([role, read]) => [role, read()]));
    const server = await openConsole({ listen: config.console, operator, token, stats: readStats, log });
    closers.defer(() => server.close());
    addresses.console = server.address;
  }
  return {
    operator,
    addresses,
    settle: () => recorder.settle(),
    [Symbol.asyncDispose]: () => closers.closeAll(),
  };
}

async function openStores(
  config: Config,
  log: Log,
  closers: Closers,
): Promise<{ bytes: ByteStore; records: Records }> {
  const { dataDirectory } = config;
  await systemFiles.makeDirectory(dataDirectory);
  const { reserveBytes } = config.store;
  const reserve = reserveBytes === undefined ? {} : { reserveBytes };
  const bytes = await openEmbeddedByteStore({
    directory: join(dataDirectory, 'bytes'),
    files: systemFiles,
    log,
    ...reserve,
  });
  closers.defer(() => bytes.close());
  const records = await openEmbeddedRecords({ path: join(dataDirectory, 'records.sqlite'), log });
  closers.defer(() => records.close());
  return { bytes, records };
}

async function openProxy(
  config: Config,
  log: Log,
  catalog: Catalog,
  keeper: Keeper,
  recorder: Recorder,
): Promise<HttpProxy> {
  const { clients, connectPorts, connections, connectionsPerClient, page, transparent } = config.proxy;
  const { publicHost, publicPort, port, via, forwarded } = config.proxy;
  const publicAddress = publicHost && { host: publicHost, port: publicPort ?? port };
  const { enabled: isEnabled, ...cache } = config.proxy.cache;
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
    limits: { connections, connectionsPerClient },
    dial,
    recorder,
    store: openCacheStore(keeper, log),
    cache: { isEnabled, ...cache },
    page: {
      site: { version: VERSION, retention: RETENTION, ...page, ...(publicAddress && { publicAddress }) },
      subscriberAt(address) {
        const subscriber = catalog.subscribers.byAddress(address);
        return subscriber && { name: subscriber.name, isRecorded: isRecorded(config, subscriber) };
      },
    },
    announce: { via, forwarded },
    log,
  });
}

/** For the page, where the provider has not written a sentence of its own. */
const RETENTION =
  'Until its room is needed: what is worth least goes first, and nothing goes that a backup refers to.';

function isRecorded({ proxy }: Config, { isSuspended, consents }: Subscriber): boolean {
  return proxy.record.enabled && !isSuspended && consents.http?.isGiven === true;
}

interface ListenAddress {
  readonly host: string;
  readonly port: number;
}
