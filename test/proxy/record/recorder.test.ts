import { expect } from 'chai';
import { catalogKeeper } from '../../../proxy/record/keeper.ts';
import { recordingPolicy } from '../../../proxy/record/policy.ts';
import {
  createRecorder,
  MAX_BODY_QUEUE_BYTES,
  MAX_QUEUE_BYTES,
  type StoringRecorder,
} from '../../../proxy/record/recorder.ts';
import type { Passing, Recording } from '../../../proxy/record/recording.ts';
import { WeirError } from '../../../src/base/errors.ts';
import type { Log } from '../../../src/base/log.ts';
import { systemRandom } from '../../../src/base/random.ts';
import type { Scope } from '../../../src/catalog/scope.ts';
import { contentId } from '../../../src/content/content-id.ts';
import type { ByteStore } from '../../../src/store/byte-store.ts';
import { chance } from '../../base/seeded.ts';
import { fileObject, type OpenedCatalog, openTestCatalog } from '../../catalog/opened-catalog.ts';
import { RECORD_ALL } from './record-all.ts';

type Changes = Partial<Omit<Passing, 'mediaType'>>;

const ADDRESS = '10.0.0.1';
const MAX_BODY = 400 * 1024 * 1024;
const { bytes } = chance(9);
const LARGE = bytes(900_000);

interface Bench extends OpenedCatalog {
  readonly recorder: StoringRecorder;
  readonly scope: Scope;
  readonly warnings: Record<string, unknown>[];
}

async function openBench(
  wrap: (store: ByteStore) => ByteStore = (store) => store,
  maxBodyBytes = MAX_BODY,
): Promise<Bench> {
  const opened = await openTestCatalog(undefined, ({ records, bytes: store }) => ({
    records,
    bytes: wrap(store),
  }));
  const { scope } = await opened.catalog.subscribers.add('ada', [ADDRESS]);
  const warnings: Record<string, unknown>[] = [];
  const log: Log = { info() {}, error() {}, warn: (event, facts) => warnings.push({ event, ...facts }) };
  const { catalog, clock } = opened;
  const policy = recordingPolicy({ ...RECORD_ALL, maxBodyBytes });
  const recorder = createRecorder({
    keeper: catalogKeeper(catalog),
    clock,
    random: systemRandom,
    log,
    policy,
  });
  return { ...opened, recorder, scope, warnings };
}

function passing(changes: Changes = {}): Passing {
  return {
    clientAddress: ADDRESS,
    url: 'http://origin.test/file',
    sizeBytes: undefined,
    etag: undefined,
    lastModified: undefined,
    mediaType: undefined,
    isSharedCacheable: true,
    ...changes,
  };
}

function started(recorder: StoringRecorder, changes: Changes = {}): Recording {
  const recording = recorder.begin(passing(changes));
  if (recording === undefined) throw new Error('the recorder declined');
  return recording;
}

/** Lets a body pass in pieces of the lengths, repeated. The pieces are overwritten behind it, as a socket's are. */
function pass(
  recording: Recording,
  body: Uint8Array,
  lengths: readonly [number, ...number[]] = [65_536],
): void {
  for (let at = 0, turn = 0; at < body.length; turn++) {
    const length = lengths[turn % lengths.length] ?? 1;
    const piece = Buffer.from(body.subarray(at, at + length));
    recording.write(piece);
    piece.fill(0xee);
    at += length;
  }
  void recording.finish();
}

async function heldBytes({ catalog, scope }: Bench, body: Buffer): Promise<Buffer | undefined> {
  const object = fileObject(body);
  const [found] = catalog.contents.find(scope, 'file', object.identifier, object.sizeBytes, 1);
  if (found === undefined) return undefined;
  expect(Buffer.from(found.contentId).equals(contentId(body))).to.equal(true);
  const [list] = await catalog.contents.portionsOf(scope, 'file', [found.contentId]);
  if (list === undefined) return undefined;
  expect(list.count < 2 || list.packed.equals(object.portions.packed), 'the cuts of the format').to.equal(
    true,
  );
  const pieces = await catalog.contents.portions(
    scope,
    Array.from({ length: list.count }, (_, index) => list.id(index)),
  );
  return Buffer.concat(pieces.map((piece) => piece ?? Buffer.from('missing')));
}

/** A store whose puts wait until they are released. */
function stalling(): {
  wrap: (store: ByteStore) => ByteStore;
  release: () => void;
  readonly waitingBytes: number;
} {
  let held: (() => void)[] = [];
  let waitingBytes = 0;
  let isReleased = false;
  return {
    wrap: (store) => ({
      ...store,
      async put(entries, retention) {
        waitingBytes += entries.reduce((sum, { bytes: { length } }) => sum + length, 0);
        if (!isReleased) await new Promise<void>((resolve) => held.push(resolve));
        return store.put(entries, retention);
      },
    }),
    release() {
      isReleased = true;
      for (const go of held) go();
      held = [];
    },
    get waitingBytes() {
      return waitingBytes;
    },
  };
}

describe('recorder', () => {
  it('keeps what passes, in whatever pieces, under the cuts and ids of the format', async () => {
    const bench = await openBench();
    const bodies: [Buffer, readonly [number, ...number[]]][] = [
      [Buffer.from('x'), [1]],
      [bytes(16_384), [16_384]],
      [bytes(50_000), [1, 7, 1460, 3]],
      [bytes(262_144), [100_000, 1]],
      [Buffer.alloc(1_500_000), [65_536]],
      [LARGE, [LARGE.length]],
      [bytes(3_000_001), [1_048_577, 13]],
    ];
    for (const [index, [body, lengths]] of bodies.entries()) {
      pass(
        started(bench.recorder, { url: `http://origin.test/${index}`, sizeBytes: body.length }),
        body,
        lengths,
      );
    }
    await bench.recorder.settle();
    for (const [body] of bodies)
      expect((await heldBytes(bench, body))?.equals(body), `${body.length}`).to.equal(true);
    const recordedBytes = bodies.reduce((sum, [body]) => sum + body.length, 0);
    expect(bench.recorder.stats).to.include({
      recorded: bodies.length,
      recordedBytes,
      dropped: 0,
      abandoned: 0,
    });
    const ledger = await bench.catalog.captures.lookUp(bench.scope, 'http://origin.test/5');
    expect(ledger).to.include({ sizeBytes: LARGE.length, timeMs: bench.clock.wallMs() });
  });

  it('keeps bodies apart that pass at the same time', async () => {
    const bench = await openBench();
    const bodies = [bytes(400_000), bytes(400_000), bytes(400_000)];
    const recordings = bodies.map((_, index) =>
      started(bench.recorder, { url: `http://origin.test/${index}` }),
    );
    for (let at = 0; at < 400_000; at += 10_000)
      for (const [index, recording] of recordings.entries())
        recording.write(bodies[index]?.subarray(at, at + 10_000) ?? Buffer.alloc(0));
    for (const recording of recordings) void recording.finish();
    await bench.recorder.settle();
    for (const body of bodies) expect((await heldBytes(bench, body))?.equals(body)).to.equal(true);
  });

  it('declines those it does not know, the suspended, the empty and the too large', async () => {
    const bench = await openBench(undefined, 1000);
    const declines = (changes: Changes) =>
      expect(bench.recorder.begin(passing(changes)), JSON.stringify(changes)).to.equal(undefined);
    declines({ clientAddress: '10.0.0.2' });
    declines({ clientAddress: '' });
    declines({ sizeBytes: 0 });
    declines({ sizeBytes: 1001 });
    started(bench.recorder, { sizeBytes: 1000 }).abandon();
    started(bench.recorder, { clientAddress: `::ffff:${ADDRESS}` }).abandon();
    await bench.catalog.subscribers.change('ada', { isSuspended: true });
    declines({});
    await bench.catalog.subscribers.change('ada', { isSuspended: false });
    started(bench.recorder).abandon();
    expect(bench.recorder.stats).to.include({ recorded: 0, dropped: 0, abandoned: 3 });
  });

  it('keeps nothing of a body that turns out empty', async () => {
    const bench = await openBench();
    const recording = started(bench.recorder);
    recording.write(Buffer.alloc(0));
    void recording.finish();
    await bench.recorder.settle();
    expect(bench.recorder.stats).to.include({ recorded: 0, dropped: 0 });
    expect(bench.catalog.contents.entries).to.equal(0);
  });

  it('gives up a body that grows too large, and counts it once', async () => {
    const bench = await openBench(undefined, 100_000);
    const recording = started(bench.recorder);
    for (let round = 0; round < 20; round++) recording.write(LARGE.subarray(0, 10_000));
    expect(await recording.finish()).to.equal(undefined);
    await bench.recorder.settle();
    expect(bench.recorder.stats).to.include({ recorded: 0, dropped: 0 });
    expect(bench.recorder.stats.refused.tooLarge).to.equal(1);
    expect(bench.recorder.stats.refused.tooSmall).to.equal(0);
    expect(bench.catalog.contents.entries).to.equal(0);
  });

  it('leaves nothing to be found of a body that is abandoned', async () => {
    const bench = await openBench();
    const recording = started(bench.recorder, { sizeBytes: LARGE.length, etag: '"1"' });
    recording.write(LARGE.subarray(0, 850_000));
    recording.abandon();
    await bench.recorder.settle();
    expect(bench.recorder.stats).to.include({ recorded: 0, abandoned: 1, dropped: 0 });
    expect(bench.catalog.contents.entries).to.equal(0);
    expect(await heldBytes(bench, LARGE)).to.equal(undefined);
    expect(await bench.catalog.captures.lookUp(bench.scope, 'http://origin.test/file')).to.equal(undefined);
    pass(started(bench.recorder, { sizeBytes: LARGE.length, etag: '"1"' }), LARGE);
    await bench.recorder.settle();
    expect(bench.recorder.stats).to.include({ recorded: 1, recognised: 0 });
  });

  it('does not wait for a store that stalls: the body is dropped, counted and bounded', async () => {
    const stall = stalling();
    const bench = await openBench(stall.wrap);
    const recording = started(bench.recorder);
    const piece = bytes(1024 * 1024);
    let slowestMs = 0;
    let mostBytes = 0;
    const before = memoryBytes();
    for (let sent = 0; sent < MAX_BODY_QUEUE_BYTES * 3; sent += piece.length) {
      const startedAt = performance.now();
      recording.write(piece);
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
      mostBytes = Math.max(mostBytes, memoryBytes() - before);
    }
    void recording.finish();
    expect(slowestMs, 'the slowest write').to.be.lessThan(250);
    expect(mostBytes).to.be.lessThan(MAX_BODY_QUEUE_BYTES * 1.5);
    expect(stall.waitingBytes).to.be.within(MAX_BODY_QUEUE_BYTES / 2, MAX_BODY_QUEUE_BYTES);
    expect(bench.recorder.stats).to.include({ recorded: 0, dropped: 1 });
    expect(bench.warnings.map(({ reason }) => reason)).to.deep.equal(['the store does not keep up']);

    const waited = started(bench.recorder, { url: 'http://origin.test/other' });
    pass(waited, LARGE);
    const settled = bench.recorder.settle();
    stall.release();
    await settled;
    expect(bench.recorder.stats).to.include({ recorded: 1, dropped: 1 });
    expect((await heldBytes(bench, LARGE))?.equals(LARGE)).to.equal(true);
  }).timeout(20_000);

  it('leaves what the store was handed alone until it has put it', async () => {
    const handed: { bytes: Uint8Array; copy: Buffer }[] = [];
    const stall = stalling();
    const bench = await openBench((store) => ({
      ...stall.wrap(store),
      put(entries, retention) {
        for (const { bytes: part } of entries) handed.push({ bytes: part, copy: Buffer.from(part) });
        return stall.wrap(store).put(entries, retention);
      },
    }));
    const bodies = [20_000, 70_000, 200_000, 1_000_000, 65_536, 65_536].map((length) => bytes(length));
    const record = (body: Buffer, changes: Changes) =>
      pass(started(bench.recorder, { url: `http://origin.test/${body.length}`, ...changes }), body);
    for (const body of bodies) record(body, { sizeBytes: body.length });
    for (const body of bodies) record(body, {});
    const abandoned = started(bench.recorder);
    abandoned.write(LARGE);
    abandoned.abandon();
    await new Promise((resolve) => setImmediate(resolve));
    record(bytes(1_000_000), {});
    expect(handed.length).to.be.greaterThan(30);
    for (const { bytes: part, copy } of handed) expect(copy.equals(part)).to.equal(true);
    stall.release();
    await bench.recorder.settle();
    for (const body of bodies) expect((await heldBytes(bench, body))?.equals(body)).to.equal(true);
    const before = new Set(handed.splice(0).map(({ bytes: part }) => part.buffer));
    record(bytes(1_000_000), {});
    await bench.recorder.settle();
    expect(
      handed.some(({ bytes: part }) => before.has(part.buffer)),
      'memory is used again',
    ).to.equal(true);
  });

  it('frees its queue when the store goes on, and records again', async () => {
    const stall = stalling();
    const bench = await openBench(stall.wrap);
    const piece = bytes(1024 * 1024);
    for (let body = 0; body < 6; body++) {
      const recording = bench.recorder.begin(passing({ url: `http://origin.test/${body}` }));
      for (let sent = 0; recording && sent < 60; sent++) recording.write(piece);
    }
    expect(bench.recorder.stats.dropped, 'above the bound of all bodies').to.be.greaterThan(0);
    expect(stall.waitingBytes).to.be.within(MAX_QUEUE_BYTES / 2, MAX_QUEUE_BYTES);
    stall.release();
    await new Promise((resolve) => setTimeout(resolve, 50));
    pass(started(bench.recorder), LARGE);
    await bench.recorder.settle();
    expect(bench.recorder.stats.recorded).to.equal(1);
  }).timeout(20_000);

  it('counts what lies in bodies that have not ended, and frees it with them', async () => {
    const bench = await openBench();
    const before = memoryBytes();
    const open = Array.from({ length: 500 }, (_, index) => {
      const recording = bench.recorder.begin(passing({ url: `http://origin.test/${index}` }));
      recording?.write(LARGE.subarray(0, 600_000));
      return recording;
    });
    expect(memoryBytes() - before, 'bytes held').to.be.lessThan(MAX_QUEUE_BYTES * 1.25);
    expect(open.filter((recording) => recording !== undefined).length).to.be.within(
      MAX_QUEUE_BYTES / 900_000,
      MAX_QUEUE_BYTES / 500_000,
    );
    expect(bench.recorder.stats.dropped).to.be.greaterThan(50);
    for (const recording of open) recording?.abandon();
    for (let body = 0; body < 300; body++) {
      const recording = started(bench.recorder);
      recording.write(LARGE);
      if (body % 2 === 0) void recording.finish();
      else recording.abandon();
      if (body % 20 === 0) await bench.recorder.settle();
    }
    await bench.recorder.settle();
    expect(bench.recorder.stats).to.include({ recorded: 150 });
  }).timeout(20_000);

  for (const [how, fail] of [
    ['rejects', () => Promise.reject(new WeirError('WEIR_STORE_FULL', 'the disk is full'))],
    [
      'throws',
      () => {
        throw new WeirError('WEIR_STORE_FULL', 'the disk is full');
      },
    ],
  ] as const) {
    it(`drops and counts a body when the store ${how}`, async () => {
      const bench = await openBench((store) => ({ ...store, put: fail }));
      for (const body of [LARGE, bytes(5 * 1024 * 1024)]) pass(started(bench.recorder), body);
      await bench.recorder.settle();
      expect(bench.recorder.stats).to.include({ recorded: 0, dropped: 2 });
      expect(bench.warnings.map(({ reason }) => reason)).to.deep.equal([
        'the disk is full',
        'the disk is full',
      ]);
      expect(bench.catalog.contents.entries).to.equal(0);
      expect(await bench.catalog.captures.lookUp(bench.scope, 'http://origin.test/file')).to.equal(undefined);
    });
  }

  it('catches what is waited for', async () => {
    const bench = await openBench();
    const { identifier, sizeBytes } = fileObject(LARGE);
    const wanted = { identifier, sizeBytes, deadlineMs: 1, priority: 0 };
    await bench.catalog.records.write([bench.catalog.watchList.enter(bench.scope, wanted)]);
    bench.catalog.watchList.entered(bench.scope, wanted);
    pass(started(bench.recorder), LARGE);
    await bench.recorder.settle();
    expect(bench.recorder.stats).to.include({ recorded: 1, caught: 1 });
    expect(bench.catalog.watchList.entries).to.equal(0);
  });
});

describe('recorder, at the second passing', () => {
  const MODIFIED = 'Fri, 20 Nov 2026 13:00:00 GMT';
  let puts: number;
  let bench: Bench;

  beforeEach(async () => {
    puts = 0;
    bench = await openBench((store) => ({
      ...store,
      put(entries, retention) {
        puts += 1;
        return store.put(entries, retention);
      },
    }));
  });

  async function twice(first: Changes, second: Changes, body = LARGE, again = body): Promise<void> {
    pass(started(bench.recorder, { sizeBytes: body.length, ...first }), body, [1000, 77]);
    await bench.recorder.settle();
    puts = 0;
    pass(started(bench.recorder, { sizeBytes: again.length, ...second }), again, [4096, 1]);
    await bench.recorder.settle();
  }

  for (const [name, validators] of Object.entries({
    'a strong entity tag': { etag: '"v1"' },
    'a modification time': { lastModified: MODIFIED },
    'a weak tag and a modification time': { etag: 'W/"v1"', lastModified: MODIFIED },
  })) {
    it(`recognises a body by ${name}, in other pieces, and puts nothing`, async () => {
      await twice(validators, validators);
      expect(bench.recorder.stats).to.include({ recorded: 1, recognised: 1, misjudged: 0 });
      expect(puts).to.equal(0);
    });
  }

  for (const [name, [first, second]] of Object.entries({
    'without a validator': [{}, {}],
    'with a weak tag alone': [{ etag: 'W/"v1"' }, { etag: 'W/"v1"' }],
    'with another tag': [{ etag: '"v1"' }, { etag: '"v2"' }],
    'whose tag has become weak': [{ etag: '"v1"' }, { etag: 'W/"v1"' }],
    'with another time': [{ lastModified: MODIFIED }, { lastModified: `${MODIFIED}2` }],
    'of another URL': [{ etag: '"v1"' }, { etag: '"v1"', url: 'http://origin.test/other' }],
    'of unknown length': [{ etag: '"v1"' }, { etag: '"v1"', sizeBytes: undefined }],
  } satisfies Record<string, [Changes, Changes]>)) {
    it(`records a body ${name} again`, async () => {
      await twice(first, second);
      expect(bench.recorder.stats).to.include({ recorded: 2, recognised: 0, misjudged: 0 });
      expect(puts).to.be.greaterThan(0);
    });
  }

  it('recognises what the cache keeps from its third passing on, since it comes back as a hit', async () => {
    const kept = { etag: '"v1"', keep: () => undefined };
    await twice(kept, kept);
    expect(bench.recorder.stats).to.include({ recorded: 2, recognised: 0 });
    puts = 0;
    pass(started(bench.recorder, { sizeBytes: LARGE.length, ...kept }), LARGE);
    await bench.recorder.settle();
    expect(bench.recorder.stats).to.include({ recorded: 2, recognised: 1, misjudged: 0 });
    expect(puts).to.equal(0);
  });

  it('records for another subscriber what it knows from one', async () => {
    await bench.catalog.subscribers.add('bob', ['10.0.0.2']);
    await twice({ etag: '"v1"' }, { etag: '"v1"', clientAddress: '10.0.0.2' });
    expect(bench.recorder.stats).to.include({ recorded: 2, recognised: 0 });
  });

  it('misjudges other bytes under the same validators once, and records them when they pass next', async () => {
    const changed = Buffer.from(LARGE);
    changed[LARGE.length - 1] = (changed[LARGE.length - 1] ?? 0) ^ 1;
    const validators = { etag: '"v1"' };
    await twice(validators, validators, LARGE, changed);
    expect(bench.recorder.stats).to.include({ recorded: 1, recognised: 0, misjudged: 1 });
    expect(await heldBytes(bench, changed)).to.equal(undefined);
    pass(started(bench.recorder, { sizeBytes: changed.length, ...validators }), changed);
    await bench.recorder.settle();
    expect((await heldBytes(bench, changed))?.equals(changed)).to.equal(true);
    pass(started(bench.recorder, { sizeBytes: changed.length, ...validators }), changed);
    await bench.recorder.settle();
    expect(bench.recorder.stats).to.include({ recorded: 2, recognised: 1, misjudged: 1 });
  });

  it('judges nothing by a body that is abandoned', async () => {
    pass(started(bench.recorder, { sizeBytes: LARGE.length, etag: '"v1"' }), LARGE);
    await bench.recorder.settle();
    const recording = started(bench.recorder, { sizeBytes: LARGE.length, etag: '"v1"' });
    recording.write(LARGE.subarray(0, 10));
    recording.abandon();
    pass(started(bench.recorder, { sizeBytes: LARGE.length, etag: '"v1"' }), LARGE);
    await bench.recorder.settle();
    expect(bench.recorder.stats).to.include({ recorded: 1, recognised: 1, abandoned: 1, misjudged: 0 });
  });
});

function memoryBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
