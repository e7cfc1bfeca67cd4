import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type AddressRanges, canonicalAddress } from '../../src/base/address-ranges.ts';
import { WeirError } from '../../src/base/errors.ts';
import type { HttpLimits } from './limits.ts';

/** The client connections of the proxy: who may have one, how many, and what each is doing. */
export interface ClientConnections {
  /** Takes in a new connection. Throws WEIR_PROXY_CLIENT_REFUSED or WEIR_SERVER_BUSY. */
  admit(socket: Socket): void;
  /** Admitted, and no answer is under way that something written now would run into. */
  isIdle(socket: Socket): boolean;
  /**
   * Starts an exchange when those before it on the connection are over. Node.js hands over
   * pipelined requests all at once; one at a time bounds what a connection can set in motion, and
   * lets nothing be done for requests that follow a refused one.
   */
  inTurn(socket: Socket, res: ServerResponse, start: () => void): void;
  readonly size: number;
  /** Cuts every connection by a reset: an end could pass for the end of an answer. */
  resetAll(): void;
}

interface Connection {
  isBusy: boolean;
  readonly waiting: (() => void)[];
}

export function openClientConnections(clients: AddressRanges, limits: HttpLimits): ClientConnections {
  const connections = new Map<Socket, Connection>();
  const perClient = new Map<string, number>();

  function begin(socket: Socket, connection: Connection, res: ServerResponse, start: () => void): void {
    connection.isBusy = true;
    res.once('close', () => {
      connection.isBusy = false;
      if (socket.writable) connection.waiting.shift()?.();
    });
    start();
  }

  return {
    admit(socket) {
      const address = socket.remoteAddress ?? '';
      if (!clients.includes(address)) {
        throw new WeirError('WEIR_PROXY_CLIENT_REFUSED', `the proxy is not for ${address}`);
      }
      const client = clientOf(address);
      const count = (perClient.get(client) ?? 0) + 1;
      if (count > limits.connectionsPerClient) {
        throw new WeirError(
          'WEIR_SERVER_BUSY',
          `more than ${limits.connectionsPerClient} connections from ${address}`,
        );
      }
      perClient.set(client, count);
      connections.set(socket, { isBusy: false, waiting: [] });
      socket.once('close', () => {
        connections.delete(socket);
        const left = (perClient.get(client) ?? 1) - 1;
        if (left === 0) perClient.delete(client);
        else perClient.set(client, left);
      });
    },
    isIdle: (socket) => connections.get(socket)?.isBusy === false,
    inTurn(socket, res, start) {
      const connection = connections.get(socket);
      if (connection === undefined) return;
      if (!connection.isBusy) begin(socket, connection, res, start);
      else if (connection.waiting.length < limits.pipelinedRequests) {
        connection.waiting.push(() => begin(socket, connection, res, start));
      } else socket.destroy();
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
function clientOf(address: string): string {
  const canonical = canonicalAddress(address) ?? address;
  if (!canonical.includes(':')) return canonical;
  const [before = '', after] = canonical.split('::');
  const left = before === '' ? [] : before.split(':');
  const right = after === undefined || after === '' ? [] : after.split(':');
  const zeros = new Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}
