import { createReadStream, existsSync } from 'node:fs';
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { Agent, createServer, request } from 'node:http';
import { join, relative } from 'node:path';
import { runWeir, startServe } from '../../src/app/tour/commands.ts';
import { assert } from '../../src/base/assert.ts';

/** A provider as a process of its own, with one subscriber at 127.0.0.1 who is enrolled. */
export interface Provider {
  readonly directory: string;
  readonly state: string;
  readonly proxyPort: number;
  stop(): Promise<void>;
}

/** Starts the provider of a directory, enrolling the subscriber the first time. */
export async function startProvider(directory: string): Promise<Provider> {
  await mkdir(directory, { recursive: true });
  const config = join(directory, 'weir.yaml');
  const state = join(directory, 'device');
  if (!existsSync(config)) await writeFile(config, configuration(directory));
  const serve = await startServe(config);
  if (!existsSync(join(state, 'enrolment'))) {
    const [added] = await runWeir('subscriber', 'add', 'ada', '--config', config);
    assert(typeof added === 'object' && added !== null && 'invitation' in added, 'an invitation is printed');
    await runWeir('setup', '--invite', String(added.invitation), '--device', 'bench', '--state', state);
  }
  return { directory, state, proxyPort: serve.ports.get('proxy') ?? 0, stop: () => serve.stop() };
}

/** Copies a provider that is stopped. */
export async function copyProvider(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true });
  await writeFile(join(to, 'weir.yaml'), configuration(to));
}

/** An enrolment names the port, so copies of a provider must keep it. One provider runs at a time. */
const BACKUP_PORT = 27_400;
const CONSOLE_PORT = 27_480;

function configuration(directory: string): string {
  return [
    `dataDirectory: ${join(directory, 'data')}`,
    'proxy: { host: 127.0.0.1, port: 0 }',
    `backup: { host: 127.0.0.1, port: ${BACKUP_PORT} }`,
    `console: { host: 127.0.0.1, port: ${CONSOLE_PORT} }`,
    'dial: { allow: [127.0.0.0/8] }',
    'store: { reserveBytes: 0 }',
    '',
  ].join('\n');
}

const DOWNLOADS_AT_ONCE = 8;

/** Lets every file of a tree pass the proxy, from an origin on loopback. Gives the files and bytes that passed. */
export async function passTree(tree: string, proxyPort: number): Promise<{ files: number; bytes: number }> {
  const origin = createServer((asked, answer) => {
    createReadStream(join(tree, decodeURIComponent(asked.url ?? '/')))
      .on('error', () => answer.destroy())
      .pipe(answer);
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const bound = origin.address();
  assert(bound !== null && typeof bound === 'object', 'the origin listens');
  const agent = new Agent({ keepAlive: true, maxSockets: DOWNLOADS_AT_ONCE });
  const names = (await readdir(tree, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(tree, join(entry.parentPath, entry.name)));
  let next = 0;
  let bytes = 0;
  const worker = async () => {
    for (let name = names[next++]; name !== undefined; name = names[next++]) {
      const path = `http://127.0.0.1:${bound.port}/${name.split('/').map(encodeURIComponent).join('/')}`;
      const passed = await pass(path, proxyPort, agent);
      bytes += passed;
    }
  };
  await Promise.all(Array.from({ length: DOWNLOADS_AT_ONCE }, worker));
  agent.destroy();
  origin.closeAllConnections();
  await new Promise((resolve) => origin.close(resolve));
  return { files: names.length, bytes };
}

function pass(path: string, port: number, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port, path, agent, headers: { host: '127.0.0.1' } },
      (answer) => {
        let bytes = 0;
        answer.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
        });
        answer.on('end', () =>
          answer.statusCode === 200 ? resolve(bytes) : reject(new Error(`${path}: ${answer.statusCode}`)),
        );
        answer.on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.end();
  });
}
