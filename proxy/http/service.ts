import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { canonicalAddress } from '../../src/base/address-ranges.ts';
import { assert } from '../../src/base/assert.ts';
import type { Clock } from '../../src/base/clock.ts';
import type { Dial } from '../../src/base/dial.ts';
import { asWeirError, WeirError } from '../../src/base/errors.ts';
import type { Log } from '../../src/base/log.ts';
import type { CacheStore } from '../record/cache-store.ts';
import type { Recorder } from '../record/recording.ts';
import { type Announcement, announced } from './announce.ts';
import { answerError, refuseConnection } from './answer.ts';
import type { CacheCounts } from './cache-counts.ts';
import type { CacheSettings } from './cache-settings.ts';
import { answerItself, type DirectSettings, isOwn, isThisPort } from './direct.ts';
import type { Exchange } from './exchange.ts';
import { createForwarder } from './forward.ts';
import { createGetService } from './get.ts';
import type { HostCheck } from './host-check.ts';
import type { HttpLimits } from './limits.ts';
import { openOriginConnections } from './origin-connections.ts';
import { isTestDownload } from './page/page-answer.ts';
import {
  type ForwardRequest,
  type InterceptedRequest,
  type Origin,
  type ProxyRequest,
  readRequest,
} from './request.ts';
import { cutAnswer } from './send-body.ts';
import { runTunnel } from './tunnel.ts';
import { runUpgrade } from './upgrade.ts';

export interface ServiceSettings {
  readonly dial: Dial;
  /** Needed where connections are intercepted. */
  readonly checkHost?: HostCheck;
  readonly connectPorts: readonly number[];
  readonly recorder: Recorder;
  readonly cache: CacheSettings;
  readonly store: CacheStore;
  readonly page: DirectSettings;
  readonly announce: Announcement;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: HttpLimits;
}

/** What is done with a request once its connection is admitted and its turn has come. */
export interface Service {
  /** `destination` is where the client dialled, when its connection was intercepted. */
  request(req: IncomingMessage, res: ServerResponse, destination?: Origin): void;
  connect(req: IncomingMessage, client: Socket, head: Buffer, destination?: Origin): Promise<void>;
  /** A WebSocket handshake. */
  upgrade(req: IncomingMessage, client: Socket, head: Buffer, destination?: Origin): Promise<void>;
  /** Turns away a connection that is in no state to be answered otherwise. */
  refuse(client: Socket, error: WeirError, status?: number): void;
  readonly counts: Readonly<ServiceCounts>;
  readonly cacheCounts: Readonly<CacheCounts>;
  close(): void;
}

export interface ServiceCounts {
  /** Open now, or being opened: CONNECT and WebSocket. */
  tunnels: number;
  requests: number;
  /** Requests and connections not accepted. */
  refused: number;
  /** Accepted, then broken by the origin or on the way to it. */
  failed: number;
}

export function createService(settings: ServiceSettings): Service {
  const { dial, checkHost, limits, log, clock } = settings;
  const { originIdleMs } = limits;
  const tunnelSettings = { dial, ports: settings.connectPorts, idleMs: limits.tunnelIdleMs };
  const counts: ServiceCounts = { tunnels: 0, requests: 0, refused: 0, failed: 0 };
  const connections = openOriginConnections(dial, limits);
  const { recorder, store, cache } = settings;
  const reader = createGetService({
    settings: cache,
    store,
    recorder,
    connections,
    clock,
    originIdleMs,
    fail,
  });
  const { answered } = reader;
  const forwarder = createForwarder({ connections, clock, originIdleMs, answered, fail });

  function noteRefusal(client: Socket, { code, message }: WeirError): void {
    counts.refused += 1;
    log.info('proxy.refused', { client: client.remoteAddress, code, message });
  }

  function refuse(client: Socket, error: WeirError, status?: number): void {
    noteRefusal(client, error);
    refuseConnection(client, error, status);
  }

  function fail(exchange: Exchange, error: WeirError): void {
    const { code, message } = error;
    const { request, req, res } = exchange;
    if (res.destroyed && !res.headersSent) return;
    counts.failed += 1;
    log.info('proxy.exchange.failed', { client: req.socket.remoteAddress, url: request.url, code, message });
    if (res.headersSent) return cutAnswer(exchange);
    if (!req.complete) res.shouldKeepAlive = false;
    answerError(res, error);
  }

  function pass({ req, res, ...asked }: Exchange): void {
    if (res.destroyed) return;
    const request = announced(asked.request, settings.announce, req.httpVersion, addressOf(req.socket));
    const exchange = { request, req, res };
    const { method, framing } = request;
    const isRead = framing.kind === 'none' && (method === 'GET' || method === 'HEAD');
    try {
      if (isRead) reader.get(exchange);
      else forwarder.forward(exchange);
    } catch (error) {
      fail(exchange, asWeirError(error));
    }
  }

  function isForPage({ origin, path }: ForwardRequest, client: Socket): boolean {
    if (isOwn(origin)) return !isTestDownload(path);
    return isThisPort(origin, client, settings.page.site);
  }

  /** What to believe of an intercepted request. */
  function believe(request: InterceptedRequest, client: Socket): Promise<ForwardRequest> {
    assert(checkHost !== undefined, 'only a transparent listener intercepts');
    return checkHost(request, client);
  }

  return {
    request(req, res, destination) {
      counts.requests += 1;
      const request = readRequest(receivedFrom(req), limits, destination);
      assert(request.kind !== 'tunnel', 'Node.js gives CONNECT an event of its own');
      // Where a refused request ends is not known, and a body sent to nobody is not worth reading.
      if (request.kind === 'refused' || (request.kind === 'direct' && request.hasBody))
        res.shouldKeepAlive = false;
      if (request.kind === 'refused') {
        const error = refusal(request);
        noteRefusal(req.socket, error);
        answerError(res, error, request.status);
      } else if (request.kind === 'direct') {
        answerItself({ req, path: request.path, isProxied: false }, res, settings.page);
      } else if (request.kind === 'intercepted') {
        believe(request, req.socket).then(
          (believed) => pass({ request: believed, req, res }),
          (error: unknown) => fail({ request: request.dialled, req, res }, asWeirError(error)),
        );
      } else if (isForPage(request, req.socket)) {
        if (request.framing.kind !== 'none') res.shouldKeepAlive = false;
        answerItself({ req, path: request.path, isProxied: true }, res, settings.page);
      } else pass({ request, req, res });
    },
    async connect(req, client, head, destination) {
      counts.requests += 1;
      const request = readRequest(receivedFrom(req), limits, destination);
      if (request.kind === 'refused') return refuse(client, refusal(request), request.status);
      assert(request.kind === 'tunnel', 'a CONNECT request is a tunnel or refused');
      counts.tunnels += 1;
      const error = await runTunnel(tunnelSettings, request.origin, client, head);
      counts.tunnels -= 1;
      if (error !== undefined) noteRefusal(client, error);
    },
    async upgrade(req, client, head, destination) {
      counts.requests += 1;
      const request = readRequest(receivedFrom(req), limits, destination);
      if (request.kind === 'refused') return refuse(client, refusal(request), request.status);
      if (request.kind !== 'forward' && request.kind !== 'intercepted')
        return refuse(client, new WeirError('WEIR_PROXY_REQUEST_REFUSED', 'no WebSocket is served here'));
      const believed = request.kind === 'forward' ? Promise.resolve(request) : believe(request, client);
      counts.tunnels += 1;
      const error = await runUpgrade({ dial, limits }, believed, req, client, head);
      counts.tunnels -= 1;
      if (error !== undefined) noteRefusal(client, error);
    },
    refuse,
    counts,
    cacheCounts: reader.counts,
    close: () => connections.close(),
  };
}

function addressOf({ remoteAddress = '' }: Socket): string {
  return canonicalAddress(remoteAddress) ?? remoteAddress;
}

function receivedFrom(req: IncomingMessage): Parameters<typeof readRequest>[0] {
  const { method = '', url = '', httpVersion, rawHeaders } = req;
  return { method, target: url, httpVersion, rawHeaders };
}

function refusal({ reason }: Extract<ProxyRequest, { kind: 'refused' }>): WeirError {
  return new WeirError('WEIR_PROXY_REQUEST_REFUSED', reason);
}
