import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { addressRanges } from '../base/address-ranges.ts';
import { systemCode, WeirError } from '../base/errors.ts';

const port = z.int().min(0).max(65_535);
const cidr = z.string().refine(isCidr, 'is not a range like 10.0.0.0/8');
const listener = (defaultHost: string, defaultPort: number) => ({
  host: z.string().min(1).default(defaultHost),
  port: port.default(defaultPort),
});

/** Everything `weir.yaml` may say. Every key has a default; unknown keys are refused. */
const schema = z.strictObject({
  dataDirectory: z.string().min(1).default('./weir-data'),
  roles: z.array(z.enum(['proxy', 'backup', 'console'])).default(['proxy', 'backup', 'console']),
  proxy: z
    .strictObject({
      ...listener('0.0.0.0', 3128),
      /** Who may use the proxy. */
      clients: z
        .array(cidr)
        .default(['127.0.0.0/8', '::1/128', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']),
      connectPorts: z.array(port).default([443]),
      /** Whether what passes is recorded. */
      record: z.boolean().default(true),
      maxBodyBytes: z
        .int()
        .positive()
        .default(16 * 1024 * 1024 * 1024),
    })
    .prefault({}),
  backup: z
    .strictObject({
      ...listener('0.0.0.0', 7400),
      /** The name or address under which agents reach this server; it goes into invitations. */
      publicHost: z.string().min(1).max(253).default('localhost'),
      publicPort: port.min(1).optional(),
    })
    .prefault({}),
  console: z.strictObject(listener('127.0.0.1', 7480)).prefault({}),
  dial: z
    .strictObject({
      /** Ranges the proxy may connect to although they are private. */
      allow: z.array(cidr).default([]),
    })
    .prefault({}),
  store: z
    .strictObject({
      /** Free bytes to leave on the disk. Default: 5 %, at least 2 GiB and at most 64. */
      reserveBytes: z.int().nonnegative().optional(),
    })
    .prefault({}),
});

export type Config = z.output<typeof schema>;

/** The file that is read when none is named. */
export const DEFAULT_CONFIG_PATH = 'weir.yaml';

/** A configuration from what a YAML file holds. Pure. Throws WEIR_CONFIG_INVALID naming key, value and fix. */
export function parseConfig(text: string, source: string): Config {
  const raw: unknown = parseYaml(text, source) ?? {};
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => describe(issue, raw));
  throw new WeirError('WEIR_CONFIG_INVALID', `${source}: ${problems.join('; ')}`, {
    facts: { source, problems },
  });
}

/** Reads the named file, or the default one if it is there. The data directory becomes absolute. */
export async function loadConfig(path: string | undefined): Promise<Config> {
  const source = path ?? DEFAULT_CONFIG_PATH;
  const text = await readFile(source, 'utf8').catch((cause: unknown) => {
    if (path === undefined && systemCode(cause) === 'ENOENT') return '';
    throw new WeirError('WEIR_CONFIG_INVALID', `${source} cannot be read`, { cause });
  });
  const config = parseConfig(text, source);
  return { ...config, dataDirectory: resolve(config.dataDirectory) };
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

function describe(issue: z.core.$ZodIssue, raw: unknown): string {
  if (issue.code === 'unrecognized_keys') {
    return `unknown key ${issue.keys.map((key) => [...issue.path, key].join('.')).join(', ')}: remove it or correct its spelling`;
  }
  const value = issue.path.reduce<unknown>((at, key) => (isRecord(at) ? at[String(key)] : undefined), raw);
  return `${issue.path.join('.') || 'the file'} is ${JSON.stringify(value)}: ${issue.message}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isCidr(text: string): boolean {
  try {
    addressRanges([text]);
    return true;
  } catch {
    return false;
  }
}
