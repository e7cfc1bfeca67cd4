import { createReadStream, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from '../../base/assert.ts';

/** A web server on loopback with real files from the packages installed beside this program. */
export interface Origin {
  readonly port: number;
  readonly files: readonly OriginFile[];
  close(): Promise<void>;
}

export interface OriginFile {
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
}

const MIN_FILE_BYTES = 400_000;
const MAX_FILE_BYTES = 30_000_000;
const WANTED_FILES = 6;
const packages = fileURLToPath(new URL('../../../../node_modules', import.meta.url));

export async function openOrigin(): Promise<Origin> {
  const files = await findFiles();
  const server = createServer((request, response) => {
    const file = files.find(({ name }) => request.url === `/${name}`);
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    const { mtime } = statSync(file.path);
    response.writeHead(200, { 'content-length': file.sizeBytes, 'last-modified': mtime.toUTCString() });
    createReadStream(file.path).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  assert(bound !== null && typeof bound === 'object', 'a listening server has an address');
  return {
    port: bound.port,
    files,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Some large files of different names: one text to be edited, the rest whatever is largest. */
async function findFiles(): Promise<OriginFile[]> {
  const found: OriginFile[] = [];
  for (const entry of await readdir(packages, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(js|mjs|cjs|ts|wasm|node|map|json)$|^[a-z-]+$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const sizeBytes = statSync(path).size;
    if (sizeBytes >= MIN_FILE_BYTES && sizeBytes <= MAX_FILE_BYTES)
      found.push({ name: basename(path), path, sizeBytes });
  }
  found.sort((left, right) => right.sizeBytes - left.sizeBytes || (left.path < right.path ? -1 : 1));
  const distinct = found.filter((file, index) => found.findIndex(({ name }) => name === file.name) === index);
  const texts = distinct.filter(({ name }) => isText(name)).slice(0, WANTED_FILES / 2);
  const others = distinct.filter(({ name }) => !isText(name)).slice(0, WANTED_FILES - texts.length);
  return [...texts, ...others];
}

export function isText(name: string): boolean {
  return /\.(js|mjs|cjs|ts)$/.test(name);
}
