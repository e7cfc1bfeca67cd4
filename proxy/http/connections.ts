import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type AddressRanges, canonicalAddress } from '../../src/base/address-ranges.ts';
import { WeirError } from '../../src/base/errors.ts';
import type { HttpLimits } from './limits.ts';
import type { Origin } from './request.ts';

/** The client connections of the proxy: who may have one, how many, and what each is doing. */
export interface ClientConnections {
  /**
   * Takes in a new connection; `destination` is where an intercepted one was going. Throws
   * WEIR_PROXY_CLIENT_REFUSED or WEIR_SERVER_BUSY.
   */
  admit(socket: Socket, destination: Origin | undefined): void;
  has(socket: Socket): boolean;
  destinationOf(socket: Socket): Origin | undefined;
  /** Admitted, and no answer is under way that something written now would run into. */
  isIdle(socket: Socket): boolean;
  /**
   * Starts an exchange when those before it on the connection are over. Node.js hands over
   * pipelined requests all at once; one at a time bounds what a connection can set in motion, and
   * lets nothing be done for requests that follow a refused one.
   */
  inTurn(req: IncomingMessage, res: ServerResponse): void;
  readonly size: number;
  /** Cuts every connection by a reset: an end could pass for the end of an answer. */
  resetAll(): void;
}

/** Begins an exchange whose turn has come. */
export type Start = (req: IncomingMessage, res: ServerResponse, destination: Origin | undefined) => void;

interface Connection {
  readonly destination: Origin | undefined;
  isBusy: boolean;
  readonly waiting: [IncomingMessage, ServerResponse][];
}

/** A client that is known by more than an address. */
export interface KnownClient {
  /** Counts its connections from all its addresses together. */
  readonly name: string;
  /** How many it may have, where that is not the limit for everybody. */
  readonly connections: number | undefined;
}

/** The connections that clients have to other processes which serve the same port. */
export interface ElsewhereConnections {
  /** How many a client has there, as far as this process has been told. */
  of(client: string): number;
  /** Tells them how many it has here. */
  tell(client: string, connections: number): void;
}

export const NOWHERE_ELSE: ElsewhereConnections = { of: () => 0, tell: () => {} };

export function openClientConnections(
  clients: AddressRanges,
  limits: HttpLimits,
  clientAt: (address: string) => KnownClient | undefined,
  start: Start,
  elsewhere: ElsewhereConnections,
): ClientConnections {
  const connections = new Map<Socket, Connection>();
  const perClient = new Map<string, number>();

  function count(client: string, change: 1 | -1): void {
    const left = (perClient.get(client) ?? 0) + change;
    if (left === 0) perClient.delete(client);
    else perClient.set(client, left);
    elsewhere.tell(client, left);
  }

  function begin(connection: Connection, req: IncomingMessage, res: ServerResponse): void {
    connection.isBusy = true;
    res.on('close', startNext);
    start(req, res, connection.destination);
  }

  /** One listener for all, since there is one exchange after another on thousands of connections. */
  function startNext(this: ServerResponse): void {
    const { socket } = this.req;
    const connection = connections.get(socket);
    if (connection === undefined) return;
    connection.isBusy = false;
    const next = socket.writable ? connection.waiting.shift() : undefined;
    if (next !== undefined) begin(connection, ...next);
  }

  return {
    admit(socket, destination) {
      const address = socket.remoteAddress ?? '';
      if (!clients.includes(address)) {
        throw new WeirError('WEIR_PROXY_CLIENT_REFUSED', `the proxy is not for ${address}`);
      }
      const canonical = canonicalAddress(address) ?? address;
      const known = clientAt(canonical);
      const client = known === undefined ? networkOf(canonical) : `name ${known.name}`;
      const most = known?.connections ?? limits.connectionsPerClient;
      if ((perClient.get(client) ?? 0) + elsewhere.of(client) >= most)
        throw new WeirError('WEIR_SERVER_BUSY', `more than ${most} connections from ${address}`);
      count(client, 1);
      connections.set(socket, { destination, isBusy: false, waiting: [] });
      socket.once('close', () => {
        connections.delete(socket);
        count(client, -1);
      });
    },
    has: (socket) => connections.has(socket),
    destinationOf: (socket) => connections.get(socket)?.destination,
    isIdle: (socket) => connections.get(socket)?.isBusy === false,
    inTurn(req, res) {
      const connection = connections.get(req.socket);
      if (connection === undefined) return;
      if (!connection.isBusy) begin(connection, req, res);
      else if (connection.waiting.length < limits.pipelinedRequests) connection.waiting.push([req, res]);
      else req.socket.destroy();
    },
    get size() {
      return connections.size;
    },
    resetAll() {
      for (const socket of connections.keys()) socket.resetAndDestroy();
    },
  };
}

/** An IPv6 subscriber has a whole /64 to connect from. */
function networkOf(canonical: string): string {
  if (!canonical.includes(':')) return canonical;
  const [before = '', after] = canonical.split('::');
  const left = before === '' ? [] : before.split(':');
  const right = after === undefined || after === '' ? [] : after.split(':');
  const zeros = new Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}
