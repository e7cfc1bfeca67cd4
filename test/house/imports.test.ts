import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { readSources, type Source, withoutComments } from './sources.ts';

const BELOW_CATALOG = ['src/base', 'src/content', 'src/wire', 'src/store'];
const CATALOG_AND_BELOW = [...BELOW_CATALOG, 'src/catalog'];
const DRIVERS = ['src/store/embedded', 'src/store/memory', 'src/store/mongo', 'src/store/s3'];
const ALL = '*';

/** The map of the house: every room, and the rooms it may import besides itself. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  'src/base': [],
  'src/content': ['src/base'],
  'src/wire': ['src/base', 'src/content'],
  'src/store': ['src/base', 'src/content'],
  ...Object.fromEntries(DRIVERS.map((driver) => [driver, ['src/base', 'src/content', 'src/store']])),
  'src/catalog': BELOW_CATALOG,
  'src/console': CATALOG_AND_BELOW,
  'src/app': [ALL],
  proxy: CATALOG_AND_BELOW,
  'backup/agent': ['src/base', 'src/content', 'src/wire'],
  'backup/server': CATALOG_AND_BELOW,
  'backup/mirror': CATALOG_AND_BELOW,
  'backup/vendor': CATALOG_AND_BELOW,
  'backup/clone': CATALOG_AND_BELOW,
  test: [ALL],
};

/** Packages that belong to some rooms. A package not named here is free to all but the agent. */
const PACKAGE_ROOMS: Readonly<Record<string, readonly string[]>> = {
  express: ['src/console', 'backup/server'],
  'http-proxy': ['proxy'],
  '@photostructure/sqlite': ['src/store/embedded'],
  mongodb: ['src/store/mongo'],
  '@aws-sdk/client-s3': ['src/store/s3'],
  commander: ['src/app'],
  yaml: ['src/app'],
  wabt: ['src/content'],
  chai: [],
  mocha: [],
  'fast-check': [],
};

/** All the agent ships with: what it imports and what that imports. */
const AGENT_PACKAGES = ['xxhash-wasm', '@cloudpss/zstd'];

describe('imports', () => {
  const sources = readSources();

  it('go down the house only', () => {
    expect(sources.length).to.be.greaterThan(10);
    expect(brokenRules(sources)).to.deep.equal([]);
  });

  it('keep the agent free of servers and databases', () => {
    expect(agentPackagesRefused(sources)).to.deep.equal([]);
  });

  const forbidden: readonly [file: string, specifier: string][] = [
    ['src/base/a.ts', '../content/b.ts'],
    ['src/content/a.ts', '../wire/b.ts'],
    ['src/wire/a.ts', '../store/b.ts'],
    ['src/store/a.ts', '../catalog/b.ts'],
    ['src/store/a.ts', './embedded/b.ts'],
    ['src/store/mongo/a.ts', '../embedded/b.ts'],
    ['src/store/embedded/a.ts', '../../catalog/b.ts'],
    ['src/store/embedded/a.ts', 'mongodb'],
    ['src/catalog/a.ts', '../store/memory/b.ts'],
    ['src/catalog/a.ts', '@photostructure/sqlite'],
    ['src/console/a.ts', '../app/b.ts'],
    ['proxy/http/a.ts', '../../backup/server/b.ts'],
    ['proxy/http/a.ts', 'chai'],
    ['backup/server/a.ts', '../../proxy/record/b.ts'],
    ['backup/server/a.ts', '../agent/b.ts'],
    ['backup/agent/a.ts', '../../src/store/b.ts'],
    ['backup/agent/a.ts', 'express'],
    ['src/app/a.ts', '../cellar/b.ts'],
    ['src/cellar/a.ts', 'node:fs'],
    ['src/store/tape/a.ts', 'node:fs'],
  ];
  for (const [path, specifier] of forbidden) {
    it(`would not let ${path} import ${specifier}`, () => {
      for (const text of spellings(specifier)) {
        expect(brokenRules([{ path, text }]), text).to.have.length(1);
      }
    });
  }

  it('would see what reaches the agent through another room', () => {
    const reached = agentPackagesRefused([
      { path: 'backup/agent/a.ts', text: `import { b } from '../../src/wire/b.ts';` },
      { path: 'src/wire/b.ts', text: `import z from 'zod/mini';` },
    ]);
    expect(reached).to.have.length(1);
  });
});

function spellings(specifier: string): string[] {
  return [
    `import { x } from '${specifier}';`,
    `import type {\n  X,\n} from '${specifier}';`,
    `export { x } from '${specifier}';`,
    `import '${specifier}';`,
    `const x = await import('${specifier}');`,
  ];
}

function brokenRules(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => {
    const rooms = ROOMS[roomOf(source.path)];
    if (rooms === undefined) return [wrongMap(source.path)];
    return specifiersOf(source).flatMap((specifier) => {
      const rule = specifier.startsWith('.')
        ? brokenByFile(source.path, targetOf(source.path, specifier), rooms)
        : brokenByPackage(source.path, packageOf(specifier));
      return rule === undefined ? [] : [`${source.path} imports '${specifier}': ${rule}`];
    });
  });
}

function brokenByFile(path: string, target: string, rooms: readonly string[]): string | undefined {
  const [from, to] = [roomOf(path), roomOf(target)];
  if (ROOMS[to] === undefined) return wrongMap(target);
  if (from === to || rooms.includes(ALL) || rooms.includes(to)) return undefined;
  if (DRIVERS.includes(to)) return `the driver ${to} is imported by src/app and tests alone`;
  return `${from} may import ${rooms.join(', ') || 'no other room'}, not ${to}`;
}

function brokenByPackage(path: string, name: string): string | undefined {
  const room = roomOf(path);
  if (room === 'test' || isBuiltin(name)) return undefined;
  if (room === 'backup/agent' && !AGENT_PACKAGES.includes(name)) {
    return `the agent ships with ${AGENT_PACKAGES.join(' and ')} alone`;
  }
  const owners = PACKAGE_ROOMS[name];
  if (owners === undefined || owners.includes(room)) return undefined;
  return `${name} is for ${owners.join(', ') || 'tests'}`;
}

function agentPackagesRefused(sources: readonly Source[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set([...byPath.keys()].filter((path) => roomOf(path) === 'backup/agent'));
  const refused: string[] = [];
  for (const path of reached) {
    const source = byPath.get(path);
    for (const specifier of source === undefined ? [] : specifiersOf(source)) {
      const name = packageOf(specifier);
      if (specifier.startsWith('.')) reached.add(targetOf(path, specifier));
      else if (!isBuiltin(name) && !AGENT_PACKAGES.includes(name)) {
        refused.push(`${path} imports '${specifier}' and is part of the agent`);
      }
    }
  }
  return refused;
}

const IMPORT =
  /^(?:import|export)\s[^'"`;]*?\bfrom\s+['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;

function specifiersOf(source: Source): string[] {
  return [...withoutComments(source.text).matchAll(IMPORT)].map(
    ([, named, bare, dynamic]) => named ?? bare ?? dynamic ?? '',
  );
}

function targetOf(path: string, specifier: string): string {
  return join(dirname(path), specifier);
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** `src/x/…`, `backup/x/…` and `src/store/x/…` are rooms of their own; else the top folder is. */
function roomOf(path: string): string {
  const folders = dirname(path).split('/');
  const depth = path.startsWith('src/store/') ? 3 : /^(?:src|backup)\//.test(path) ? 2 : 1;
  return folders.slice(0, depth).join('/');
}

function wrongMap(path: string): string {
  return `${path} is in no room of the map: the map is wrong: fix the map (ROOMS in test/house/imports.test.ts)`;
}
