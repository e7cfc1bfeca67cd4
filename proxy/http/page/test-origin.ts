import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type ListenAddress, listen } from '../../../src/base/listen.ts';
import { isTestDownload, testDownload } from './page-answer.ts';

/** Where test downloads come from when the cache has to fetch one: a port of the loopback, opened by the first. */
export interface TestOrigin {
  /** A connection to it. Fails with WEIR_PORT_UNAVAILABLE, or as net.connect does. */
  dial(): Promise<Socket>;
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';

export function createTestOrigin(): TestOrigin {
  const server = createServer(({ url = '' }, res) => {
    if (!isTestDownload(url)) return res.writeHead(404).end();
    const { status, headers, body } = testDownload(url);
    return res.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) }).end(body);
  });
  let opening: Promise<ListenAddress> | undefined;
  return {
    async dial() {
      opening ??= listen(server, { host: LOOPBACK, port: 0 });
      const { port } = await opening;
      const socket = connect(port, LOOPBACK);
      await once(socket, 'connect');
      return socket;
    },
    async close() {
      if (opening === undefined) return;
      await opening.catch(() => undefined);
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
