import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { assert } from '../../src/base/assert.ts';
import { WeirError } from '../../src/base/errors.ts';
import { type ListenAddress, listen } from '../../src/base/listen.ts';

/** A port to open, or the descriptor of a socket that listens already, passed on by who started us. */
export type Listen = ListenAddress | { readonly fd: number };

/** Has `server` listen. WEIR_PORT_UNAVAILABLE. */
export async function openListener(server: Server, where: Listen): Promise<AddressInfo> {
  if ('fd' in where) await inherit(server, where.fd);
  else await listen(server, where);
  return addressOf(server);
}

export function addressOf(server: Server): AddressInfo {
  const address = server.address();
  assert(address !== null && typeof address === 'object', 'the server listens on TCP');
  return address;
}

async function inherit(server: Server, fd: number): Promise<void> {
  try {
    server.listen({ fd });
    await once(server, 'listening');
  } catch (cause) {
    throw new WeirError('WEIR_PORT_UNAVAILABLE', `descriptor ${fd} is not a listening TCP socket`, { cause });
  }
}
