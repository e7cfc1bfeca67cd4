import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import { type ListenAddress, listen } from '../../src/base/listen.ts';
import { CLOSE_TIMEOUT_MS, Connection, type ConnectionOptions, GREETING_TIMEOUT_MS } from './connection.ts';
import type { ServerIdentity } from './identity.ts';
import { createRefusals } from './refusals.ts';

export interface BackupServer {
  readonly address: ListenAddress;
  /** Connections open now, greeted or not. */
  readonly sessions: number;
  /** Lets the requests at hand be answered, then closes every connection. */
  close(): Promise<void>;
}

export interface BackupServerOptions extends ConnectionOptions {
  readonly listen: ListenAddress;
  readonly identity: ServerIdentity;
}

export const MAX_SESSIONS = 256;
export const MAX_SESSIONS_PER_ADDRESS = 64;
/** Connections before TLS is through count too. */
export const MAX_CONNECTIONS = 1024;

/** Opens the port on which agents speak docs/wire.md over TLS 1.3. */
export async function openBackupServer(options: BackupServerOptions): Promise<BackupServer> {
  const { identity, log } = options;
  const serving = new Map<Connection, Promise<void>>();
  const refusals = createRefusals();
  const server = createServer({
    key: identity.key,
    cert: identity.cert,
    minVersion: 'TLSv1.3',
    handshakeTimeout: GREETING_TIMEOUT_MS,
  });
  server.maxConnections = MAX_CONNECTIONS;
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('secureConnection', (socket) => {
    const connection = new Connection(socket, refusals, options);
    const ofAddress = [...serving.keys()].filter(({ address }) => address === connection.address).length;
    const isBusy = serving.size >= MAX_SESSIONS || ofAddress >= MAX_SESSIONS_PER_ADDRESS;
    serving.set(connection, connection.serve(isBusy));
    socket.once('close', () => serving.delete(connection));
  });
  server.on('tlsClientError', (error) => log.warn('backup.tls_failed', { reason: error.message }));
  const address = await listen(server, options.listen);
  return {
    address,
    get sessions() {
      return serving.size;
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      const handled = Promise.all(serving.values());
      for (const connection of serving.keys()) connection.close();
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, CLOSE_TIMEOUT_MS);
      await Promise.all([closed, handled]);
      clearTimeout(timer);
      refusals.close();
    },
  };
}
