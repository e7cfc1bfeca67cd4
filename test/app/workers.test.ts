import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { systemClock } from '../../src/base/clock.ts';
import { systemFiles } from '../../src/base/files.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { type Catalog, openCatalog } from '../../src/catalog/catalog.ts';
import { openEmbeddedByteStore } from '../../src/store/embedded/byte-store.ts';
import { openEmbeddedRecords } from '../../src/store/embedded/records.ts';
import { weir } from '../backup/program.ts';
import { temporaryDirectory } from '../backup/provider.ts';
import { isAlive, type ProviderProcess, startProvider, until } from './provider-process.ts';

const HOST = '127.0.0.1';

describe('proxy workers', function () {
  this.timeout(60_000);
  let directory: { path: string } & AsyncDisposable;
  let origin: CountingOrigin;
  let provider: ProviderProcess | undefined;
  let clients: Client[];

  beforeEach(async () => {
    directory = await temporaryDirectory();
    origin = await openCountingOrigin();
    clients = [];
  });
  afterEach(async () => {
    for (const { agent } of clients) agent.destroy();
    await provider?.[Symbol.asyncDispose]();
    provider = undefined;
    await origin.close();
    await directory[Symbol.asyncDispose]();
  });

  async function start(proxy = 'workers: 2'): Promise<ProviderProcess> {
    provider = await startProvider(directory.path, proxy);
    return provider;
  }

  /** A client for each worker: connections are opened until every worker has one. */
  async function clientOfEach(from: ProviderProcess): Promise<[Client, Client]> {
    const found = new Map<number, Client>();
    for (let tries = 0; tries < 60 && found.size < 2; tries++) {
      const requests = async () =>
        new Map((await from.stats()).workers.running.map((one) => [one.pid, one.requests]));
      const before = await requests();
      const client = newClient(from.port);
      clients.push(client);
      await client.get(`http://${HOST}:${from.port}/weir-heartbeat`);
      const [pid] = [...(await requests())].find(([pid, count]) => count > (before.get(pid) ?? 0)) ?? [];
      if (pid !== undefined && !found.has(pid)) found.set(pid, client);
      // One that is busy leaves the next connection to the other.
      else if (pid !== undefined) client.agent.destroy();
    }
    const [one, other] = found.values();
    if (one === undefined || other === undefined) throw new Error('one worker got every connection');
    return [one, other];
  }

  const recorded = (from: ProviderProcess, count: number) =>
    until(`${count} recorded`, async () => (await from.stats()).recorder['recorded'] === count || undefined);

  it('share a port, and what one has fetched is a hit of the other', async () => {
    const from = await start();
    const [one, other] = await clientOfEach(from);
    const url = `${origin.url}/fresh/1`;
    const first = await one.get(url);
    await recorded(from, 1);
    const second = await other.get(url);
    expect(origin.asked(url)).to.equal(1);
    expect(second.body.equals(first.body)).to.equal(true);
    const { workers, proxy } = await from.stats();
    expect(workers.running).to.have.length(2);
    expect(proxy).to.include({ hits: 1, misses: 1 });
    expect(await from.end('SIGTERM')).to.equal(0);
    expect(workers.running.filter(({ pid }) => isAlive(pid))).to.deep.equal([]);
  });

  it('forget what an unsafe request to one of them has changed, recorded or in memory alone', async () => {
    const from = await start();
    const [one, other] = await clientOfEach(from);
    for (const path of ['/fresh/2', '/missing/2']) {
      const url = origin.url + path;
      await one.get(url);
      await one.get(url);
      expect(origin.asked(url), url).to.equal(1);
      await other.send('POST', url);
      await until('asked again', async () => ((await one.get(url)) && origin.asked(url) > 2) || undefined);
    }
  });

  it('do not keep what was on its way when an unsafe request to another changed it', async () => {
    const from = await start();
    const [one, other] = await clientOfEach(from);
    const url = `${origin.url}/slow/1`;
    const underWay = one.get(url);
    await until('asked', () => origin.asked(url) === 1 || undefined);
    await other.send('POST', url);
    await delay(100);
    origin.release();
    await underWay;
    await recorded(from, 1);
    await one.get(url);
    expect(origin.asked(url)).to.equal(3);
  });

  it('replace what one of them has for what the origin gives another', async () => {
    const from = await start();
    const [one, other] = await clientOfEach(from);
    const url = `${origin.url}/fresh/3`;
    await one.get(url);
    await recorded(from, 1);
    origin.change();
    const changed = await other.send('GET', url, { 'cache-control': 'no-cache' });
    await recorded(from, 2);
    expect((await one.get(url)).body.equals(changed.body)).to.equal(true);
    expect(origin.asked(url)).to.equal(2);
  });

  it('record for a subscriber that was added after they started, and a backup finds it', async () => {
    const from = await start();
    const invitation = await from.addSubscriber('ada', [HOST]);
    const state = join(directory.path, 'state');
    const home = join(directory.path, 'home');
    mkdirSync(home);
    const clientsOfBoth = await clientOfEach(from);
    for (const [index, client] of clientsOfBoth.entries()) {
      const { body } = await client.get(`${origin.url}/large/${index}`);
      writeFileSync(join(home, `file ${index}`), body);
    }
    await recorded(from, 2);
    const setup = await weir(['setup', '--invite', invitation, '--device', 'laptop', '--state', state]);
    expect(setup.code, setup.stderr).to.equal(0);
    const { json, code, stderr } = await weir(['backup', home, '--state', state, '--json']);
    expect(code, stderr).to.equal(0);
    expect(json.at(-1)).to.have.nested.property('bytes.passedBytes', 2 * LARGE_BYTES);
    expect(json.at(-1)).to.have.nested.property('bytes.uploadedBytes', 0);
  });

  it('count the connections of a client together', async () => {
    const from = await start('workers: 2, connectionsPerClient: 6');
    const held = Array.from({ length: 6 }, () => newClient(from.port));
    clients.push(...held);
    for (const client of held) {
      expect((await client.get(`http://${HOST}:${from.port}/weir-heartbeat`)).status).to.equal(204);
      await delay(20);
    }
    const more = newClient(from.port);
    clients.push(more);
    expect((await more.get(`http://${HOST}:${from.port}/weir-heartbeat`)).status).to.equal(503);
    held[0]?.agent.destroy();
    await until('room again', async () => {
      const client = newClient(from.port);
      clients.push(client);
      return (await client.get(`http://${HOST}:${from.port}/weir-heartbeat`)).status === 204 || undefined;
    });
  });

  it('are replaced when one is killed; the other goes on, and nothing is kept that did not pass', async () => {
    const from = await start();
    const before = (await from.stats()).workers.running.map(({ pid }) => pid);
    const [victim, survivor] = before;
    const load = startLoad(from.port, origin, 4);
    await until('load', () => load.answers > 50 || undefined);
    process.kill(victim ?? 0, 'SIGKILL');
    const after = await until('another worker', async () => {
      const { workers } = await from.stats();
      return workers.running.length === 2 && workers.ended === 1 ? workers.running : undefined;
    });
    expect(after.map(({ pid }) => pid))
      .to.include(survivor)
      .and.not.to.include(victim);
    const answered = load.answers;
    await until('more load', () => load.answers > answered + 50 || undefined);
    const { wrong, urls } = await load.stop();
    expect(wrong).to.deep.equal([]);
    expect(from.log.some(({ event, how }) => event === 'proxy.worker.ended' && how === 'SIGKILL')).to.equal(
      true,
    );
    expect(await from.end('SIGTERM')).to.equal(0);
    const kept = await keptBodies(join(directory.path, 'data'), urls);
    expect(kept.size).to.be.greaterThan(50);
    for (const [url, body] of kept) expect(body.equals(origin.bodyOf(url)), url).to.equal(true);
  });

  it('end when their owner is killed', async () => {
    const from = await start('workers: 3');
    const pids = (await from.stats()).workers.running.map(({ pid }) => pid);
    expect(pids).to.have.length(3);
    expect(await from.end('SIGKILL')).to.equal('SIGKILL');
    await until('all gone', () => !pids.some(isAlive) || undefined);
  });

  it('end in order, with what has passed recorded, when a terminal interrupts all of them at once', async () => {
    const from = await start();
    const pids = (await from.stats()).workers.running.map(({ pid }) => pid);
    const urls = Array.from({ length: 8 }, (_, index) => `${origin.url}/large/${index}`);
    clients = urls.map(() => newClient(from.port));
    await Promise.all(clients.map((client, index) => client.get(urls[index] ?? '')));
    const ended = once(from.process, 'exit');
    process.kill(-(from.process.pid ?? 0), 'SIGINT');
    expect(await ended).to.deep.equal([0, null]);
    expect(pids.filter(isAlive)).to.deep.equal([]);
    expect(from.log.map(({ event }) => event)).not.to.include('proxy.worker.ended');
    expect([...(await keptBodies(join(directory.path, 'data'), urls)).keys()]).to.deep.equal(urls);
  });

  it('do not start on a port that is taken', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, HOST, resolve));
    const { port } = taken.address() as AddressInfo;
    const config = join(directory.path, 'taken.yaml');
    writeFileSync(
      config,
      `{ dataDirectory: ${directory.path}/data, roles: [proxy], proxy: { host: ${HOST}, port: ${port}, workers: 2 }, store: { reserveBytes: 0 } }`,
    );
    const { code, stderr } = await weir(['serve', '--config', config]);
    await new Promise((resolve) => taken.close(resolve));
    expect(code, stderr).to.equal(1);
    expect(stderr).to.include('[WEIR_PORT_UNAVAILABLE]');
  });
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One connection, kept from request to request. */
interface Client {
  readonly agent: Agent;
  get(url: string): Promise<Answer>;
  send(method: string, url: string, headers?: Record<string, string>): Promise<Answer>;
}

function newClient(port: number): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const send = async (method: string, url: string, headers: Record<string, string> = {}): Promise<Answer> => {
    const own = url.startsWith(`http://${HOST}:${port}/`) ? new URL(url).pathname : url;
    const asked = request({
      host: HOST,
      port,
      path: own,
      method,
      agent,
      headers: { host: new URL(url).host, ...headers },
    });
    asked.end();
    return new Promise((resolve, reject) => {
      asked.once('error', reject);
      asked.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          });
        });
      });
    });
  };
  return { agent, send, get: (url) => send('GET', url) };
}

const LARGE_BYTES = 3_000_000;

interface CountingOrigin {
  readonly url: string;
  asked(url: string): number;
  /** What it will send for a URL until `change`. */
  bodyOf(url: string): Buffer;
  change(): void;
  /** Lets go the first answer of each URL below `/slow`, which waits for it. */
  release(): void;
  close(): Promise<void>;
}

/** Everything is fresh for a minute; `/missing` is 404. Counts requests of any method. */
async function openCountingOrigin(): Promise<CountingOrigin> {
  const counts = new Map<string, number>();
  let version = 1;
  const bodyOf = (path: string): Buffer => {
    const sizeBytes = path.startsWith('/large') ? LARGE_BYTES : 30_000;
    const seed = createHash('sha256').update(`${version} ${path}`).digest();
    const bytes = Buffer.alloc(sizeBytes, seed);
    // No two portions of it are the same.
    for (let at = 0; at + 4 < sizeBytes; at += 1024) bytes.writeUInt32LE(at, at);
    return bytes;
  };
  const released = new EventEmitter();
  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = req.url ?? '';
    counts.set(path, (counts.get(path) ?? 0) + 1);
    if (req.method !== 'GET') return void res.writeHead(204).end();
    const body = bodyOf(path);
    if (path.startsWith('/slow') && counts.get(path) === 1) await once(released, 'release');
    const status = path.startsWith('/missing') ? 404 : 200;
    res.writeHead(status, {
      'Content-Length': body.length,
      'Cache-Control': 'max-age=60',
      ETag: `"${version}"`,
    });
    res.end(body);
  }
  const server = createServer((req, res) => void answer(req, res));
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const url = `http://${HOST}:${(server.address() as AddressInfo).port}`;
  return {
    url,
    asked: (asked) => counts.get(new URL(asked).pathname) ?? 0,
    bodyOf: (of) => bodyOf(new URL(of).pathname),
    change: () => version++,
    release: () => released.emit('release'),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Clients that ask for one new URL after another, and start anew when their connection breaks. */
function startLoad(port: number, origin: CountingOrigin, count: number) {
  const urls: string[] = [];
  const wrong: string[] = [];
  let answers = 0;
  let isStopped = false;
  const run = async (): Promise<void> => {
    let client = newClient(port);
    while (!isStopped) {
      const url = `${origin.url}/load/${urls.length}`;
      urls.push(url);
      try {
        const { status, body } = await client.get(url);
        if (status !== 200 || !body.equals(origin.bodyOf(url)))
          wrong.push(`${url}: ${status}, ${body.length}`);
        answers++;
      } catch {
        client.agent.destroy();
        client = newClient(port);
      }
    }
    client.agent.destroy();
  };
  const running = Array.from({ length: count }, run);
  return {
    get answers() {
      return answers;
    },
    async stop() {
      isStopped = true;
      await Promise.all(running);
      return { wrong, urls };
    },
  };
}

/** The bodies that a provider which has ended holds for its cache, by URL. */
async function keptBodies(data: string, urls: readonly string[]): Promise<Map<string, Buffer>> {
  const bytes = await openEmbeddedByteStore({
    directory: join(data, 'bytes'),
    files: systemFiles,
    reserveBytes: 0,
  });
  const records = await openEmbeddedRecords({ path: join(data, 'records.sqlite'), log: silentLog });
  try {
    const catalog = await openCatalog(records, bytes, systemClock, systemRandom);
    const kept = new Map<string, Buffer>();
    for (const url of urls) {
      const body = await keptBody(catalog, url);
      if (body !== undefined) kept.set(url, body);
    }
    return kept;
  } finally {
    await records.close();
    await bytes.close();
  }
}

async function keptBody(catalog: Catalog, url: string): Promise<Buffer | undefined> {
  const [response] = await catalog.responses.find(url);
  const scope = response && catalog.scopeOf(response.body.scope);
  if (response === undefined || scope === undefined) return undefined;
  const [portions] = await catalog.contents.portionsOf(scope, 'file', [response.body.contentId]);
  if (portions === undefined) return undefined;
  const ids = Array.from({ length: portions.count }, (_, index) => portions.id(index));
  const read = await catalog.contents.uncheckedPortions(scope, ids);
  return Buffer.concat(read.map((portion) => portion ?? Buffer.alloc(0)));
}
