import { basename, dirname } from 'node:path';
import type { Files, OpenFile } from '../../src/base/files.ts';

/**
 * A file system in memory that forgets like a real one. What was not synced may be lost on
 * `powerLoss`, sector by sector, and names apart from contents; a failed sync drops bytes that
 * later syncs then vouch for, as Linux does. All choices come from one seed.
 */
export interface SimulatedFiles extends Files {
  /** Asked before each operation; what it returns happens to it. Numbers start at 0. */
  plan: (operation: Operation) => Fault | undefined;
  readonly operations: number;
  readonly isDown: boolean;
  /** The process ends: nothing is lost, every operation under way or later fails. */
  kill(): void;
  /** As `kill`, and what is not durable may be lost or torn. */
  powerLoss(): void;
  /** The machine is up again, over what is left. */
  restart(): void;
  setFreeBytes(freeBytes: number): void;
}

export interface Operation {
  readonly number: number;
  readonly name:
    | 'open'
    | 'list'
    | 'mkdir'
    | 'rename'
    | 'unlink'
    | 'syncdir'
    | 'read'
    | 'write'
    | 'sync'
    | 'truncate';
  readonly path: string;
}

/** `short`: a write takes a part only; `kill` and `power`: during the operation. */
export type Fault = 'EIO' | 'ENOSPC' | 'short' | 'kill' | 'power';

export type Chance = () => number;

/** Mulberry32: 32 bits of state are plenty to replay a run from its number. */
export function createChance(seed: number): Chance {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const SECTOR_BYTES = 512;
const TOTAL_BYTES = 2 ** 40;

type Change = { readonly at: number; readonly bytes: Buffer } | { readonly truncateTo: number };

interface SimulatedFile {
  kind: 'file';
  bytes: Buffer;
  durable: Buffer;
  unsynced: Change[];
}

type Names = Map<string, SimulatedNode>;

interface SimulatedDirectory {
  kind: 'directory';
  names: Names;
  durable: Names;
  unsynced: ((names: Names) => void)[];
}

type SimulatedNode = SimulatedFile | SimulatedDirectory;

/** With an empty `/data` that is durable. */
export function createSimulatedFiles(chance: Chance): SimulatedFiles {
  const data = emptyDirectory();
  const root: SimulatedDirectory = {
    kind: 'directory',
    names: new Map([['data', data]]),
    durable: new Map([['data', data]]),
    unsynced: [],
  };
  let operations = 0;
  let boot = 0;
  let isDown = false;
  let freeBytes = TOTAL_BYTES / 2;

  async function begin(name: Operation['name'], path: string): Promise<Fault | undefined> {
    const started = boot;
    for (let turns = Math.floor(chance() * 3); turns > 0; turns--) await Promise.resolve();
    if (isDown || started !== boot) throw systemError('EDOWN', `${name} ${path}`);
    const fault = simulated.plan({ number: operations++, name, path });
    if (fault === 'EIO' || fault === 'ENOSPC') {
      if (name === 'sync') failSync(path);
      throw systemError(fault, `${name} ${path}`);
    }
    return fault;
  }

  /** After the operation took effect, wholly or in part. */
  function finish(fault: Fault | undefined, text: string): void {
    if (fault === 'kill') simulated.kill();
    if (fault === 'power') simulated.powerLoss();
    if (isDown) throw systemError('EDOWN', text);
  }

  function lookUp(path: string): SimulatedNode | undefined {
    let node: SimulatedNode | undefined = root;
    for (const part of path.split('/').filter((text) => text !== '')) {
      node = node?.kind === 'directory' ? node.names.get(part) : undefined;
    }
    return node;
  }

  function directoryAt(path: string): SimulatedDirectory {
    const node = lookUp(path);
    if (node?.kind !== 'directory') throw systemError('ENOENT', path);
    return node;
  }

  function changeNames(directory: string, change: (names: Names) => void): void {
    const node = directoryAt(directory);
    change(node.names);
    node.unsynced.push(change);
  }

  function failSync(path: string): void {
    const node = lookUp(path);
    if (node?.kind !== 'file') return;
    node.durable = torn(node, chance);
    node.unsynced = [];
  }

  function wrap(file: SimulatedFile, path: string): OpenFile {
    const started = boot;
    const beginHere: typeof begin = async (name) => {
      if (started !== boot) throw systemError('EDOWN', path);
      return begin(name, path);
    };
    return {
      async read(target, position) {
        const fault = await beginHere('read', path);
        const bytes = file.bytes.subarray(position, position + target.length);
        target.set(bytes);
        finish(fault, path);
        return bytes.length;
      },
      async write(bytes, position) {
        const fault = await beginHere('write', path);
        const isWhole = fault === undefined && chance() < 0.9;
        const written = isWhole ? bytes.length : Math.ceil(bytes.length * chance());
        apply(file, { at: position, bytes: Buffer.from(bytes.subarray(0, written)) });
        finish(fault, path);
        return written;
      },
      async datasync() {
        const fault = await beginHere('sync', path);
        if (fault === undefined) {
          file.durable = file.unsynced.reduce(changed, file.durable);
          file.unsynced = [];
        }
        finish(fault, path);
      },
      async truncate(sizeBytes) {
        const fault = await beginHere('truncate', path);
        apply(file, { truncateTo: sizeBytes });
        finish(fault, path);
      },
      sizeBytes: async () => file.bytes.length,
      async close() {},
    };
  }

  const simulated: SimulatedFiles = {
    plan: () => undefined,
    get operations() {
      return operations;
    },
    get isDown() {
      return isDown;
    },
    kill() {
      isDown = true;
      boot++;
    },
    powerLoss() {
      simulated.kill();
      lose(root, chance);
    },
    restart() {
      isDown = false;
    },
    setFreeBytes(bytes) {
      freeBytes = bytes;
    },
    async open(path, mode) {
      const fault = await begin('open', path);
      const found = lookUp(path);
      if (mode === 'create') {
        if (found !== undefined) throw systemError('EEXIST', path);
        const file: SimulatedFile = {
          kind: 'file',
          bytes: Buffer.alloc(0),
          durable: Buffer.alloc(0),
          unsynced: [],
        };
        changeNames(dirname(path), (names) => names.set(basename(path), file));
        finish(fault, path);
        return wrap(file, path);
      }
      if (found?.kind !== 'file') throw systemError('ENOENT', path);
      finish(fault, path);
      return wrap(found, path);
    },
    async list(directory) {
      finish(await begin('list', directory), directory);
      return [...directoryAt(directory).names.keys()];
    },
    async makeDirectory(directory) {
      const fault = await begin('mkdir', directory);
      const parts = directory.split('/').filter((text) => text !== '');
      for (let depth = 1; depth <= parts.length; depth++) {
        const path = `/${parts.slice(0, depth).join('/')}`;
        if (lookUp(path) !== undefined) continue;
        const made = emptyDirectory();
        changeNames(dirname(path), (names) => names.set(basename(path), made));
      }
      finish(fault, directory);
    },
    async rename(from, to) {
      const fault = await begin('rename', from);
      const node = lookUp(from);
      if (node === undefined) throw systemError('ENOENT', from);
      changeNames(dirname(from), (names) => {
        names.delete(basename(from));
        names.set(basename(to), node);
      });
      finish(fault, from);
    },
    async unlink(path) {
      const fault = await begin('unlink', path);
      if (lookUp(path) === undefined) throw systemError('ENOENT', path);
      changeNames(dirname(path), (names) => names.delete(basename(path)));
      finish(fault, path);
    },
    async syncDirectory(directory) {
      const fault = await begin('syncdir', directory);
      const node = directoryAt(directory);
      if (fault === undefined) {
        node.durable = new Map(node.names);
        node.unsynced = [];
      }
      finish(fault, directory);
    },
    space: async () => ({ freeBytes, totalBytes: TOTAL_BYTES }),
  };
  return simulated;
}

function emptyDirectory(): SimulatedDirectory {
  return { kind: 'directory', names: new Map(), durable: new Map(), unsynced: [] };
}

function apply(file: SimulatedFile, change: Change): void {
  file.bytes = changed(file.bytes, change);
  file.unsynced.push(change);
}

function changed(bytes: Buffer, change: Change): Buffer {
  if ('truncateTo' in change) return Buffer.concat([bytes], change.truncateTo);
  const result = Buffer.alloc(Math.max(bytes.length, change.at + change.bytes.length));
  bytes.copy(result);
  change.bytes.copy(result, change.at);
  return result;
}

/** What the disk has of a file: each sector of each write since the last sync may be missing. */
function torn(file: SimulatedFile, chance: Chance): Buffer {
  // Disks often lose all or nothing; every sector for itself is the rarer, harsher case.
  const keep = [0, 0.5, 1][Math.floor(chance() * 3)] ?? 0;
  return file.unsynced.reduce((bytes, change) => {
    if ('truncateTo' in change) return chance() < keep ? changed(bytes, change) : bytes;
    let left = bytes;
    const end = change.at + change.bytes.length;
    for (let at = change.at; at < end; ) {
      const next = Math.min(end, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
      const sector = change.bytes.subarray(at - change.at, next - change.at);
      if (chance() < keep) left = changed(left, { at, bytes: sector });
      at = next;
    }
    return left;
  }, file.durable);
}

function lose(node: SimulatedNode, chance: Chance): void {
  if (node.kind === 'file') {
    node.bytes = node.durable = torn(node, chance);
  } else {
    for (const change of node.unsynced) if (chance() < 0.5) change(node.durable);
    node.names = new Map(node.durable);
    for (const child of node.names.values()) lose(child, chance);
  }
  node.unsynced = [];
}

function systemError(code: string, text: string): Error {
  return Object.assign(new Error(`${code}: ${text}`), { code });
}
