import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { addressRanges } from '../../src/base/address-ranges.ts';
import { assert } from '../../src/base/assert.ts';
import type { Dial } from '../../src/base/dial.ts';
import { asWeirError, systemCode, WeirError } from '../../src/base/errors.ts';
import { type ListenAddress, listen } from '../../src/base/listen.ts';
import type { Log } from '../../src/base/log.ts';
import type { Recorder } from '../record/recording.ts';
import { type ClientConnections, openClientConnections } from './connections.ts';
import { DEFAULT_LIMITS, type HttpLimits } from './limits.ts';
import { dialElsewhere } from './origin-connections.ts';
import { createService, type Service, type ServiceCounts } from './service.ts';

export interface HttpProxyOptions {
  readonly listen: ListenAddress;
  /** CIDR ranges of the subscribers; nobody else is served. */
  readonly clients: readonly string[];
  /** Ports CONNECT may reach: by default 443 alone. An empty list turns CONNECT off. */
  readonly connectPorts?: readonly number[];
  readonly dial: Dial;
  readonly recorder: Recorder;
  readonly log: Log;
  /** Told by the heartbeat. */
  readonly version: string;
  readonly limits?: Partial<HttpLimits>;
}

export interface HttpProxy {
  readonly address: AddressInfo;
  stats(): HttpProxyStats;
  /** Stops listening and cuts what is under way. */
  close(): Promise<void>;
}

export interface HttpProxyStats extends Readonly<ServiceCounts> {
  /** Open now. */
  readonly connections: number;
}

const HTTPS_PORT = 443;
/** How many times within `headersTimeoutMs` Node.js looks for connections that have exceeded it. */
const TIMEOUT_CHECKS = 10;

/** A forward proxy for HTTP/1.1 and 1.0. Throws WEIR_PORT_UNAVAILABLE or WEIR_CONFIG_INVALID. */
export async function openHttpProxy(options: HttpProxyOptions): Promise<HttpProxy> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const server = createHttpServer(limits);
  const clients = openClientConnections(addressRanges(options.clients), limits);
  const service = createService({
    dial: dialElsewhere(options.dial, () => addressOf(server)),
    connectPorts: options.connectPorts ?? [HTTPS_PORT],
    recorder: options.recorder,
    log: options.log,
    version: options.version,
    limits,
  });
  serve(server, clients, service);
  await listen(server, options.listen);
  return {
    address: addressOf(server),
    stats: () => ({ ...service.counts, connections: clients.size }),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      clients.resetAll();
      service.close();
      await closed;
    },
  };
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

function serve(server: Server, clients: ClientConnections, service: Service): void {
  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    clients.inTurn(req.socket, res, () => service.request(req, res));
  };
  server.on('request', onRequest);
  // Without this listener Node.js answers 100 before the origin is asked.
  server.on('checkContinue', onRequest);
  server.on('connection', (socket: Socket) => {
    try {
      clients.admit(socket);
    } catch (error) {
      service.refuse(socket, asWeirError(error));
    }
  });
  server.on('connect', (req: IncomingMessage, stream: Duplex, head: Buffer) => {
    assert(stream instanceof Socket, 'the proxy listens on TCP');
    if (clients.isIdle(stream)) void service.connect(req, stream, head);
    else stream.destroy();
  });
  // An end could pass for the end of the answer that is stuck.
  server.on('timeout', (socket: Socket) => socket.resetAndDestroy());
  server.on('clientError', (cause: Error, stream: Duplex) => {
    assert(stream instanceof Socket, 'the proxy listens on TCP');
    const status = statusOf(cause);
    if (status === undefined || !clients.isIdle(stream)) stream.destroy();
    else
      service.refuse(stream, new WeirError('WEIR_PROXY_REQUEST_REFUSED', cause.message, { cause }), status);
  });
}

/** Undefined when the client is gone rather than wrong. */
function statusOf(cause: Error): number | undefined {
  const code = systemCode(cause);
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408;
  if (code === 'HPE_HEADER_OVERFLOW') return 431;
  return code?.startsWith('HPE_') ? 400 : undefined;
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  assert(address !== null && typeof address === 'object', 'the server listens on TCP');
  return address;
}
