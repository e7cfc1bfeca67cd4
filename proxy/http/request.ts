import { isIPv6 } from 'node:net';
import { type RawHeaders, withoutNamedByConnection } from './headers.ts';
import type { HttpLimits } from './limits.ts';
import { type Framing, type MessageHead, type Refused, readHead, refused } from './message-head.ts';

/** What arrived, before anything is believed about it. */
export interface ReceivedRequest {
  readonly method: string;
  /** The request target as sent (RFC 9112 section 3.2). */
  readonly target: string;
  readonly httpVersion: string;
  readonly rawHeaders: RawHeaders;
}

export type ProxyRequest =
  | ForwardRequest
  | InterceptedRequest
  /** Addressed to the proxy itself: origin-form, `*`, or out of forwards. */
  | { readonly kind: 'direct'; readonly path: string; readonly hasBody: boolean }
  | { readonly kind: 'tunnel'; readonly origin: Origin }
  | Refused;

export interface ForwardRequest {
  readonly kind: 'forward';
  readonly method: string;
  readonly origin: Origin;
  /** The Host header the origin is sent. */
  readonly authority: string;
  /** Path and query as sent; `*` for OPTIONS of a whole server. */
  readonly path: string;
  /** Absolute, without fragment and credentials. */
  readonly url: string;
  /**
   * Whether the answer is what `url` names. If not, it is this client's alone: neither kept, nor
   * recorded, nor answered from what is kept, and it invalidates nothing.
   */
  readonly isTrusted: boolean;
  readonly framing: Framing;
  readonly expectsContinue: boolean;
  /** Remaining hops of an OPTIONS request (RFC 9110 section 7.6.2). */
  readonly maxForwards: number | undefined;
  /** Less what Connection names: the origin does not see that, so nothing may depend on it. */
  readonly rawHeaders: RawHeaders;
}

/** Of a client that meant to talk to an origin, not to a proxy: `checkHost` chooses between the two. */
export interface InterceptedRequest {
  readonly kind: 'intercepted';
  /** To the host the request names. */
  readonly named: ForwardRequest;
  /** To the address the client dialled, with its Host as sent. Not trusted. */
  readonly dialled: ForwardRequest;
}

export interface Origin {
  /** Lower-case name, or an address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

type Place = Pick<ForwardRequest, 'origin' | 'authority' | 'path' | 'url'>;

const HTTP_PORT = 80;
/** Below, other protocols listen, and a request body can be made to speak some of them (SMTP on 25). */
const FIRST_UNPRIVILEGED_PORT = 1024;
const MAX_NAME_LENGTH = 253;

/**
 * Decides what a request is. Whatever two implementations could understand differently is
 * refused, not repaired: that difference is what request smuggling lives on (RFC 9112 section 11.2).
 * `destination` is where the client dialled, when its connection was intercepted.
 */
export function readRequest(
  received: ReceivedRequest,
  limits: HttpLimits,
  destination?: Origin,
): ProxyRequest {
  const { method, target, httpVersion, rawHeaders } = received;
  const fault = faultOf(received, limits);
  if (fault !== undefined) return fault;
  const head = readHead(httpVersion, rawHeaders);
  if ('kind' in head) return head;
  if (method === 'CONNECT') return readConnect(target, destination);
  const isPath = target.startsWith('/') || target === '*';
  const isDirect = isPath && destination === undefined;
  if (isDirect) return { kind: 'direct', path: target, hasBody: head.framing.kind !== 'none' };
  if (method === 'TRACE') return refused(405, 'TRACE is not passed on');
  if (target === '*' && method !== 'OPTIONS') return refused(400, '* is for OPTIONS');
  const place = isPath ? readPath(target, head, destination) : readAbsolute(target, method);
  if ('kind' in place) return place;
  if (method === 'OPTIONS' && head.maxForwards === 0)
    return { kind: 'direct', path: '*', hasBody: head.framing.kind !== 'none' };
  const named = forwardTo(place, received, head);
  return destination === undefined ? named : intercepted(named, target, head, destination);
}

/** The origin as Host and URL write it: IPv6 in brackets, the default port left out. */
export function authorityOf({ host, port }: Origin): string {
  const name = isIPv6(host) ? `[${host}]` : host;
  return port === HTTP_PORT ? name : `${name}:${port}`;
}

function faultOf(
  { target, httpVersion, rawHeaders }: ReceivedRequest,
  limits: HttpLimits,
): Refused | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0')
    return refused(505, `HTTP/${httpVersion} is not spoken here`);
  if (target.length > limits.urlBytes) return refused(414, `the URL is longer than ${limits.urlBytes} bytes`);
  if (rawHeaders.length / 2 > limits.headerLines)
    return refused(431, `more than ${limits.headerLines} header lines`);
  return undefined;
}

function readConnect(target: string, destination: Origin | undefined): ProxyRequest {
  if (destination !== undefined) return refused(405, 'CONNECT is for a proxy the client knows of');
  const origin = readAuthority(target, undefined);
  return origin === undefined ? refused(400, 'CONNECT wants host:port') : { kind: 'tunnel', origin };
}

function forwardTo(
  { origin, authority, path, url }: Place,
  { method, rawHeaders }: ReceivedRequest,
  { framing, expectsContinue, maxForwards }: MessageHead,
): ForwardRequest {
  return {
    kind: 'forward',
    method,
    origin,
    authority,
    path,
    url,
    isTrusted: true,
    framing,
    expectsContinue,
    maxForwards: method === 'OPTIONS' ? maxForwards : undefined,
    rawHeaders: withoutNamedByConnection(rawHeaders),
  };
}

function intercepted(
  named: ForwardRequest,
  target: string,
  { host }: MessageHead,
  destination: Origin,
): InterceptedRequest {
  const dialled: ForwardRequest = {
    ...named,
    origin: destination,
    authority: host ?? named.authority,
    path: target,
    url: `http://${authorityOf(destination)}${named.path}`,
    isTrusted: false,
  };
  return { kind: 'intercepted', named, dialled };
}

/** A target in origin-form, or `*`, of an intercepted request: Host names its origin. */
function readPath(path: string, { host }: MessageHead, destination: Origin | undefined): Place | Refused {
  if (path.includes('#')) return refused(400, 'the URL has a fragment');
  // HTTP/1.0 knows no Host; Node.js refuses HTTP/1.1 without one.
  const known = host === undefined ? destination && knownOrigin(destination) : readHost(host);
  if (known === undefined) return refused(400, 'Host is no valid host and port');
  const url = known.base + (path === '*' ? '/' : path);
  return { origin: known.origin, authority: known.authority, url, path };
}

function readAbsolute(target: string, method: string): Place | Refused {
  const [, scheme, text = '', rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/is.exec(target) ?? [];
  if (scheme === undefined) return refused(400, 'the request target is neither a path nor an absolute URL');
  if (scheme.toLowerCase() !== 'http') return refused(400, `${scheme} URLs are not fetched here`);
  const known = readHost(text);
  if (known === undefined) return refused(400, 'the URL names no valid host and port');
  const { origin, authority, base } = known;
  if (origin.port !== HTTP_PORT && origin.port < FIRST_UNPRIVILEGED_PORT)
    return refused(403, `port ${origin.port} is not for HTTP`);
  if (rest.includes('#')) return refused(400, 'the URL has a fragment');
  const path = rest.startsWith('/') ? rest : `/${rest}`;
  return { origin, authority, url: base + path, path: rest === '' && method === 'OPTIONS' ? '*' : path };
}

interface KnownOrigin {
  readonly origin: Origin;
  readonly authority: string;
  /** What every URL there begins with. */
  readonly base: string;
}

const MAX_KNOWN_ORIGINS = 1_000;
/** Origins by their spelling in requests: few are asked often, and reading one costs as much as a request's lines. */
const knownOrigins = new Map<string, KnownOrigin>();

function readHost(text: string): KnownOrigin | undefined {
  const before = knownOrigins.get(text);
  if (before !== undefined) return before;
  const origin = readAuthority(text, HTTP_PORT);
  if (origin === undefined) return undefined;
  if (knownOrigins.size >= MAX_KNOWN_ORIGINS) knownOrigins.clear();
  const known = knownOrigin(origin);
  knownOrigins.set(text, known);
  return known;
}

function knownOrigin(origin: Origin): KnownOrigin {
  const authority = authorityOf(origin);
  return { origin, authority, base: `http://${authority}` };
}

/** `host` or `host:port`. No user information (RFC 9110 section 4.2.4), escapes or odd characters. */
function readAuthority(text: string, defaultPort: number | undefined): Origin | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?$/i.exec(text);
  if (match === null) return undefined;
  const [, literal, name = ''] = match;
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  if (port === undefined || port < 1 || port > 65_535) return undefined;
  if (literal !== undefined) return isIPv6(literal) ? { host: literal.toLowerCase(), port } : undefined;
  return name.length > MAX_NAME_LENGTH ? undefined : { host: name.toLowerCase(), port };
}
