import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { createClosers } from '../../base/closers.ts';
import { zstdCompress } from '../../base/compress.ts';
import { formatBytes, formatDuration, formatTable } from '../output.ts';
import { runWeir, startServe } from './commands.ts';
import { isText, type Origin, openOrigin } from './origin.ts';

/**
 * The main job on this machine, with the real programs: a subscriber downloads through the proxy,
 * edits one file, adds one, backs up, loses everything and gets it back. Returns whether every
 * byte came back. Everything is in a directory that goes away at the end.
 */
export async function runTour(isOnce: boolean): Promise<boolean> {
  const closers = createClosers();
  try {
    const base = await mkdtemp(join(tmpdir(), 'weir-tour-'));
    closers.defer(() => rm(base, { recursive: true, force: true }));
    const origin = await openOrigin();
    closers.defer(() => origin.close());
    const config = join(base, 'weir.yaml');
    await writeFile(config, configuration(base));
    const serve = await startServe(config);
    closers.defer(() => serve.stop());
    say(
      `A provider is running: its proxy on port ${serve.ports.get('proxy')}, its backup server on ${serve.ports.get('backup')}.`,
    );
    const isGood = await livePart({ base, origin, config, ports: serve.ports });
    if (!isOnce) await stayUp({ base, config, ports: serve.ports });
    return isGood;
  } finally {
    await closers.closeAll();
  }
}

interface Stage {
  readonly base: string;
  readonly config: string;
  readonly ports: ReadonlyMap<string, number>;
}

/** Ports of its own, so that a tour runs beside anything; loopback origins allowed, since one is here. */
function configuration(base: string): string {
  return [
    `dataDirectory: ${join(base, 'provider')}`,
    'proxy: { host: 127.0.0.1, port: 0 }',
    'backup: { host: 127.0.0.1, port: 0 }',
    `console: { host: 127.0.0.1, port: ${CONSOLE_PORT} }`,
    'dial: { allow: [127.0.0.0/8] }',
    'store: { reserveBytes: 0 }',
    '',
  ].join('\n');
}

/** The command line finds the console by its configured port, so it cannot be left to the system. */
const CONSOLE_PORT = 40_000 + (process.pid % 20_000);

async function livePart(stage: Stage & { origin: Origin }): Promise<boolean> {
  const { base, config, origin } = stage;
  const home = join(base, 'home');
  const state = join(base, 'device');
  const [added] = await runWeir('subscriber', 'add', 'ada', '--config', config);
  const { invitation } = z.object({ invitation: z.string() }).parse(added);
  await runWeir('setup', '--invite', invitation, '--device', 'laptop', '--state', state);
  say('Ada has enrolled her laptop.');

  await download(origin, stage.ports.get('proxy') ?? 0, join(home, 'Downloads'));
  await work(home, origin);
  const before = await fingerprints(home);

  const [backedUp] = await runWeir('backup', home, '--state', state);
  await rm(home, { recursive: true });
  say('She has backed up. Now her disk is gone.');
  await runWeir('restore', `latest:${home}`, '-t', home, '--state', state);
  const isGood = isSame(before, await fingerprints(home));
  say(isGood ? 'Everything is back, byte for byte.' : 'WHAT CAME BACK IS NOT WHAT WAS LOST.');
  process.stdout.write(`\n${await table(backupResult.parse(backedUp), home)}\n`);
  return isGood;
}

const backupResult = z.object({
  bytes: z.object({
    files: z.number(),
    totalBytes: z.number(),
    unchangedBytes: z.number(),
    knownBytes: z.number(),
    passedBytes: z.number(),
    portionBytes: z.number(),
    uploadedBytes: z.number(),
  }),
  lineBytes: z.object({ up: z.number(), down: z.number() }),
  durationMs: z.number(),
});

async function download({ port, files }: Origin, proxyPort: number, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const { name } of files) {
    const url = `http://127.0.0.1:${port}/${name}`;
    const get = request({
      host: '127.0.0.1',
      port: proxyPort,
      path: url,
      headers: { host: `127.0.0.1:${port}` },
    });
    const answered = once(get, 'response');
    get.end();
    const [response] = z
      .tuple([z.custom<NodeJS.ReadableStream & { statusCode: number }>()])
      .parse(await answered);
    if (response.statusCode !== 200)
      throw new Error(`the download of ${url} was answered ${response.statusCode}`);
    await pipeline(response, createWriteStream(join(directory, name)));
  }
  const total = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  say(`She has downloaded ${files.length} files, ${formatBytes(total)}, through the proxy.`);
}

/** She edits one of the downloads in the middle and writes something of her own. */
async function work(home: string, { files }: Origin): Promise<void> {
  const edited = files.find(({ name }) => isText(name));
  if (edited !== undefined) {
    const path = join(home, 'Downloads', edited.name);
    const text = await readFile(path);
    const middle = text.indexOf('\n', Math.floor(text.length / 2)) + 1;
    await writeFile(
      path,
      Buffer.concat([text.subarray(0, middle), Buffer.from('// Ada was here.\n'), text.subarray(middle)]),
    );
  }
  const diary = Array.from({ length: 4000 }, (_, day) => {
    const words = createHash('sha256').update(`${process.pid} ${day}`).digest('hex');
    return `Day ${day}: walked ${words.slice(0, 6)}, read ${words.slice(6, 20)}, thought of ${words.slice(20, 30)}.\n`;
  });
  await writeFile(join(home, 'diary.txt'), diary.join(''));
  say(`She has edited ${edited?.name ?? 'nothing'} and written a diary.`);
}

async function fingerprints(directory: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const path of await filesBelow(directory)) {
    const sum = createHash('sha256');
    await pipeline(createReadStream(path), sum);
    found.set(relative(directory, path), sum.digest('hex'));
  }
  return found;
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function isSame(left: ReadonlyMap<string, string>, right: ReadonlyMap<string, string>): boolean {
  return (
    left.size > 0 && left.size === right.size && [...left].every(([path, sum]) => right.get(path) === sum)
  );
}

async function table(result: z.infer<typeof backupResult>, home: string): Promise<string> {
  const { bytes, lineBytes } = result;
  const files = await Promise.all((await filesBelow(home)).map((path) => readFile(path)));
  const plain = zstdCompress(Buffer.concat(files), 3).length;
  const rows: [string, string, string][] = [
    ['PROTECTED BY', 'BYTES', 'SHARE'],
    ...(
      [
        ['had passed the provider, whole files', bytes.passedBytes],
        ['had passed the provider, portions', bytes.portionBytes],
        ['known from before', bytes.unchangedBytes + bytes.knownBytes],
        ['uploaded', bytes.uploadedBytes],
        ['in all', bytes.totalBytes],
      ] as const
    ).map(([source, size]): [string, string, string] => [
      source,
      formatBytes(size),
      `${((100 * size) / bytes.totalBytes).toFixed(1)} %`,
    ]),
  ];
  const lines: [string, string][] = [
    ['sent over her line', formatBytes(lineBytes.up)],
    ['received', formatBytes(lineBytes.down)],
    ['a plain upload, zstd -3, would have sent', formatBytes(plain)],
    ['that is', `${(plain / lineBytes.up).toFixed(0)} times as much`],
    ['time', formatDuration(result.durationMs)],
  ];
  return `${formatTable(rows, [1, 2])}\n\n${formatTable(lines, [1])}\n`;
}

async function stayUp({ base, config, ports }: Stage): Promise<void> {
  const state = `--state ${join(base, 'device')}`;
  const weir = `node ${relative(process.cwd(), fileURLToPath(new URL('../weir.js', import.meta.url)))}`;
  process.stdout.write(
    [
      'The provider stays up. Try, in another terminal:',
      `  ${weir} ls -l latest ${state}`,
      `  curl -x http://127.0.0.1:${ports.get('proxy')} -O http://deb.debian.org/debian/dists/stable/InRelease`,
      `  ${weir} backup . ${state}`,
      `(the operator's side: ${weir} subscriber list --config ${config})`,
      'Ctrl-C ends it and removes everything.',
      '',
    ].join('\n'),
  );
  const idle = setInterval(() => undefined, 60_000);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  clearInterval(idle);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
