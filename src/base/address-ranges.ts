import { BlockList, isIP, isIPv4 } from 'node:net';
import { WeirError } from './errors.ts';

/** A set of IP addresses given as CIDR ranges. */
export interface AddressRanges {
  /** `address` in any textual form; what is not an IP address is in no range. */
  includes(address: string): boolean;
}

/** Ranges such as `192.0.2.0/24`, `2001:db8::/32` or a single address. Throws WEIR_CONFIG_INVALID. */
export function addressRanges(cidrs: readonly string[]): AddressRanges {
  const list = new BlockList();
  for (const cidr of cidrs) addRange(list, cidr);
  return {
    includes(address) {
      const canonical = canonicalAddress(address);
      return canonical !== undefined && list.check(canonical, familyOf(canonical));
    },
  };
}

/**
 * One spelling per address: dotted IPv4, and IPv6 as RFC 5952 writes it. IPv4-mapped IPv6
 * (`::ffff:0:0/96`) becomes its inner IPv4 address, since that is whom a socket talks to. Zone
 * identifiers (`fe80::1%eth0`) and anything else give undefined.
 */
export function canonicalAddress(text: string): string | undefined {
  if (isIPv4(text)) return text;
  if (isIP(text) !== 6 || text.includes('%')) return undefined;
  const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (mapped === null) return canonical;
  const high = Number.parseInt(mapped[1] ?? '', 16);
  const low = Number.parseInt(mapped[2] ?? '', 16);
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function addRange(list: BlockList, cidr: string): void {
  const [, address = '', prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(cidr) ?? [];
  const canonical = canonicalAddress(address);
  const bits = canonical !== undefined && isIPv4(canonical) ? 32 : 128;
  const length = prefix === undefined ? bits : Number(prefix);
  if (canonical === undefined || length > bits) {
    throw new WeirError('WEIR_CONFIG_INVALID', `'${cidr}' is not an address range such as 192.0.2.0/24`);
  }
  list.addSubnet(canonical, length, familyOf(canonical));
}

function familyOf(canonical: string): 'ipv4' | 'ipv6' {
  return isIPv4(canonical) ? 'ipv4' : 'ipv6';
}
