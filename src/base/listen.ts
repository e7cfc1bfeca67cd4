import { once } from 'node:events';
import type { Server } from 'node:net';
import { WeirError } from './errors.ts';

/** Where a server listens. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Opens a server's port, 0 for any, and gives the one it has. WEIR_PORT_UNAVAILABLE. */
export async function listen(server: Server, { host, port }: ListenAddress): Promise<ListenAddress> {
  server.listen(port, host);
  await once(server, 'listening').catch((cause: unknown) => {
    throw new WeirError('WEIR_PORT_UNAVAILABLE', `port ${port} of ${host} cannot be opened`, { cause });
  });
  const bound = server.address();
  return { host, port: bound !== null && typeof bound === 'object' ? bound.port : port };
}
