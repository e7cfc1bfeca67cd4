import type { Socket } from 'node:net';
import { canonicalAddress } from '../../src/base/address-ranges.ts';
import type { Dial } from '../../src/base/dial.ts';

/** The connections this proxy has dialled, known by the end they come from. */
export interface OwnConnections {
  readonly dial: Dial;
  /**
   * Whether a connection accepted here was dialled here: the network brings the proxy's own
   * traffic back to it, and it would serve itself until its connections are used up. Known by the
   * time the first byte arrives.
   */
  includes(accepted: Socket): boolean;
}

export function rememberConnections(dial: Dial): OwnConnections {
  const ends = new Set<string>();
  return {
    async dial(host, port, options) {
      const socket = await dial(host, port, options);
      const end = endOf(socket.localAddress, socket.localPort);
      ends.add(end);
      socket.once('close', () => ends.delete(end));
      return socket;
    },
    includes: ({ remoteAddress, remotePort }) => ends.has(endOf(remoteAddress, remotePort)),
  };
}

function endOf(address = '', port = 0): string {
  return `${canonicalAddress(address) ?? address} ${port}`;
}
