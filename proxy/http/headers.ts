import { withoutFields } from './cache/fields.ts';

/**
 * Header lists as Node.js gives them in `rawHeaders`: name, value, name, value, … in the order
 * and spelling of the sender, nothing merged or dropped.
 */
export type RawHeaders = readonly string[];

/** Meant for one connection only (RFC 9110 section 7.6.1), or for this proxy itself. */
const HOP_BY_HOP = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What Connection says that is not the name of a field, or of one that is meant for one connection anyway. */
const CONNECTION_OPTIONS = ['', 'close', 'keep-alive', 'upgrade', 'te'];

/** What the proxy states itself, whatever the client said. */
const STATED = new Set(['host', 'content-length', 'expect']);

/** Names as sent; a header sent several times has an array. No prototype: a name may be anything. */
export type OriginHeaders = Record<string, string | string[]>;

/** The values of all header lines of this lower-case name. */
export function valuesOf(raw: RawHeaders, name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const header = raw[at];
    if (header?.length === name.length && header.toLowerCase() === name) values.push(raw[at + 1] ?? '');
  }
  return values;
}

/** The headers less those that Connection names; it keeps its own. */
export function withoutNamedByConnection(raw: RawHeaders): RawHeaders {
  const named = namedByConnection(raw);
  for (const option of CONNECTION_OPTIONS) named.delete(option);
  return named.size === 0 ? raw : withoutFields(raw, (name) => named.has(name));
}

/** What the client sent that is for the origin: not for one connection, and not its word on Host, framing and Expect. */
export function passedToOrigin(raw: RawHeaders): string[] {
  const isHop = hopByHop(raw);
  return withoutFields(raw, (name) => isHop(name) || STATED.has(name));
}

/** The request headers for the origin: what the proxy states itself, then what is passed of the client's. */
export function headersForOrigin(raw: RawHeaders, stated: Readonly<Record<string, string>>): OriginHeaders {
  const headers: OriginHeaders = { ...stated };
  Object.setPrototypeOf(headers, null);
  const spelling = new Map<string, string>();
  const isOwn = new Set(Object.keys(stated).map((name) => name.toLowerCase()));
  for (const [name, value] of pairs(passedToOrigin(raw))) {
    const lower = name.toLowerCase();
    if (isOwn.has(lower)) continue;
    const key = spelling.get(lower) ?? name;
    spelling.set(lower, key);
    const before = headers[key];
    headers[key] = before === undefined ? value : [before, value].flat();
  }
  return headers;
}

/** The answer's headers for the client, in the origin's order and spelling. */
export function headersForClient(raw: RawHeaders): string[] {
  return withoutFields(raw, hopByHop(raw));
}

/** Trailer fields as OutgoingMessage.addTrailers takes them; none that would say something about framing. */
export function trailerPairs(raw: RawHeaders): [name: string, value: string][] {
  return [...pairs(withoutFields(raw, (name) => HOP_BY_HOP.has(name) || STATED.has(name)))];
}

function hopByHop(raw: RawHeaders): (lowerName: string) => boolean {
  const named = namedByConnection(raw);
  return (lowerName) => HOP_BY_HOP.has(lowerName) || named.has(lowerName);
}

function namedByConnection(raw: RawHeaders): Set<string> {
  return new Set(valuesOf(raw, 'connection').flatMap((value) => value.toLowerCase().split(/[\s,]+/)));
}

function* pairs(raw: RawHeaders): Generator<[name: string, value: string]> {
  for (let at = 0; at + 1 < raw.length; at += 2) yield [raw[at] ?? '', raw[at + 1] ?? ''];
}
