import { expect } from 'chai';
import { ask, get, httpOrigin, rawClient, statusOf, testProxy } from './harness.ts';

describe('what origins are told by the HTTP proxy', () => {
  async function toldWith(
    announce: { via?: boolean; forwarded?: boolean },
    method: string,
  ): Promise<string[]> {
    const told: string[] = [];
    await using origin = await httpOrigin((req, res) => {
      for (const name of ['via', 'forwarded']) told.push(String(req.headers[name]));
      req.resume().on('end', () => res.end());
    });
    await using proxy = await testProxy({ announce });
    const request = get(origin, '/', 'Via: 1.1 before\r\nForwarded: for=10.1.1.1\r\n').replace('GET', method);
    await ask(proxy, request);
    return told;
  }

  for (const method of ['GET', 'DELETE']) {
    it(`nothing by itself, and what the client said stays (${method})`, async () => {
      expect(await toldWith({}, method)).to.deep.equal(['1.1 before', 'for=10.1.1.1']);
    });

    it(`of the proxy and of the client where that is wanted (${method})`, async () => {
      expect(await toldWith({ via: true }, method)).to.deep.equal(['1.1 before, 1.1 weir', 'for=10.1.1.1']);
      const both = await toldWith({ via: true, forwarded: true }, method);
      expect(both).to.deep.equal(['1.1 before, 1.1 weir', 'for=10.1.1.1, for=127.0.0.1']);
    });
  }
});

describe('a client the HTTP proxy knows by name', () => {
  it('has one bound for all its addresses, its own where it has one', async () => {
    await using origin = await httpOrigin((_req, res) => res.end());
    const clientAt = (address: string) =>
      address === '127.0.0.9' ? undefined : { name: 'ada', connections: 2 };
    await using proxy = await testProxy({ clientAt, limits: { connectionsPerClient: 1 } });
    const from = async (address: string) =>
      statusOf(await rawClient(proxy.port, get(origin), address).whole());
    const open = ['127.0.0.2', '127.0.0.3'].map((address) => rawClient(proxy.port, 'GET', address));
    while (proxy.stats().connections < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await from('127.0.0.4')).to.equal(503);
    expect(await from('127.0.0.9'), 'somebody else').to.equal(200);
    open[0]?.socket.destroy();
    while (proxy.stats().connections > 1) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await from('127.0.0.4'), 'again').to.equal(200);
    open[1]?.socket.destroy();
  });
});
