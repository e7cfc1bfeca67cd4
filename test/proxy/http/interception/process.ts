import { createServer } from 'node:http';
import { openDestinationReader } from '../../../../proxy/http/original-destination.ts';
import { createDialer } from '../../../../src/base/dial.ts';
import { testProxy } from '../harness.ts';
import { SERVER_V4, SERVER_V6 } from './network.ts';

/**
 * What runs in the namespaces: `origin` on port 80, or a proxy on port 3128 that intercepts, by
 * `tproxy` on descriptor 3 or by `redirect` on port 3129; or anywhere, a proxy that `inherits`
 * descriptor 3. Writes a line for all that happens.
 */
const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  'site.test': [SERVER_V4, SERVER_V6],
  'elsewhere.test': ['203.0.113.99'],
};

async function origin(): Promise<void> {
  const server = createServer((req, res) => {
    const seen = `${req.socket.remoteAddress} ${req.headers.host}${req.url}`;
    console.log(`asked ${seen}`);
    res.setHeader('Cache-Control', 'max-age=600');
    res.end(`<${seen}>`);
  });
  server.listen(80, '::', () => console.log('ready'));
}

async function proxy(via: 'tproxy' | 'redirect'): Promise<void> {
  const { dial, addressesOf } = createDialer({
    allow: [],
    timeoutMs: 2_000,
    resolve: async (name) => ADDRESSES[name] ?? Promise.reject(new Error('no such name')),
  });
  await testProxy({
    listen: { host: '::', port: 3128 },
    clients: ['10.77.0.0/16', 'fd77:1::/32'],
    dial,
    recorder: {
      begin(passing) {
        console.log(`recorded ${passing.url}`);
        return undefined;
      },
    },
    transparent: {
      listen: via === 'tproxy' ? { fd: 3 } : { host: '::', port: 3129 },
      destinationOf: await openDestinationReader(via),
      addressesOf,
    },
  });
  console.log('ready');
}

const [, , role] = process.argv;
if (role === 'origin') await origin();
else if (role === 'tproxy' || role === 'redirect') await proxy(role);
else if (role === 'inherits') {
  await testProxy({ listen: { fd: 3 } });
  console.log('ready');
} else throw new Error('usage: process.js origin|tproxy|redirect|inherits');
