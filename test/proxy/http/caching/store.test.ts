import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { systemFiles } from '../../../../src/base/files.ts';
import { silentLog } from '../../../../src/base/log.ts';
import type { ByteStore } from '../../../../src/store/byte-store.ts';
import { openEmbeddedByteStore } from '../../../../src/store/embedded/byte-store.ts';
import { openEmbeddedRecords } from '../../../../src/store/embedded/records.ts';
import { type OpenedCatalog, openTestCatalog } from '../../../catalog/opened-catalog.ts';
import { type TestProxy, testProxy } from '../harness.ts';
import { type Answer, fieldOf } from './case.ts';
import { expectAll, type Scene, sceneOpener, told } from './scene.ts';
import { openScriptedOrigin, type ScriptedOrigin } from './scripted-origin.ts';
import { type Outcomes, playSideBySide, tellOutcome } from './side-by-side.ts';
import { type Kept, keptIn } from './stage.ts';

const FRESH = 'Cache-Control: max-age=3600';
/** Bytes that no compression hides from a search. */
const canary = (): string => randomBytes(24).toString('base64url');
const LARGE = randomBytes(2_500_000);

/** A proxy over a store on disk that can be closed and opened again. */
interface Kitchen {
  readonly directory: string;
  scene(answer: Parameters<ReturnType<typeof sceneOpener>>[0]): Scene;
  restart(): Promise<void>;
  /** Closes everything, and removes the directory. */
  close(): Promise<void>;
}

/** What the cache must do with its store, each over a directory of its own. */
interface StoreCase {
  readonly says: string;
  play(openKitchen: OpenKitchen): Promise<void>;
}

type OpenKitchen = (wrap?: (bytes: ByteStore) => ByteStore) => Promise<Kitchen>;

const CONCURRENT_CASES = 5;

describe('the cache of the HTTP proxy and its store', () => {
  const cases: StoreCase[] = [];
  let outcomes: Outcomes<StoreCase> = new Map();

  before(async function () {
    this.timeout(60_000);
    await using origin = await openScriptedOrigin();
    outcomes = await playSideBySide(cases, CONCURRENT_CASES, async ({ play }) => {
      const opened: Kitchen[] = [];
      try {
        await play(async (wrap) => {
          const kitchen = await openKitchenAt(origin, wrap);
          opened.push(kitchen);
          return kitchen;
        });
      } finally {
        for (const kitchen of opened) await kitchen.close();
      }
    });
  });

  function requires(says: string, play: StoreCase['play']): void {
    const entry = { says, play };
    cases.push(entry);
    it(says, function () {
      tellOutcome(this, outcomes, entry);
    });
  }

  const BODIES: Readonly<Record<string, Answer>> = {
    'a small body': { body: 'small' },
    'a large body': { body: LARGE },
    'a large chunked body': { body: LARGE, framing: 'chunked' },
  };
  for (const [name, answer] of Object.entries(BODIES)) {
    requires(`has ${name} after a restart, whole, in part and by its ETag`, async (openKitchen) => {
      const kitchen = await openKitchen();
      const scene = kitchen.scene({ ...answer, headers: [FRESH, 'ETag: "a"', 'X-A: 1'] });
      const body = Buffer.from(answer.body ?? '');
      await scene.get();
      await kitchen.restart();
      const got = await scene.get();
      expectAll([got], body);
      expect([fieldOf(got.headers, 'ETag'), fieldOf(got.headers, 'X-A')]).to.deep.equal(['"a"', '1']);
      const part = await scene.get({ headers: ['Range: bytes=2-2000000'] });
      expect(part.status).to.equal(206);
      expect(part.body.equals(body.subarray(2, 2_000_001))).to.equal(true);
      expect(told(await scene.get({ headers: ['If-None-Match: "a"'] }))).to.equal('304 ');
      expect(scene.asked).to.have.length(1);
    });
  }

  requires('has other answers right after a restart, kept or asked for again', async (openKitchen) => {
    const kitchen = await openKitchen();
    const empty = kitchen.scene({ headers: [FRESH], body: '' });
    const redirect = kitchen.scene({ status: 301, headers: [FRESH, 'Location: /there'], body: 'there' });
    for (const scene of [empty, redirect]) await scene.get();
    await kitchen.restart();
    expect(told(await empty.get())).to.equal('200 ');
    const got = await redirect.get();
    expect([told(got), fieldOf(got.headers, 'Location')]).to.deep.equal(['301 there', '/there']);
  });

  requires('goes on counting the age of an answer over a restart', async (openKitchen) => {
    const kitchen = await openKitchen();
    const scene = kitchen.scene({ headers: ['Cache-Control: max-age=100', 'Age: 50'] });
    await scene.get();
    await kitchen.restart();
    await sleep(1_100);
    expect(Number(fieldOf((await scene.get()).headers, 'Age'))).to.be.within(51, 56);
    expect(scene.asked).to.have.length(1);
  });

  requires('asks for what grew stale while it was stopped, under a condition', async (openKitchen) => {
    const kitchen = await openKitchen();
    const scene = kitchen.scene((nth) =>
      nth === 1
        ? { headers: ['Cache-Control: max-age=60', 'Age: 59', 'ETag: "a"'], body: LARGE }
        : { status: 304, headers: [FRESH, 'ETag: "a"'] },
    );
    await scene.get();
    await kitchen.restart();
    await sleep(1_100);
    expectAll([await scene.get()], LARGE);
    expect(fieldOf(scene.asked[1]?.headers ?? [], 'If-None-Match')).to.equal('"a"');
  });

  requires('keeps variants apart over a restart', async (openKitchen) => {
    const kitchen = await openKitchen();
    const scene = kitchen.scene((_, { headers }) => ({
      headers: [FRESH, 'Vary: X-Kind'],
      body: fieldOf(headers, 'X-Kind') ?? 'none',
    }));
    const kinds = ['a', 'b', 'c'].map((kind) => ({ headers: [`X-Kind: ${kind}`] }));
    for (const request of kinds) await scene.get(request);
    await kitchen.restart();
    for (const [index, request] of kinds.entries()) {
      expect(told(await scene.get(request))).to.equal(`200 ${['a', 'b', 'c'][index]}`);
    }
    expect(scene.asked).to.have.length(3);
    expect(told(await scene.get())).to.equal('200 none');
  });

  requires('does not bring back after a restart what an unsafe request removed', async (openKitchen) => {
    const kitchen = await openKitchen();
    const scene = kitchen.scene((nth, { method }) =>
      method === 'GET' ? { headers: [FRESH], body: `state ${nth}` } : {},
    );
    await scene.get();
    await scene.get({ method: 'POST', sends: 'x' });
    await kitchen.restart();
    expect(told(await scene.get())).to.equal('200 state 3');
  });

  requires('does not bring back after a restart what was replaced at once', async (openKitchen) => {
    const kitchen = await openKitchen();
    const scenes = Array.from({ length: 20 }, () =>
      kitchen.scene((nth, { method }) =>
        method === 'GET' ? { headers: [FRESH], body: `state ${nth} ${'.'.repeat(nth * 1_000)}` } : {},
      ),
    );
    await Promise.all(
      scenes.map(async (scene, index) => {
        await scene.get();
        await scene.get(index % 2 === 0 ? { headers: ['Cache-Control: no-cache'] } : { method: 'DELETE' });
      }),
    );
    await kitchen.restart();
    for (const scene of scenes) expect(told(await scene.get())).not.to.match(/^200 state 1/);
  });

  requires('does not bring back after a restart what was replaced', async (openKitchen) => {
    const kitchen = await openKitchen();
    const scene = kitchen.scene((nth) => ({ headers: [FRESH], body: `state ${nth}` }));
    await scene.get();
    await scene.get({ headers: ['Cache-Control: no-cache'] });
    await kitchen.restart();
    expect(told(await scene.get())).to.equal('200 state 2');
  });

  requires('writes nothing to disk of what is not shared', async (openKitchen) => {
    const kitchen = await openKitchen();
    const secrets: string[] = [];
    const secret = (): string => secrets[secrets.push(canary()) - 1] ?? '';
    const control = canary();
    const unshared: readonly (readonly [Answer, readonly string[]])[] = [
      [{ headers: ['Cache-Control: no-store'] }, []],
      [{ headers: ['Cache-Control: private, max-age=3600'] }, []],
      [{ headers: [FRESH, `Set-Cookie: ${secret()}`] }, []],
      [{ headers: [FRESH] }, [`Authorization: ${secret()}`]],
      [{ headers: [FRESH] }, ['Cache-Control: no-store', `Cookie: ${secret()}`]],
      [{ headers: [FRESH, 'Vary: *'] }, []],
      [{ headers: [FRESH], cut: 'end' }, []],
    ];
    for (const [answer, headers] of unshared) {
      const text = secret();
      await kitchen
        .scene({
          ...answer,
          body: `${text} ${'.'.repeat(50)}`,
          ...(answer.cut && { headers: [...(answer.headers ?? []), `X-A: ${secret()}`] }),
        })
        .get({ headers });
    }
    await kitchen.scene({ headers: [FRESH, `X-Control: ${control}`], body: LARGE }).get();
    await kitchen.restart();
    expect(await filesWith(kitchen.directory, Buffer.from(control)), 'what is shared').not.to.deep.equal([]);
    expect(await filesWith(kitchen.directory, LARGE.subarray(0, 64)), 'its body').not.to.deep.equal([]);
    for (const text of secrets) {
      expect(await filesWith(kitchen.directory, Buffer.from(text))).to.deep.equal([]);
    }
  });

  const LOSSES: Readonly<Record<string, (bytes: ByteStore) => ByteStore['get']>> = {
    'is gone from the store': () => async (keys) => keys.map(() => undefined),
    'cannot be read': () => async () => {
      throw new Error('the disk is on fire');
    },
  };
  for (const [name, loss] of Object.entries(LOSSES)) {
    requires(`fetches again a body that ${name}`, async (openKitchen) => {
      let isLost = false;
      const kitchen = await openKitchen((bytes) => ({
        ...bytes,
        get: (keys) => (isLost ? loss(bytes)(keys) : bytes.get(keys)),
      }));
      const scene = kitchen.scene({ headers: [FRESH], body: LARGE });
      await scene.get();
      await kitchen.restart();
      isLost = true;
      expectAll([await scene.get()], LARGE);
      expect(scene.asked).to.have.length(2);
    });
  }

  requires('passes answers on while the store takes nothing', async (openKitchen) => {
    const kitchen = await openKitchen((bytes) => ({
      ...bytes,
      put: async () => {
        throw new Error('the disk is full');
      },
    }));
    const scene = kitchen.scene({ headers: [FRESH], body: LARGE });
    expectAll(await scene.getMany([{}, {}, {}]), LARGE);
    expectAll([await scene.get()], LARGE);
    expect(told(await scene.get({ headers: ['Range: bytes=0-3'] })).slice(0, 3)).to.be.oneOf(['200', '206']);
  });

  requires('passes answers on while the store stands still', async (openKitchen) => {
    let goOn: () => void = () => {};
    const stillness = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const kitchen = await openKitchen((bytes) => ({
      ...bytes,
      put: async (...args) => {
        await stillness;
        return bytes.put(...args);
      },
    }));
    const scene = kitchen.scene({ headers: [FRESH], body: LARGE });
    expectAll(await scene.getMany([{}, {}, {}]), LARGE);
    try {
      expectAll([await scene.get()], LARGE);
    } finally {
      goOn();
    }
  });

  requires(
    'cuts an answer whose body is lost in the middle, and fetches it again for the next one',
    async (openKitchen) => {
      let readsLeft = Number.POSITIVE_INFINITY;
      const kitchen = await openKitchen((bytes) => ({
        ...bytes,
        get: async (keys) => {
          readsLeft -= 1;
          return readsLeft < 0 ? keys.map(() => undefined) : bytes.get(keys);
        },
      }));
      const scene = kitchen.scene({ headers: [FRESH], body: LARGE });
      await scene.get();
      await kitchen.restart();
      readsLeft = 2;
      const got = await scene.get();
      expect(got.body.equals(LARGE.subarray(0, got.body.length)), 'no other bytes').to.equal(true);
      expect(got.isWhole).to.equal(got.body.length === LARGE.length);
      readsLeft = Number.POSITIVE_INFINITY;
      expectAll([await scene.get()], LARGE);
    },
  );
});

let scenes = 0;

async function openKitchenAt(
  origin: ScriptedOrigin,
  wrap: (bytes: ByteStore) => ByteStore = (bytes) => bytes,
): Promise<Kitchen> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-caching-'));
  const catalog = await openTestCatalog({ name: 'disk', open: () => openDisk(directory) }, (stores) => ({
    ...stores,
    bytes: wrap(stores.bytes),
  }));
  let running: { kept: Kept; proxy: TestProxy } | undefined = await openProxy(catalog.catalog);
  const proxy = { host: '127.0.0.1', port: running.proxy.port };
  async function stop(): Promise<void> {
    await running?.proxy.close();
    await running?.kept.recorder.settle();
    running = undefined;
  }
  const kitchen: Kitchen = {
    directory,
    scene(answer) {
      scenes += 1;
      const stage = { proxy, origin, hasNames: false, [Symbol.asyncDispose]: async () => undefined };
      return sceneOpener(stage, scenes)(answer);
    },
    async restart() {
      await stop();
      running = await openProxy(await catalog.reopen());
      proxy.port = running.proxy.port;
    },
    async close() {
      await stop();
      await catalog.remove();
      await rm(directory, { recursive: true });
    },
  };
  return kitchen;
}

async function openProxy(catalog: OpenedCatalog['catalog']): Promise<{ kept: Kept; proxy: TestProxy }> {
  const kept = keptIn(catalog);
  return { kept, proxy: await testProxy(kept) };
}

async function openDisk(directory: string) {
  const openStores = async () => ({
    bytes: await openEmbeddedByteStore({
      directory: join(directory, 'bytes'),
      files: systemFiles,
      reserveBytes: 0,
    }),
    records: await openEmbeddedRecords({ path: join(directory, 'records.sqlite'), log: silentLog }),
  });
  let stores = await openStores();
  const close = async () => {
    await stores.bytes.close();
    await stores.records.close();
  };
  return {
    stores,
    async reopen() {
      await close();
      stores = await openStores();
      return stores;
    },
    remove: close,
  };
}

/** The files below `directory` in which the bytes occur. */
async function filesWith(directory: string, wanted: Buffer): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name);
    if ((await readFile(path)).includes(wanted)) found.push(path);
  }
  return found;
}
