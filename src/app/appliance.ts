import { join } from 'node:path';
import { openServerIdentity } from '../../backup/server/identity.ts';
import { openBackupServer } from '../../backup/server/server.ts';
import { catalogKeeper } from '../../proxy/record/keeper.ts';
import { systemClock } from '../base/clock.ts';
import { type Closers, createClosers } from '../base/closers.ts';
import type { WeirError } from '../base/errors.ts';
import { systemFiles } from '../base/files.ts';
import type { Log } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { type Catalog, openCatalog } from '../catalog/catalog.ts';
import { openRoom, type Room } from '../catalog/room.ts';
import { createOperator, type Operator } from '../console/operator.ts';
import { openConsole } from '../console/server.ts';
import type { ByteStore } from '../store/byte-store.ts';
import { openEmbeddedByteStore } from '../store/embedded/byte-store.ts';
import { openEmbeddedRecords } from '../store/embedded/records.ts';
import type { Records } from '../store/records.ts';
import type { Config } from './config.ts';
import { operatorToken } from './operator-token.ts';
import { openProxyRole, type ProxyRole } from './proxy-role.ts';
import { openProxyWorkers, type ProxyWorkers } from './proxy-workers.ts';
import { bytesOfShare } from './sizes.ts';

/** The provider's side, open: the roles of the configuration over one catalogue. */
export interface Appliance extends AsyncDisposable {
  readonly operator: Operator;
  /** Where each role listens. */
  readonly addresses: Readonly<
    Partial<Record<'proxy' | 'backup' | 'console', { host: string; port: number }>>
  >;
  /** Resolves when every capture finished so far is durable. */
  settle(): Promise<void>;
  /** Resolves with the reason when a role has ended that cannot be started again. */
  readonly failure: Promise<WeirError>;
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
  const addresses: { proxy?: ListenAddress; backup?: ListenAddress; console?: ListenAddress } = {};
  const stats: Record<string, () => unknown> = { bytes: () => bytes.stats() };

  let proxy: OpenProxy | undefined;
  const room = await openCaptureRoom(config, log, catalog, bytes, (...left) => proxy?.left?.(...left));
  closers.defer(() => room.close());
  stats['room'] = () => room.stats;
  void room.check();
  if (roles.includes('proxy')) proxy = await openProxy(config, log, catalog, () => void room.check());
  if (proxy !== undefined) {
    closers.defer(() => proxy.close());
    addresses.proxy = { host: config.proxy.host, port: proxy.address.port };
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
    const readStats = async () => ({
      ...Object.fromEntries(Object.entries(stats).map(([role, read]) => [role, read()])),
      ...(await proxy?.stats()),
    });
    const server = await openConsole({ listen: config.console, operator, token, stats: readStats, log });
    closers.defer(() => server.close());
    addresses.console = server.address;
  }
  return {
    operator,
    addresses,
    settle: async () => proxy?.settle(),
    failure: proxy?.failure ?? new Promise(() => {}),
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

/** Keeps captures within the room the configuration gives them. */
async function openCaptureRoom(
  config: Config,
  log: Log,
  catalog: Catalog,
  bytes: ByteStore,
  onEvicted: (scope: number, contentId: Uint8Array) => void,
): Promise<Room> {
  const { totalBytes } = await systemFiles.space(config.dataDirectory);
  const limitBytes = bytesOfShare(config.store.passingBytes, totalBytes);
  return openRoom({ catalog, bytes, limitBytes, clock: systemClock, log, onEvicted });
}

/** In this process, or in several of its own. */
async function openProxy(
  config: Config,
  log: Log,
  catalog: Catalog,
  onCaptured: () => void,
): Promise<OpenProxy> {
  const openKeeper = () => catalogKeeper(catalog, onCaptured);
  if (config.proxy.workers === 1) return openProxyRole(config, log, openKeeper());
  return openProxyWorkers(config, log, openKeeper, catalog.subscribers);
}

type OpenProxy = ProxyRole & Partial<ProxyWorkers>;

interface ListenAddress {
  readonly host: string;
  readonly port: number;
}
