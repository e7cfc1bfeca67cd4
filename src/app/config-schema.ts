import { z } from 'zod';
import { DEFAULT_CACHE } from '../../proxy/http/cache-settings.ts';
import { DEFAULT_LIMITS } from '../../proxy/http/limits.ts';
import type { Listen } from '../../proxy/http/listener.ts';
import { isHost } from '../../proxy/http/page/host-port.ts';
import { readHostRule, readMediaTypeRule } from '../../proxy/record/policy.ts';
import { addressRanges } from '../base/address-ranges.ts';
import { assert } from '../base/assert.ts';
import { parseShare, parseSize } from './sizes.ts';

const GIB = 1024 ** 3;

const port = z.int().min(0).max(65_535);
const count = (most: number) => z.int().min(1).max(most);
const host = z.string().min(1).max(253);
/** Goes into invitations, a PAC file and commands to copy. */
const publicHost = z.string().refine(isHost, 'is not a name or an address');
const cidr = z.string().refine(isCidr, 'is not a range like 10.0.0.0/8');
const clientRange = cidr.refine(
  (range) => !/\/0+$/.test(range),
  'would let the whole world in: name the ranges of your subscribers',
);
const listener = (defaultHost: string, defaultPort: number) => ({
  host: z.string().min(1).default(defaultHost),
  port: port.default(defaultPort),
});
const rules = (rule: z.ZodType<string, string>) =>
  z.strictObject({ exclude: z.array(rule).default([]), include: z.array(rule).default([]) }).prefault({});
const hostRule = z
  .string()
  .refine((text) => readHostRule(text) !== undefined, 'is not a host like example.org or .example.org');
const mediaTypeRule = z
  .string()
  .refine(
    (text) => readMediaTypeRule(text) !== undefined,
    'is not a media type like text/html, video/* or unknown',
  );
const fieldName = z.string().regex(/^[!#$%&'*+.^_`|~0-9a-z-]+$/i, 'is not a header field’s name');

const record = z.strictObject({
  enabled: z.boolean().default(true),
  newSubscribers: z.boolean().default(true),
  minBodyBytes: size().default(0),
  maxBodyBytes: size(1).default(16 * GIB),
  hosts: rules(hostRule),
  mediaTypes: rules(mediaTypeRule),
});

const cache = z.strictObject({
  enabled: z.boolean().default(DEFAULT_CACHE.isEnabled),
  memoryBytes: size().default(DEFAULT_CACHE.memoryBytes),
  memoryBodyBytes: size().default(DEFAULT_CACHE.memoryBodyBytes),
  targetedFields: z.array(fieldName).default([...DEFAULT_CACHE.targetedFields]),
});

const sentence = z.string().min(1).max(300);
const page = z.strictObject({
  providerName: sentence.exactOptional(),
  contact: sentence.exactOptional(),
  retention: sentence.exactOptional(),
  agentUrl: z.url({ protocol: /^https?$/, error: 'is not an http or https URL' }).exactOptional(),
});

const transparent = z
  .strictObject({
    via: z.enum(['tproxy', 'redirect']),
    host: host.default('0.0.0.0'),
    port: port.exactOptional(),
    fd: z.int().min(3).max(1023).exactOptional(),
  })
  .refine(({ port, fd }) => (port === undefined) !== (fd === undefined), 'wants either port or fd')
  .refine(
    ({ via, port }) => via === 'redirect' || port === undefined,
    'tproxy wants fd: only who opens the socket can make it transparent (systemd: Transparent=yes)',
  );

const proxy = z.strictObject({
  ...listener('0.0.0.0', 3128),
  clients: z
    .array(clientRange)
    .default(['127.0.0.0/8', '::1/128', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']),
  connectPorts: z.array(port).default([443]),
  connections: count(65_535).default(DEFAULT_LIMITS.connections),
  connectionsPerClient: count(65_535).default(DEFAULT_LIMITS.connectionsPerClient),
  workers: count(64).default(1),
  publicHost: publicHost.exactOptional(),
  publicPort: port.min(1).exactOptional(),
  page: page.prefault({}),
  via: z.boolean().default(false),
  forwarded: z.boolean().default(false),
  transparent: transparent.exactOptional(),
  record: record.prefault({}),
  cache: cache.prefault({}),
});

/** Everything `weir.yaml` may say; docs/weir.yaml says what it means. Unknown keys are refused. */
export const configSchema = z.strictObject({
  dataDirectory: z.string().min(1).default('./weir-data'),
  roles: z.array(z.enum(['proxy', 'backup', 'console'])).default(['proxy', 'backup', 'console']),
  proxy: proxy.prefault({}),
  backup: z
    .strictObject({
      ...listener('0.0.0.0', 7400),
      publicHost: publicHost.default('localhost'),
      publicPort: port.min(1).exactOptional(),
    })
    .prefault({}),
  console: z.strictObject(listener('127.0.0.1', 7480)).prefault({}),
  dial: z.strictObject({ allow: z.array(cidr).default([]) }).prefault({}),
  store: z
    .strictObject({ reserveBytes: size().exactOptional(), passingBytes: shareOfDisk().default('50%') })
    .prefault({}),
});

/** Where the transparent way in listens. */
export function transparentListen({ host, port, fd }: z.output<typeof transparent>): Listen {
  if (fd !== undefined) return { fd };
  assert(port !== undefined, 'the schema wants port or fd');
  return { host, port };
}

/** A key that holds a value rather than more keys. */
export interface Key {
  readonly path: readonly string[];
  /** Whether text is a value of it as it stands. */
  readonly takesText: boolean;
  readonly isList: boolean;
}

/** Every key, in the order of the schema. */
export const CONFIG_KEYS: readonly Key[] = keysBelow(z.toJSONSchema(configSchema, { io: 'input' }), []);

function keysBelow(node: z.core.JSONSchema._JSONSchema, path: readonly string[]): Key[] {
  if (typeof node === 'boolean') return [];
  if (node.properties !== undefined)
    return Object.entries(node.properties).flatMap(([key, below]) => keysBelow(below, [...path, key]));
  const forms = [node, ...(node.anyOf ?? [])];
  const takesText = forms.some((form) => typeof form === 'object' && form.type === 'string');
  return [{ path, takesText, isList: node.type === 'array' }];
}

/** Whole bytes from a number or a text such as `256 MiB`. */
function size(leastBytes = 0) {
  const error = `is not a size of ${leastBytes} bytes or more, such as 1000, 256 MiB or 16GiB`;
  return z.union([z.number(), z.string()], { error }).transform((raw, context) => {
    const bytes = typeof raw === 'number' ? raw : parseSize(raw);
    if (bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= leastBytes) return bytes;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
}

function shareOfDisk() {
  const error = 'is neither a size such as 500 GiB nor a share of the disk such as 50%';
  return z.union([z.number(), z.string()], { error }).transform((raw, context) => {
    const share = typeof raw === 'number' ? raw : (parseShare(raw) ?? parseSize(raw));
    if (typeof share === 'string' || (Number.isSafeInteger(share) && Number(share) > 0)) return share;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
}

function isCidr(text: string): boolean {
  try {
    addressRanges([text]);
    return true;
  } catch {
    return false;
  }
}
