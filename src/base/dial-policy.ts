import { addressRanges } from './address-ranges.ts';

export interface DialPolicy {
  /** CIDR ranges that may be dialled although they are special-purpose. */
  readonly allow: readonly string[];
  /** CIDR ranges never dialled; stronger than `allow`. */
  readonly deny?: readonly string[];
}

/**
 * Not for the public Internet, or a way around the checks: IANA special-purpose registries
 * (RFC 6890), cloud metadata services, and IPv6 ranges that embed an IPv4 address.
 */
export const SPECIAL_PURPOSE: readonly string[] = [
  '0.0.0.0/8', // unspecified, "this network"
  '10.0.0.0/8',
  '100.64.0.0/10', // carrier-grade NAT
  '127.0.0.0/8',
  '168.63.129.16/32', // Azure's host agent
  '169.254.0.0/16', // link-local, metadata
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16',
  '198.18.0.0/15', // benchmarking
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
  '::/96', // unspecified, loopback, IPv4-compatible
  '64:ff9b::/96', // NAT64
  '64:ff9b:1::/48',
  '100::/64', // discard
  '2001::/32', // Teredo
  '2002::/16', // 6to4
  'fc00::/7', // unique local
  'fe80::/10', // link-local
  'fec0::/10', // site-local
  'ff00::/8', // multicast
];

/** Whether an address may be dialled. Throws WEIR_CONFIG_INVALID when a range is malformed. */
export function dialPolicy({ allow, deny = [] }: DialPolicy): (address: string) => boolean {
  const allowed = addressRanges(allow);
  const denied = addressRanges(deny);
  const special = addressRanges(SPECIAL_PURPOSE);
  const everything = addressRanges(['0.0.0.0/0', '::/0']);
  return (address) => {
    if (!everything.includes(address) || denied.includes(address)) return false;
    return allowed.includes(address) || !special.includes(address);
  };
}
