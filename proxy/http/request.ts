import { isIPv6 } from 'node:net';
import { type RawHeaders, valuesOf } from './headers.ts';
import type { HttpLimits } from './limits.ts';

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
  /** Addressed to the proxy itself: origin-form, `*`, or out of forwards. */
  | { readonly kind: 'direct'; readonly path: string; readonly hasBody: boolean }
  | { readonly kind: 'tunnel'; readonly origin: Origin }
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string };

export interface ForwardRequest {
  readonly kind: 'forward';
  readonly method: string;
  readonly origin: Origin;
  /** Path and query as sent; `*` for OPTIONS of a whole server. */
  readonly path: string;
  /** Absolute, without fragment and credentials. */
  readonly url: string;
  readonly framing: Framing;
  readonly expectsContinue: boolean;
  /** Remaining hops of an OPTIONS request (RFC 9110 section 7.6.2). */
  readonly maxForwards: number | undefined;
  readonly rawHeaders: RawHeaders;
}

export interface Origin {
  /** Lower-case name, or an address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** How the end of a request body is known. */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly sizeBytes: number }
  | { readonly kind: 'chunked' };

type Refused = Extract<ProxyRequest, { kind: 'refused' }>;

const HTTP_PORT = 80;
/** Below, other protocols listen, and a request body can be made to speak some of them (SMTP on 25). */
const FIRST_UNPRIVILEGED_PORT = 1024;
const MAX_NAME_LENGTH = 253;

/**
 * Decides what a request is. Whatever two implementations could understand differently is
 * refused, not repaired: that difference is what request smuggling lives on (RFC 9112 section 11.2).
 */
export function readRequest(received: ReceivedRequest, limits: HttpLimits): ProxyRequest {
  const { method, target, httpVersion, rawHeaders } = received;
  const fault = faultOf(received, limits);
  if (fault !== undefined) return fault;
  const framing = readFraming(received);
  if (framing.kind === 'refused') return framing;
  if (method === 'CONNECT') {
    const origin = readAuthority(target, undefined);
    return origin === undefined ? refused(400, 'CONNECT wants host:port') : { kind: 'tunnel', origin };
  }
  const hasBody = framing.kind !== 'none';
  if (target.startsWith('/') || target === '*') return { kind: 'direct', path: target, hasBody };
  if (method === 'TRACE') return refused(405, 'TRACE is not passed on');
  const place = readAbsolute(target, method);
  if ('kind' in place) return place;
  const maxForwards = method === 'OPTIONS' ? readMaxForwards(rawHeaders) : undefined;
  if (maxForwards === 0) return { kind: 'direct', path: '*', hasBody };
  return {
    kind: 'forward',
    method,
    ...place,
    framing,
    expectsContinue: httpVersion === '1.1' && valuesOf(rawHeaders, 'expect').some(isContinue),
    maxForwards,
    rawHeaders,
  };
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
  if (valuesOf(rawHeaders, 'host').length > 1) return refused(400, 'more than one Host');
  return undefined;
}

/** RFC 9112 section 6, less every form whose meaning was ever in dispute. */
function readFraming({ httpVersion, rawHeaders }: ReceivedRequest): Framing | Refused {
  const codings = valuesOf(rawHeaders, 'transfer-encoding');
  const lengths = valuesOf(rawHeaders, 'content-length');
  if (codings.length > 0) {
    if (lengths.length > 0) return refused(400, 'both Transfer-Encoding and Content-Length');
    if (httpVersion === '1.0') return refused(400, 'Transfer-Encoding in HTTP/1.0');
    if (codings.length > 1 || codings[0]?.toLowerCase() !== 'chunked') {
      return refused(400, 'a Transfer-Encoding other than chunked');
    }
    return { kind: 'chunked' };
  }
  const [length] = lengths;
  if (length === undefined) return { kind: 'none' };
  const sizeBytes = Number(length);
  if (lengths.length > 1 || !/^\d+$/.test(length) || !Number.isSafeInteger(sizeBytes)) {
    return refused(400, 'a malformed Content-Length');
  }
  return { kind: 'length', sizeBytes };
}

function readAbsolute(
  target: string,
  method: string,
): Pick<ForwardRequest, 'origin' | 'path' | 'url'> | Refused {
  const [, scheme, authority = '', rest = ''] =
    /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/is.exec(target) ?? [];
  if (scheme === undefined) return refused(400, 'the request target is neither a path nor an absolute URL');
  if (scheme.toLowerCase() !== 'http') return refused(400, `${scheme} URLs are not fetched here`);
  const origin = readAuthority(authority, HTTP_PORT);
  if (origin === undefined) return refused(400, 'the URL names no valid host and port');
  if (origin.port !== HTTP_PORT && origin.port < FIRST_UNPRIVILEGED_PORT) {
    return refused(403, `port ${origin.port} is not for HTTP`);
  }
  if (rest.includes('#')) return refused(400, 'the URL has a fragment');
  const path = rest.startsWith('/') ? rest : `/${rest}`;
  const url = `http://${authorityOf(origin)}${path}`;
  return { origin, url, path: rest === '' && method === 'OPTIONS' ? '*' : path };
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

function isContinue(expectation: string): boolean {
  return expectation.toLowerCase() === '100-continue';
}

function readMaxForwards(rawHeaders: RawHeaders): number | undefined {
  const [value] = valuesOf(rawHeaders, 'max-forwards');
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

function refused(status: number, reason: string): Refused {
  return { kind: 'refused', status, reason };
}
