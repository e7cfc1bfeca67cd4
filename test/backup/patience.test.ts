import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { expect } from 'chai';
import { type Channel, openChannel } from '../../backup/agent/channel.ts';
import type { Patience } from '../../backup/server/connection.ts';
import { openServerIdentity, type ServerIdentity } from '../../backup/server/identity.ts';
import { type BackupServer, openBackupServer } from '../../backup/server/server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { WeirError } from '../../src/base/errors.ts';
import { systemFiles } from '../../src/base/files.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { type Catalog, openCatalog } from '../../src/catalog/catalog.ts';
import { openMemoryByteStore } from '../../src/store/memory/byte-store.ts';
import { openMemoryRecords } from '../../src/store/memory/records.ts';
import type { Records } from '../../src/store/records.ts';
import { WIRE_VERSION } from '../../src/wire/limits.ts';
import { hello, welcome } from '../../src/wire/messages.ts';
import { listSnapshots, snapshots } from '../../src/wire/snapshots.ts';

const QUICK: Patience = { idleMs: 400, greetingMs: 300, workingMs: 100 };
const LONG_MS = 1200;
const NEVER_MS = 60_000;

describe('the patience of both sides', () => {
  let directory: string;
  let identity: ServerIdentity;
  let records: SlowRecords;
  let catalog: Catalog;
  let token: Buffer;
  let server: BackupServer | undefined;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'weir-patience-'));
    identity = await openServerIdentity(systemFiles, directory);
    records = slowRecords(openMemoryRecords());
    const bytes = openMemoryByteStore({ capacityBytes: Number.POSITIVE_INFINITY });
    catalog = await openCatalog(records, bytes, systemClock, systemRandom);
    const subscriber = await catalog.subscribers.add('ada', []);
    const invitation = await catalog.subscribers.invite(subscriber);
    token = (await catalog.subscribers.enrol(invitation, 'laptop', undefined)).token;
  });

  afterEach(async () => {
    records.delayMs = 0;
    await server?.close();
    server = undefined;
  });

  after(() => rmSync(directory, { recursive: true }));

  async function serve(patience: Patience): Promise<number> {
    const common = { catalog, clock: systemClock, random: systemRandom, log: silentLog };
    server = await openBackupServer({
      ...common,
      listen: { host: '127.0.0.1', port: 0 },
      identity,
      patience,
    });
    return server.address.port;
  }

  async function greet(port: number, workingMs: number): Promise<Channel> {
    const address = { host: '127.0.0.1', port, pin: identity.pin };
    const channel = await openChannel(address, { answerMs: QUICK.idleMs, workingMs });
    await channel.call(hello, { version: WIRE_VERSION, token }, welcome);
    return channel;
  }

  it('lasts through a scan longer than an idle session is kept, because the agent says it works', async () => {
    const channel = await greet(await serve(QUICK), QUICK.workingMs);
    await sleep(LONG_MS);
    expect(await channel.call(listSnapshots, null, snapshots)).to.deep.equal([]);
    channel.close();
  });

  it('ends a session in which the agent says nothing', async () => {
    const channel = await greet(await serve(QUICK), NEVER_MS);
    await sleep(LONG_MS);
    expect(await codeOf(channel.call(listSnapshots, null, snapshots))).to.equal('WEIR_DISCONNECTED');
  });

  it('lasts through an answer longer than the agent waits, because the provider says it works', async () => {
    const channel = await greet(await serve(QUICK), QUICK.workingMs);
    records.delayMs = LONG_MS;
    expect(await channel.call(listSnapshots, null, snapshots)).to.deep.equal([]);
    channel.close();
  });

  it('gives up on a provider that says nothing', async () => {
    const channel = await greet(await serve({ ...QUICK, workingMs: NEVER_MS, idleMs: NEVER_MS }), NEVER_MS);
    records.delayMs = LONG_MS;
    expect(await codeOf(channel.call(listSnapshots, null, snapshots))).to.equal('WEIR_DISCONNECTED');
  });

  it('cuts off whoever does not greet', async () => {
    const socket = connectTls({ port: await serve(QUICK), host: '127.0.0.1', rejectUnauthorized: false });
    socket.on('error', () => undefined).resume();
    await new Promise((resolve) => socket.once('close', resolve));
  });

  it('closes although somebody is connected who does not even begin TLS', async () => {
    const socket = connect(await serve(QUICK), '127.0.0.1');
    socket.on('error', () => undefined).resume();
    await new Promise((resolve) => socket.once('connect', resolve));
    await server?.close();
  });

  it('answers the request at hand before it closes', async () => {
    const channel = await greet(await serve(QUICK), QUICK.workingMs);
    records.delayMs = QUICK.idleMs;
    const answer = channel.call(listSnapshots, null, snapshots);
    await sleep(QUICK.workingMs);
    await server?.close();
    expect(await answer).to.deep.equal([]);
  });
});

interface SlowRecords extends Records {
  /** How long a range takes to begin. */
  delayMs: number;
}

/** The records, with a disk that can be slow. */
function slowRecords(records: Records): SlowRecords {
  return {
    delayMs: 0,
    get: (collection, keys) => records.get(collection, keys),
    write: (operations) => records.write(operations),
    async *range(collection, range) {
      if (this.delayMs > 0) await sleep(this.delayMs);
      yield* records.range(collection, range);
    },
    close: () => records.close(),
  };
}

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error instanceof WeirError ? error.code : String(error);
  }
}
