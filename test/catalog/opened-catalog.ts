import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Clock } from '../../src/base/clock.ts';
import { type ErrorCode, WeirError } from '../../src/base/errors.ts';
import { systemFiles } from '../../src/base/files.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { type Catalog, openCatalog } from '../../src/catalog/catalog.ts';
import type { Portion } from '../../src/catalog/contents.ts';
import type { NewObject } from '../../src/catalog/objects.ts';
import type { Scope } from '../../src/catalog/scope.ts';
import { portionLengths } from '../../src/content/chunker.ts';
import { contentId } from '../../src/content/content-id.ts';
import { fingerprint } from '../../src/content/fingerprint.ts';
import { identifierOfFile } from '../../src/content/identifier.ts';
import { portionListBuilder } from '../../src/content/portion-list.ts';
import type { ByteStore } from '../../src/store/byte-store.ts';
import { openEmbeddedByteStore } from '../../src/store/embedded/byte-store.ts';
import { openEmbeddedRecords } from '../../src/store/embedded/records.ts';
import { openMemoryByteStore } from '../../src/store/memory/byte-store.ts';
import { openMemoryRecords } from '../../src/store/memory/records.ts';
import type { Records } from '../../src/store/records.ts';

export interface Stores {
  readonly bytes: ByteStore;
  readonly records: Records;
}

/** Stores that a test may look into, fail or delay. */
export interface Drivers {
  readonly name: string;
  /** Opens new stores; `reopen` gives what a process finds that starts after this one. */
  open(): Promise<{ stores: Stores; reopen: () => Promise<Stores>; remove: () => Promise<void> }>;
}

export const MEMORY: Drivers = {
  name: 'memory',
  async open() {
    const stores = { bytes: openMemoryByteStore(), records: openMemoryRecords() };
    return { stores, reopen: async () => stores, remove: async () => undefined };
  },
};

export const EMBEDDED: Drivers = embedded('embedded', undefined);

/** With segments so small that sweeps of a few captures find some that are sealed. */
export const SMALL_SEGMENTS: Drivers = embedded('embedded, small segments', 64 * 1024);

function embedded(name: string, segmentBytes: number | undefined): Drivers {
  return {
    name,
    async open() {
      const directory = await mkdtemp(join(tmpdir(), 'weir-catalog-'));
      const openStores = async () => ({
        bytes: await openEmbeddedByteStore({
          directory: join(directory, 'bytes'),
          files: systemFiles,
          reserveBytes: 0,
          ...(segmentBytes === undefined ? {} : { segmentBytes }),
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
        async remove() {
          await close();
          await rm(directory, { recursive: true });
        },
      };
    },
  };
}

export interface ManualClock extends Clock {
  advance(durationMs: number): void;
}

export function manualClock(startMs = 1_800_000_000_000): ManualClock {
  let nowMs = startMs;
  return {
    wallMs: () => nowMs,
    monotonicMs: () => nowMs,
    advance(durationMs) {
      nowMs += durationMs;
    },
  };
}

export interface OpenedCatalog {
  readonly catalog: Catalog;
  readonly stores: Stores;
  readonly clock: ManualClock;
  /** The catalogue as the next process finds it; `stores` are that one's from then on. */
  reopen(): Promise<Catalog>;
  remove(): Promise<void>;
}

/** A catalogue over the drivers. `wrap` may put itself between, and is asked again at each reopening. */
export async function openTestCatalog(
  drivers: Drivers = MEMORY,
  wrap: (stores: Stores) => Stores = (stores) => stores,
): Promise<OpenedCatalog> {
  const opened = await drivers.open();
  const clock = manualClock();
  const open = ({ records, bytes }: Stores) => openCatalog(records, bytes, clock, systemRandom);
  let stores = wrap(opened.stores);
  return {
    catalog: await open(stores),
    get stores() {
      return stores;
    },
    clock,
    async reopen() {
      stores = wrap(await opened.reopen());
      return open(stores);
    },
    remove: opened.remove,
  };
}

/** Puts a file into a scope as a backup or a tap would. */
export async function holdFile(
  catalog: Catalog,
  scope: Scope,
  bytes: Buffer,
  isProved = false,
): Promise<NewObject> {
  const object = fileObject(bytes, isProved);
  await catalog.contents.putPortions(scope, portionsOf(object, bytes), 'passing');
  await catalog.contents.hold(scope, [object]);
  return object;
}

/** The pieces of `bytes` that the object lists. */
export function portionsOf({ portions }: NewObject, bytes: Buffer): Portion[] {
  let at = 0;
  return Array.from({ length: portions.count }, (_, index) => {
    at += portions.lengthBytes(index);
    return { id: portions.id(index), bytes: bytes.subarray(at - portions.lengthBytes(index), at) };
  });
}

export function fileObject(bytes: Buffer, isProved = false): NewObject {
  const builder = portionListBuilder();
  let at = 0;
  for (const length of portionLengths(bytes)) {
    builder.add(contentId(bytes.subarray(at, at + length)), length);
    at += length;
  }
  return {
    level: 'file',
    contentId: contentId(bytes),
    sizeBytes: bytes.length,
    identifier: identifierOfFile(fingerprint(bytes)),
    isProved,
    portions: builder.list(),
  };
}

/** The code of the WeirError that the work ends with. */
export async function codeOf(work: Promise<unknown>): Promise<ErrorCode | 'no error'> {
  try {
    await work;
    return 'no error';
  } catch (error) {
    expect(error).to.be.instanceOf(WeirError);
    return error instanceof WeirError ? error.code : 'no error';
  }
}

/** Records whose next write fails, as on a full disk, once `fail` was called. */
export function failingRecords(records: Records): { records: Records; fail: () => void } {
  let isFailing = false;
  return {
    records: {
      ...records,
      async write(operations) {
        if (!isFailing) return records.write(operations);
        isFailing = false;
        throw new WeirError('WEIR_STORE_FULL', 'no room');
      },
    },
    fail() {
      isFailing = true;
    },
  };
}
