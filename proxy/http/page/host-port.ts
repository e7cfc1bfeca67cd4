import { isIPv6 } from 'node:net';

/** Where a server is reached. An IPv6 address has no brackets. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const HTTP_PORT = 80;
const MAX_HOST_LENGTH = 253;

/**
 * What a Host header names, or undefined when it is not strictly `name`, `name:port`,
 * `[address]:port` or the like. What passes needs no quoting in a script, a shell or markup.
 */
export function readHostPort(text: string | undefined): HostPort | undefined {
  const [, literal, name = '', digits] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text ?? '') ?? [];
  const host = (literal ?? name).toLowerCase();
  const port = digits === undefined ? HTTP_PORT : Number(digits);
  if (port < 1 || port > 65_535 || !isHost(host) || isIPv6(host) !== (literal !== undefined))
    return undefined;
  return { host, port };
}

/** A DNS name (RFC 1123 section 2.1, and `_`), an IPv4 address, or an IPv6 address without zone and brackets. */
export function isHost(text: string): boolean {
  if (text.length > MAX_HOST_LENGTH) return false;
  if (isIPv6(text)) return !text.includes('%');
  return /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/i.test(text);
}

/** `host:port`, the port always written, IPv6 in brackets. */
export function hostPortText({ host, port }: HostPort): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
