import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COLUMNS, type Contender, measureContenders, PEERS } from './peers.ts';
import { copyProvider, passTree, startProvider } from './provider.ts';
import { comparisonTable } from './table.ts';
import { makeTree } from './trees.ts';

const FILES = 15_000;
const TOTAL_BYTES = 500e6;
const SEED = 1;
const REPEATS = 3;
/** The recorder syncs what passed last before it answers for it. */
const SETTLE_MS = 2_000;
const weir = fileURLToPath(new URL('../../src/app/weir.js', import.meta.url));

/**
 * A first backup of a tree all of which has passed the provider, and its restore, beside restic and
 * borg with a fresh local repository. Restores go to the temporary directory: on a slow file system
 * creating files is what is measured, so set TMPDIR=/dev/shm to see the programs.
 */
export async function runSpeed(): Promise<void> {
  const base = await mkdtemp(join(tmpdir(), 'weir-speed-'));
  try {
    const source = join(base, 'tree');
    const tree = makeTree({ directory: source, files: FILES, totalBytes: TOTAL_BYTES, seed: SEED });
    const template = join(base, 'template');
    const provider = await startProvider(template);
    const passed = await passTree(source, provider.proxyPort);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    await provider.stop();
    console.log(
      `${tree.files} files, ${tree.totalBytes} bytes, seed ${tree.seed}; passed the proxy: ${passed.files}`,
    );
    const rows = await measureContenders([...PEERS, contender(template)], source, REPEATS);
    console.log(comparisonTable(COLUMNS, rows));
    console.log('CPU and RSS of weir are those of the agent; the provider is a process of its own.');
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

function contender(template: string): Contender {
  const command = (directory: string, args: readonly string[]) => ({
    program: process.execPath,
    args: [weir, ...args],
    directory,
  });
  return {
    name: 'weir',
    version: [process.execPath, weir, '--version'],
    async start(place) {
      await copyProvider(template, join(place.repository, 'provider'));
      const provider = await startProvider(join(place.repository, 'provider'));
      return () => provider.stop();
    },
    backup: (place) =>
      command(place.source, ['backup', '-q', place.source, '--state', stateOf(place.repository)]),
    restore: (place) =>
      command(place.target, [
        'restore',
        '-q',
        `latest:${place.source}`,
        '-t',
        place.target,
        '--state',
        stateOf(place.repository),
      ]),
  };
}

function stateOf(repository: string): string {
  return join(repository, 'provider', 'device');
}
