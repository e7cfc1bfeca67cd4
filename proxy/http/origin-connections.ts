import { Agent, type ClientRequestArgs } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Duplex } from 'node:stream';
import { addressRanges, canonicalAddress } from '../../src/base/address-ranges.ts';
import type { Dial } from '../../src/base/dial.ts';
import { asWeirError, WeirError } from '../../src/base/errors.ts';
import type { HttpLimits } from './limits.ts';

const EVERY_INTERFACE = addressRanges(['0.0.0.0', '::']);
const LOOPBACK = addressRanges(['127.0.0.0/8', '::1']);

/**
 * Dials like `dial`, but refuses a connection that ends at this proxy: it would serve itself
 * until its connections are used up. Known before a byte is sent, whatever name led there.
 */
export function dialElsewhere(dial: Dial, ownAddress: () => AddressInfo): Dial {
  return async (host, port, options) => {
    const socket = await dial(host, port, options);
    const own = ownAddress();
    if (port !== own.port || !isOwn(own.address, socket.remoteAddress ?? '')) return socket;
    socket.destroy();
    throw new WeirError('WEIR_DIAL_REFUSED', `${host}:${port} is this proxy itself`, {
      facts: { host, port },
    });
  };
}

function isOwn(listening: string, remote: string): boolean {
  const address = canonicalAddress(remote);
  if (!EVERY_INTERFACE.includes(listening)) return address === canonicalAddress(listening);
  if (LOOPBACK.includes(remote)) return true;
  return Object.values(networkInterfaces()).some((entries) =>
    entries?.some((entry) => entry.address === address),
  );
}

/** Node.js' connection pool over our dial function. */
export interface OriginConnections {
  /** Connections are reused. For requests that may be sent twice and carry no body. */
  readonly shared: Agent;
  /** Every request has a connection of its own, closed afterwards. */
  readonly single: Agent;
  close(): void;
}

/**
 * A connection that carried a body is never reused: an origin that disagrees with us about where
 * the body ended would take its tail for the next subscriber's request.
 */
export function openOriginConnections(dial: Dial, limits: HttpLimits): OriginConnections {
  const shared = new OriginAgent(dial, limits.idleOriginConnections, {
    keepAlive: true,
    timeout: limits.idleOriginConnectionMs,
  });
  const single = new OriginAgent(dial, 0, { keepAlive: false });
  return {
    shared,
    single,
    close() {
      shared.destroy();
      single.destroy();
    },
  };
}

class OriginAgent extends Agent {
  readonly #dial: Dial;
  readonly #idleLimit: number;
  readonly #idle = new Set<Duplex>();

  constructor(dial: Dial, idleLimit: number, options: { keepAlive: boolean; timeout?: number }) {
    super(options);
    this.#dial = dial;
    this.#idleLimit = idleLimit;
  }

  override createConnection(
    options: ClientRequestArgs,
    callback: (error: Error | null, socket?: Duplex) => void,
  ): undefined {
    this.#dial(options.host ?? '', Number(options.port)).then(
      (socket) => {
        socket.once('close', () => this.#idle.delete(socket));
        callback(null, socket);
      },
      (error: unknown) => {
        callback(asWeirError(error));
        this.#forget(options);
      },
    );
  }

  override keepSocketAlive(socket: Duplex): boolean {
    if (this.#idle.size >= this.#idleLimit || !this.#mayReuse(socket)) return false;
    this.#idle.add(socket);
    return true;
  }

  override reuseSocket(...args: Parameters<Agent['reuseSocket']>): void {
    this.#idle.delete(args[0]);
    super.reuseSocket(...args);
  }

  /** Node.js' own judgement, which also honours the origin's `Keep-Alive: timeout`. */
  #mayReuse(socket: Duplex): boolean {
    const answer: unknown = super.keepSocketAlive(socket);
    return answer === true;
  }

  /** Node.js enters a name before it connects and leaves it there when there was no socket. */
  #forget(options: ClientRequestArgs): void {
    const name = this.getName(options);
    if (this.sockets[name]?.length === 0) Reflect.deleteProperty(this.sockets, name);
  }
}
