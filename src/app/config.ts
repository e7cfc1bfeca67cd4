import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { systemCode, WeirError } from '../base/errors.ts';
import { CONFIG_KEYS, configSchema } from './config-schema.ts';

export type Config = z.output<typeof configSchema>;

/** The file that is read when none is named. */
export const DEFAULT_CONFIG_PATH = 'weir.yaml';

/** What is in force, and where each value comes from. */
export interface Settings {
  readonly config: Config;
  readonly all: readonly Setting[];
}

export interface Setting {
  /** As in `proxy.port`. */
  readonly key: string;
  /** Undefined where the key is not set and has no default. */
  readonly value: unknown;
  readonly source: 'default' | 'file' | 'environment';
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the named file, or the default one if it is there, and the environment. The data directory becomes absolute. */
export async function loadSettings(
  path: string | undefined,
  environment: Environment = process.env,
): Promise<Settings> {
  const file = path ?? DEFAULT_CONFIG_PATH;
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    if (path === undefined && systemCode(cause) === 'ENOENT') return '';
    throw new WeirError('WEIR_CONFIG_INVALID', `${file} cannot be read`, { cause });
  });
  const { config, all } = parseSettings(text, file, environment);
  const dataDirectory = resolve(config.dataDirectory);
  return {
    config: { ...config, dataDirectory },
    all: all.map(({ key, value, source }) => {
      return { key, value: key === 'dataDirectory' ? dataDirectory : value, source };
    }),
  };
}

export async function loadConfig(path: string | undefined): Promise<Config> {
  return (await loadSettings(path)).config;
}

/**
 * Settings from what a YAML file holds; a variable of the environment is stronger than the file, the
 * file than the default. Pure. Throws WEIR_CONFIG_INVALID naming key, value and fix.
 */
export function parseSettings(text: string, file: string, environment: Environment = {}): Settings {
  const written: unknown = parseYaml(text, file) ?? {};
  const raw = structuredClone(written);
  const variables = new Map<string, string>();
  for (const { path, takesText, isList } of CONFIG_KEYS) {
    const variable = variableOf(path);
    const value = environment[variable];
    if (value === undefined || value === '') continue;
    const yaml = isList && !value.startsWith('[') ? `[${value}]` : value;
    put(raw, path, takesText ? value : parseYaml(yaml, variable));
    variables.set(path.join('.'), variable);
  }
  const parsed = configSchema.safeParse(raw);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => describe(issue, raw, file, variables));
    throw new WeirError('WEIR_CONFIG_INVALID', problems.join('; '), { facts: { file, problems } });
  }
  const all = CONFIG_KEYS.map(({ path }): Setting => {
    const key = path.join('.');
    const fromFile = at(written, path) === undefined ? 'default' : 'file';
    return { key, value: at(parsed.data, path), source: variables.has(key) ? 'environment' : fromFile };
  });
  return { config: parsed.data, all };
}

/** The configuration of a YAML text alone. */
export function parseConfig(text: string, file: string): Config {
  return parseSettings(text, file).config;
}

/** `proxy.record.minBodyBytes` is `WEIR_PROXY_RECORD_MIN_BODY_BYTES`. */
export function variableOf(path: readonly string[]): string {
  const words = path.map((key) => key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
  return `WEIR_${words.join('_')}`;
}

function parseYaml(text: string, source: string): unknown {
  try {
    const document = parseDocument(text);
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw problem;
    return document.toJS();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new WeirError('WEIR_CONFIG_INVALID', `${source} is not YAML: ${reason}`, { cause });
  }
}

function describe(
  issue: z.core.$ZodIssue,
  raw: unknown,
  file: string,
  variables: ReadonlyMap<string, string>,
): string {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys.map((key) => [...path, key].join('.')).join(', ');
    return `${file}: unknown key ${unknown}: remove it or correct its spelling`;
  }
  const key = path.join('.');
  const [, variable] = [...variables].find(([set]) => key === set || key.startsWith(`${set}.`)) ?? [];
  const source = variable === undefined ? file : `environment ${variable}`;
  return `${source}: ${key || 'the file'} is ${JSON.stringify(at(raw, path))}: ${issue.message}`;
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((below, key) => (isRecord(below) ? below[key] : undefined), value);
}

/** Sets a value below; where the file has something else than keys on the way, the schema will refuse that. */
function put(value: unknown, path: readonly string[], set: unknown): void {
  const [key, ...rest] = path;
  if (!isRecord(value) || key === undefined) return;
  if (rest.length === 0) value[key] = set;
  else put((value[key] ??= {}), rest, set);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
