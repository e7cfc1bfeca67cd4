import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { WeirError } from '../../../src/base/errors.ts';
import { rawClient, statusOf, testProxy } from './harness.ts';

const PROCESS = fileURLToPath(new URL('interception/process.js', import.meta.url));
const HEARTBEAT = 'GET /weir-heartbeat HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

describe('listening of the HTTP proxy', () => {
  it('goes on with a socket that another process has opened', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const fd: unknown = Reflect.get(Reflect.get(server, '_handle') as object, 'fd');
    const stdio = ['ignore', 'pipe', 'inherit', fd as number] as const;
    const child = spawn(process.execPath, [PROCESS, 'inherits'], { stdio: [...stdio] });
    try {
      const [line] = await once(createInterface(child.stdout ?? process.stdin), 'line');
      expect(line).to.equal('ready');
      server.close();
      expect(statusOf(await rawClient(port, HEARTBEAT).whole())).to.equal(204);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
  });

  it('fails for a descriptor that is no such socket', async () => {
    const fd = openSync('/dev/null', 'r');
    const error = await testProxy({ listen: { fd } }).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(WeirError).and.to.have.property('code', 'WEIR_PORT_UNAVAILABLE');
    closeSync(fd);
  });

  it('opens all of its ports or none', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const listen = { host: '127.0.0.1', port: (taken.address() as AddressInfo).port };
    const transparent = { listen, destinationOf: () => undefined, addressesOf: async () => [] };
    const error = await testProxy({ transparent }).catch((reason: unknown) => reason);
    expect(error).to.have.property('code', 'WEIR_PORT_UNAVAILABLE');
    taken.close();
  });
});
