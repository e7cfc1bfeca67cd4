import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Appliance, openAppliance } from '../../src/app/appliance.ts';
import { parseConfig } from '../../src/app/config.ts';
import { operatorToken } from '../../src/app/operator-token.ts';
import { silentLog } from '../../src/base/log.ts';
import { eventually, httpOrigin, rawClient } from '../proxy/http/harness.ts';

const MIB = 1024 * 1024;

describe('the appliance', () => {
  let directory = '';
  let appliance: Appliance;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weir-appliance-'));
    const text = `
dataDirectory: ${directory}
proxy: { host: 127.0.0.1, port: 0, clients: [127.0.0.0/8] }
backup: { host: 127.0.0.1, port: 0 }
console: { port: 0 }
dial: { allow: [127.0.0.0/8] }
store: { reserveBytes: 0, passingBytes: 3 MiB }
`;
    appliance = await openAppliance(parseConfig(text, 'the test'), silentLog);
    await appliance.operator.addSubscriber('ada', ['127.0.0.1']);
  });
  after(async () => {
    await appliance?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });

  async function evictedObjects(): Promise<number> {
    const { host, port } = appliance.addresses.console ?? { host: '', port: 0 };
    const headers = { authorization: `Bearer ${await operatorToken(directory)}` };
    const answer: unknown = await (await fetch(`http://${host}:${port}/api/stats`, { headers })).json();
    const room: unknown = answer instanceof Object ? Reflect.get(answer, 'room') : undefined;
    return Number(room instanceof Object ? Reflect.get(room, 'evictedObjects') : Number.NaN);
  }

  it('lets captures leave when those that came fill their room', async () => {
    await using origin = await httpOrigin((_req, res) => res.end(randomBytes(MIB)));
    const download = (name: string) =>
      rawClient(
        appliance.addresses.proxy?.port ?? 0,
        `GET http://127.0.0.1:${origin.port}/${name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      ).whole();
    await download('first');
    await appliance.settle();
    expect(await evictedObjects()).to.equal(0);
    for (let nth = 0; nth < 5; nth++) await download(`next-${nth}`);
    await appliance.settle();
    let evicted = 0;
    const look = setInterval(() => void evictedObjects().then((count) => (evicted = count)), 20);
    try {
      await eventually(() => evicted > 0, 'an object has left');
    } finally {
      clearInterval(look);
    }
  });
});
