import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { assert } from '../../src/base/assert.ts';
import type { Dial } from '../../src/base/dial.ts';
import { WeirError } from '../../src/base/errors.ts';
import type { Log } from '../../src/base/log.ts';
import type { Recorder } from '../record/recording.ts';
import { answerError, refuseConnection } from './answer.ts';
import { answerDirect } from './direct.ts';
import { createForwarder } from './forward.ts';
import type { HttpLimits } from './limits.ts';
import { type ProxyRequest, readRequest } from './request.ts';
import { runTunnel } from './tunnel.ts';

export interface ServiceSettings {
  readonly dial: Dial;
  readonly connectPorts: readonly number[];
  readonly recorder: Recorder;
  readonly log: Log;
  readonly version: string;
  readonly limits: HttpLimits;
}

/** What is done with a request once its connection is admitted and its turn has come. */
export interface Service {
  request(req: IncomingMessage, res: ServerResponse): void;
  connect(req: IncomingMessage, client: Socket, head: Buffer): Promise<void>;
  /** Turns away a connection that is in no state to be answered otherwise. */
  refuse(client: Socket, error: WeirError, status?: number): void;
  readonly counts: Readonly<ServiceCounts>;
  close(): void;
}

export interface ServiceCounts {
  /** Open now, or being opened. */
  tunnels: number;
  requests: number;
  /** Requests and connections not accepted. */
  refused: number;
  /** Accepted, then broken by the origin or on the way to it. */
  failed: number;
}

export function createService(settings: ServiceSettings): Service {
  const { dial, recorder, limits, log, version } = settings;
  const tunnelSettings = { dial, ports: settings.connectPorts, idleMs: limits.tunnelIdleMs };
  const counts: ServiceCounts = { tunnels: 0, requests: 0, refused: 0, failed: 0 };
  const forwarder = createForwarder({
    dial,
    recorder,
    limits,
    onFailure({ request, req }, error) {
      counts.failed += 1;
      const { code, message } = error;
      log.info('proxy.exchange.failed', {
        client: req.socket.remoteAddress,
        url: request.url,
        code,
        message,
      });
    },
  });

  function noteRefusal(client: Socket, { code, message }: WeirError): void {
    counts.refused += 1;
    log.info('proxy.refused', { client: client.remoteAddress, code, message });
  }

  function refuse(client: Socket, error: WeirError, status?: number): void {
    noteRefusal(client, error);
    refuseConnection(client, error, status);
  }

  return {
    request(req, res) {
      counts.requests += 1;
      const request = readRequest(receivedFrom(req), limits);
      assert(request.kind !== 'tunnel', 'Node.js gives CONNECT an event of its own');
      // Where a refused request ends is not known, and a body sent to nobody is not worth reading.
      if (request.kind === 'refused' || (request.kind === 'direct' && request.hasBody))
        res.shouldKeepAlive = false;
      if (request.kind === 'refused') {
        const error = refusal(request);
        noteRefusal(req.socket, error);
        answerError(res, error, request.status);
      } else if (request.kind === 'direct') answerDirect(req, res, request.path, version);
      else forwarder.forward({ request, req, res });
    },
    async connect(req, client, head) {
      counts.requests += 1;
      const request = readRequest(receivedFrom(req), limits);
      if (request.kind === 'refused') return refuse(client, refusal(request), request.status);
      assert(request.kind === 'tunnel', 'a CONNECT request is a tunnel or refused');
      counts.tunnels += 1;
      const error = await runTunnel(tunnelSettings, request.origin, client, head);
      counts.tunnels -= 1;
      if (error !== undefined) noteRefusal(client, error);
    },
    refuse,
    counts,
    close: () => forwarder.close(),
  };
}

function receivedFrom(req: IncomingMessage): Parameters<typeof readRequest>[0] {
  const { method = '', url = '', httpVersion, rawHeaders } = req;
  return { method, target: url, httpVersion, rawHeaders };
}

function refusal({ reason }: Extract<ProxyRequest, { kind: 'refused' }>): WeirError {
  return new WeirError('WEIR_PROXY_REQUEST_REFUSED', reason);
}
