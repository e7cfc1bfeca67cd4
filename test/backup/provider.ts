import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { enrolDevice } from '../../backup/agent/enrol.ts';
import type { Enrolment } from '../../backup/agent/session.ts';
import { openServerIdentity } from '../../backup/server/identity.ts';
import { openBackupServer } from '../../backup/server/server.ts';
import { catalogKeeper } from '../../proxy/record/keeper.ts';
import { recordingPolicy } from '../../proxy/record/policy.ts';
import { createRecorder } from '../../proxy/record/recorder.ts';
import { systemClock } from '../../src/base/clock.ts';
import { createClosers } from '../../src/base/closers.ts';
import { systemFiles } from '../../src/base/files.ts';
import { silentLog } from '../../src/base/log.ts';
import { type Random, systemRandom } from '../../src/base/random.ts';
import { type Catalog, openCatalog } from '../../src/catalog/catalog.ts';
import type { Contents } from '../../src/catalog/contents.ts';
import type { Subscriber } from '../../src/catalog/subscribers.ts';
import type { Level } from '../../src/content/identifier.ts';
import type { ByteStore } from '../../src/store/byte-store.ts';
import { openEmbeddedByteStore } from '../../src/store/embedded/byte-store.ts';
import { openEmbeddedRecords } from '../../src/store/embedded/records.ts';
import { RECORD_ALL } from '../proxy/record/record-all.ts';

/** A temporary directory that is removed at the end. */
export async function temporaryDirectory(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'weir-backup-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** What a test may do while the provider works. In the test's own process, so it happens in between. */
export interface Watching {
  /** The agent has asked for identifiers of this level; nothing is answered yet. */
  onAsk?: ((level: Level) => void) | undefined;
  /** Portions are durable and not acknowledged yet. */
  onStored?: ((bytes: number) => void) | undefined;
}

/** The real backup server and recorder over a real catalogue and store in a directory, without the proxy before them. */
export interface TestProvider extends AsyncDisposable {
  readonly directory: string;
  readonly catalog: Catalog;
  readonly bytes: ByteStore;
  readonly port: number;
  readonly pin: Buffer;
  readonly watching: Watching;
  add(name: string, address?: string): Promise<Subscriber>;
  /** An invitation for a device of the subscriber. */
  invite(subscriber: Subscriber): Promise<{ host: string; port: number; pin: Buffer; token: Buffer }>;
  /** Adds a subscriber and enrols a device. */
  enrol(name: string): Promise<Enrolment>;
  /** Lets bytes pass to an address as the proxy does; durable when it resolves. */
  pass(address: string, url: string, bytes: Uint8Array): Promise<void>;
  readonly sessions: number;
}

interface ProviderOptions {
  readonly port?: number;
  readonly random?: Random;
  readonly segmentBytes?: number;
}

export async function openProvider(
  directory: string,
  { port = 0, random = systemRandom, ...segments }: ProviderOptions = {},
): Promise<TestProvider> {
  const closers = createClosers();
  await mkdir(directory, { recursive: true });
  const bytes = await openEmbeddedByteStore({
    directory: join(directory, 'bytes'),
    files: systemFiles,
    reserveBytes: 0,
    ...segments,
  });
  closers.defer(() => bytes.close());
  const records = await openEmbeddedRecords({ path: join(directory, 'records.sqlite'), log: silentLog });
  closers.defer(() => records.close());
  const identity = await openServerIdentity(systemFiles, directory);
  const watching: Watching = {};
  const opened = await openCatalog(records, bytes, systemClock, systemRandom);
  const catalog = { ...opened, contents: watched(opened.contents, watching) };
  const parts = { catalog, clock: systemClock, random, log: silentLog };
  const recorder = createRecorder({
    ...parts,
    keeper: catalogKeeper(catalog),
    policy: recordingPolicy(RECORD_ALL),
  });
  closers.defer(() => recorder.settle());
  const server = await openBackupServer({ ...parts, listen: { host: '127.0.0.1', port }, identity });
  closers.defer(() => server.close());
  const { subscribers } = catalog;
  const provider: TestProvider = {
    directory,
    catalog,
    bytes,
    port: server.address.port,
    pin: identity.pin,
    watching,
    add: (name, address) => subscribers.add(name, address === undefined ? [] : [address]),
    async invite(subscriber) {
      const token = await subscribers.invite(subscriber);
      return { host: '127.0.0.1', port: server.address.port, pin: identity.pin, token };
    },
    async enrol(name) {
      const subscriber = subscribers.byName(name) ?? (await provider.add(name));
      return (await enrolDevice(await provider.invite(subscriber), 'laptop')).enrolment;
    },
    async pass(clientAddress, url, passing) {
      const about = {
        mediaType: undefined,
        etag: undefined,
        lastModified: undefined,
        isSharedCacheable: false,
      };
      const recording = recorder.begin({ clientAddress, url, sizeBytes: passing.length, ...about });
      recording?.write(passing);
      void recording?.finish();
      await recorder.settle();
    },
    get sessions() {
      return server.sessions;
    },
    [Symbol.asyncDispose]: () => closers.closeAll(),
  };
  return provider;
}

/** The contents themselves, telling what passes. */
function watched(contents: Contents, watching: Watching): Contents {
  const own: Partial<Contents> = {
    find(scope, level, identifier, sizeBytes, limit) {
      watching.onAsk?.(level);
      return contents.find(scope, level, identifier, sizeBytes, limit);
    },
    async putPortions(scope, portions, retention) {
      await contents.putPortions(scope, portions, retention);
      watching.onStored?.(portions.reduce((sum, { bytes }) => sum + bytes.length, 0));
    },
  };
  return new Proxy(contents, {
    get(target, name) {
      const value: unknown = Reflect.get(own, name) ?? Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
