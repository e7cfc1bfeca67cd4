import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { runWeir } from '../../src/app/tour/commands.ts';
import { zstdCompress } from '../../src/base/compress.ts';
import { copyProvider, type Provider, passTree, startProvider } from './provider.ts';
import { alignedTable } from './table.ts';
import { makeTree } from './trees.ts';

const FILES = 10_000;
const TOTAL_BYTES = 200e6;
const SEED = 2;
const SETTLE_MS = 2_000;

const result = z.object({
  lineBytes: z.object({ up: z.number(), down: z.number() }),
  bytes: z.object({ files: z.number(), uploadedBytes: z.number() }),
});

/** Bytes up at the agent's TCP socket, TLS and all, against the budgets of docs/wire.md. */
export async function runUplink(): Promise<void> {
  const base = await mkdtemp(join(tmpdir(), 'weir-uplink-'));
  const rows: string[][] = [];
  try {
    const source = join(base, 'tree');
    makeTree({ directory: source, files: FILES, totalBytes: TOTAL_BYTES, seed: SEED });
    let provider = await startProvider(join(base, 'provider'));
    await passTree(source, provider.proxyPort);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));

    const matched = await backUp(provider, source);
    const each = matched.lineBytes.up / FILES;
    rows.push(['new files, all matched', `${each.toFixed(2)} B a file`, '24', verdict(each <= 24)]);
    const again = await backUp(provider, source);
    rows.push(['unchanged tree', `${again.lineBytes.up} B`, '4096', verdict(again.lineBytes.up <= 4096)]);

    const plain = join(base, 'plain');
    await mkdir(plain);
    const reference = await unmatched(plain);
    const uploaded = await backUp(provider, plain);
    const ratio = uploaded.lineBytes.up / reference;
    rows.push([
      'files nothing matches, 2 to 300 kB',
      `${ratio.toFixed(3)} × zstd -3`,
      '1.03',
      verdict(ratio <= 1.03),
    ]);

    await appendFile(join(source, await someFile(source)), 'one line more\n');
    const edited = await backUp(provider, source);
    rows.push(['one line appended to one file', `${edited.lineBytes.up} B`, '', '']);
    await provider.stop();
    await copyProvider(join(base, 'provider'), join(base, 'reopened'));
    provider = await startProvider(join(base, 'reopened'));
    const reopened = await backUp(provider, source);
    rows.push([
      'unchanged, provider restarted',
      `${reopened.lineBytes.up} B`,
      '4096',
      verdict(reopened.lineBytes.up <= 4096),
    ]);
    await provider.stop();
    console.log(`${FILES} files, ${TOTAL_BYTES} bytes, seed ${SEED}`);
    console.log(alignedTable(['bytes up at the socket', 'measured', 'at most', ''], rows));
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

async function backUp(provider: Provider, path: string): Promise<z.infer<typeof result>> {
  const [line] = await runWeir('backup', path, '--state', provider.state);
  return result.parse(line);
}

/** Documents that exist nowhere else: real words in an order of their own. Gives what zstd -3 makes of all of it. */
async function unmatched(directory: string): Promise<number> {
  const words = (await readFile(new URL(import.meta.url), 'utf8')).split(/\W+/).filter(Boolean);
  let state = SEED;
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  const texts: Buffer[] = [];
  for (let file = 0; file < 200; file++) {
    const length = 2_000 + Math.floor(random() ** 3 * 300_000);
    let text = '';
    while (text.length < length) text += `${words[Math.floor(random() * words.length)]} `;
    texts.push(Buffer.from(text));
    await writeFile(join(directory, `document-${String(file).padStart(3, '0')}.txt`), text);
  }
  return zstdCompress(Buffer.concat(texts), 3).length;
}

async function someFile(directory: string): Promise<string> {
  const names = await readdir(directory, { recursive: true });
  return names.find((name) => name.endsWith('.js')) ?? '';
}

function verdict(isReached: boolean): string {
  return isReached ? 'reached' : 'MISSED';
}
