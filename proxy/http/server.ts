import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { addressRanges } from '../../src/base/address-ranges.ts';
import { assert } from '../../src/base/assert.ts';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import type { Dial, Resolve } from '../../src/base/dial.ts';
import { asWeirError, systemCode, WeirError } from '../../src/base/errors.ts';
import type { Log } from '../../src/base/log.ts';
import { type CacheStore, NO_CACHE_STORE } from '../record/cache-store.ts';
import type { Recorder } from '../record/recording.ts';
import type { Announcement } from './announce.ts';
import type { CacheCounts } from './cache-counts.ts';
import { type CacheSettings, DEFAULT_CACHE } from './cache-settings.ts';
import {
  type ClientConnections,
  type ElsewhereConnections,
  type KnownClient,
  NOWHERE_ELSE,
  openClientConnections,
} from './connections.ts';
import type { DirectSettings } from './direct.ts';
import { isOwn } from './direct.ts';
import { createHostCheck } from './host-check.ts';
import { DEFAULT_LIMITS, type HttpLimits } from './limits.ts';
import { addressOf, type Listen, openListener } from './listener.ts';
import { dialElsewhere } from './origin-connections.ts';
import type { DestinationOf } from './original-destination.ts';
import { rememberConnections } from './own-connections.ts';
import { createTestOrigin } from './page/test-origin.ts';
import { createService, type Service, type ServiceCounts } from './service.ts';
import { isWebSocketRequest, serveWithoutUpgrade } from './upgrade.ts';

export interface HttpProxyOptions {
  /** For clients that know of the proxy. */
  readonly listen: Listen;
  readonly transparent?: TransparentOptions;
  /** CIDR ranges of the subscribers; nobody else is served. */
  readonly clients: readonly string[];
  /** Who is known to have this canonical address. */
  readonly clientAt?: (address: string) => KnownClient | undefined;
  /** Where other processes serve the same port. */
  readonly elsewhere?: ElsewhereConnections;
  /** Ports CONNECT may reach: by default 443 alone. An empty list turns CONNECT off. */
  readonly connectPorts?: readonly number[];
  readonly dial: Dial;
  readonly recorder: Recorder;
  /** None: what is cached is cached in memory alone. */
  readonly store?: CacheStore;
  readonly cache?: Partial<CacheSettings>;
  readonly page: DirectSettings;
  /** What origins are told of us and of the client; nothing by default. */
  readonly announce?: Announcement;
  readonly clock?: Clock;
  readonly log: Log;
  readonly limits?: Partial<HttpLimits>;
}

/** For clients that do not know of the proxy: the network brings their connections here. */
export interface TransparentOptions {
  readonly listen: Listen;
  readonly destinationOf: DestinationOf;
  /** Of the resolver that `dial` asks. */
  readonly addressesOf: Resolve;
}

export interface HttpProxy {
  readonly address: AddressInfo;
  readonly transparentAddress: AddressInfo | undefined;
  stats(): HttpProxyStats;
  /** Stops listening and cuts what is under way. */
  close(): Promise<void>;
}

export interface HttpProxyStats extends Readonly<ServiceCounts>, Readonly<CacheCounts> {
  /** Open now. */
  readonly connections: number;
}

const HTTPS_PORT = 443;
/** How many times within `headersTimeoutMs` Node.js looks for connections that have exceeded it. */
const TIMEOUT_CHECKS = 10;

/** A forward proxy for HTTP/1.1 and 1.0. Throws WEIR_PORT_UNAVAILABLE or WEIR_CONFIG_INVALID. */
export async function openHttpProxy(options: HttpProxyOptions): Promise<HttpProxy> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { transparent } = options;
  const server = createHttpServer(limits);
  const transparentServer = transparent && createHttpServer(limits);
  const servers = [server, ...(transparentServer === undefined ? [] : [transparentServer])];
  const own = rememberConnections(options.dial);
  const testOrigin = createTestOrigin();
  const dialOthers = servers.reduce((dial, one) => dialElsewhere(dial, () => addressOf(one)), own.dial);
  const service = createService({
    dial: (host, port, how) => (isOwn({ host, port }) ? testOrigin.dial() : dialOthers(host, port, how)),
    ...(transparent && { checkHost: createHostCheck(transparent.addressesOf, own) }),
    connectPorts: options.connectPorts ?? [HTTPS_PORT],
    recorder: options.recorder,
    store: options.store ?? NO_CACHE_STORE,
    cache: { ...DEFAULT_CACHE, ...options.cache },
    page: options.page,
    announce: options.announce ?? {},
    clock: options.clock ?? systemClock,
    log: options.log,
    limits,
  });
  const clients = openClientConnections(
    addressRanges(options.clients),
    limits,
    options.clientAt ?? (() => undefined),
    service.request,
    options.elsewhere ?? NOWHERE_ELSE,
  );
  serve(server, clients, service, () => undefined);
  if (transparentServer) serve(transparentServer, clients, service, transparent.destinationOf);

  async function close(): Promise<void> {
    const closed = servers.map((one) => new Promise((resolve) => one.close(resolve)));
    clients.resetAll();
    service.close();
    await Promise.all([...closed, testOrigin.close()]);
  }

  try {
    return {
      address: await openListener(server, options.listen),
      transparentAddress: transparentServer && (await openListener(transparentServer, transparent.listen)),
      stats: () => ({ ...service.counts, ...service.cacheCounts, connections: clients.size }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function createHttpServer(limits: HttpLimits): Server {
  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTimeoutMs,
    // A long upload is legitimate. It is bounded by having to move (`clientIdleMs`).
    requestTimeout: 0,
    connectionsCheckingInterval: limits.headersTimeoutMs / TIMEOUT_CHECKS,
    keepAliveTimeout: limits.keepAliveMs,
  });
  // Node.js would drop the lines above its own limit; `headerLines` refuses them.
  server.maxHeadersCount = 0;
  server.maxConnections = limits.connections;
  server.timeout = limits.clientIdleMs;
  return server;
}

function serve(
  server: Server,
  clients: ClientConnections,
  service: Service,
  destinationOf: DestinationOf,
): void {
  server.on('request', clients.inTurn);
  // Without this listener Node.js answers 100 before the origin is asked.
  server.on('checkContinue', clients.inTurn);
  server.on('connection', (socket: Socket) => {
    // One whose request is served without its upgrade comes a second time.
    if (clients.has(socket)) return;
    try {
      clients.admit(socket, destinationOf(socket, addressOf(server).port));
    } catch (error) {
      service.refuse(socket, asWeirError(error));
    }
  });
  server.on('connect', (req: IncomingMessage, stream: Duplex, head: Buffer) => {
    const client = tcp(stream);
    if (clients.isIdle(client)) void service.connect(req, client, head, clients.destinationOf(client));
    else client.destroy();
  });
  server.on('upgrade', (req: IncomingMessage, stream: Duplex, head: Buffer) => {
    const client = tcp(stream);
    if (!clients.isIdle(client)) client.destroy();
    else if (!isWebSocketRequest(req)) serveWithoutUpgrade(server, req, client, head);
    else void service.upgrade(req, client, head, clients.destinationOf(client));
  });
  // An end could pass for the end of the answer that is stuck.
  server.on('timeout', (socket: Socket) => socket.resetAndDestroy());
  server.on('clientError', (cause: Error, stream: Duplex) => {
    const client = tcp(stream);
    const status = statusOf(cause);
    if (status === undefined || !clients.isIdle(client)) client.destroy();
    else
      service.refuse(client, new WeirError('WEIR_PROXY_REQUEST_REFUSED', cause.message, { cause }), status);
  });
}

function tcp(stream: Duplex): Socket {
  assert(stream instanceof Socket, 'the proxy listens on TCP');
  return stream;
}

/** Undefined when the client is gone rather than wrong. */
function statusOf(cause: Error): number | undefined {
  const code = systemCode(cause);
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408;
  if (code === 'HPE_HEADER_OVERFLOW') return 431;
  return code?.startsWith('HPE_') ? 400 : undefined;
}
