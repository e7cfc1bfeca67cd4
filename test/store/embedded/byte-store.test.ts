import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Files, systemFiles } from '../../../src/base/files.ts';
import { openEmbeddedByteStore } from '../../../src/store/embedded/byte-store.ts';
import { diskByteStoreContract, type OpenedDiskByteStore } from '../../contract/byte-store.ts';

diskByteStoreContract('embedded', () => openHarness(16 * 1024 * 1024));
diskByteStoreContract('embedded, with small segments', () => openHarness(64 * 1024));

async function openHarness(segmentBytes: number): Promise<OpenedDiskByteStore> {
  const parent = await mkdtemp(join(tmpdir(), 'weir-bytes-'));
  const directory = join(parent, 'store');
  const faults = { isFull: false, syncsFail: false };
  const files = faultyFiles(faults);
  const open = () => openEmbeddedByteStore({ directory, files, segmentBytes, reserveBytes: 0 });
  let store = await open();
  return {
    store,
    sealedAfterBytes: segmentBytes,
    async reopen() {
      await store.close();
      store = await open();
      return store;
    },
    corrupt: (key) => flipPayload(join(directory, 'segments'), key),
    setFull: (isFull) => {
      faults.isFull = isFull;
    },
    failSyncs: () => {
      faults.syncsFail = true;
    },
    async remove() {
      await store.close();
      await rm(parent, { recursive: true });
    },
  };
}

/** The real file system, which on demand has no room, or a disk that fails to sync. */
function faultyFiles(faults: { readonly isFull: boolean; readonly syncsFail: boolean }): Files {
  return {
    ...systemFiles,
    async open(path, mode) {
      const file = await systemFiles.open(path, mode);
      return {
        ...file,
        // A full disk takes what still fits without an error, as Linux does.
        write: (bytes, at) =>
          faults.isFull ? file.write(bytes.subarray(0, 30), at).then(() => 0) : file.write(bytes, at),
        datasync: () => (faults.syncsFail ? Promise.reject(eio()) : file.datasync()),
      };
    },
  };
}

function eio(): Error {
  return Object.assign(new Error('EIO'), { code: 'EIO' });
}

const RECORD_KEY_TO_PAYLOAD = 32;

async function flipPayload(directory: string, key: Uint8Array): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const bytes = await readFile(path);
    const at = bytes.indexOf(key);
    if (at < 0) continue;
    const payloadAt = at + RECORD_KEY_TO_PAYLOAD;
    bytes[payloadAt] = (bytes[payloadAt] ?? 0) ^ 4;
    await writeFile(path, bytes);
    return;
  }
  throw new Error('no such key in any segment');
}
