import { isIPv4, type Socket } from 'node:net';
import { canonicalAddress } from '../../src/base/address-ranges.ts';
import { assert } from '../../src/base/assert.ts';
import { WeirError } from '../../src/base/errors.ts';
import type { Origin } from './request.ts';

/**
 * Where an intercepted connection was going; undefined when it was made to the proxy itself, which
 * listens on `ownPort`.
 */
export type DestinationOf = (socket: Socket, ownPort: number) => Origin | undefined;

/**
 * For connections the kernel brings here by TPROXY, which leaves them their destination as the local
 * end of the socket, or by REDIRECT, which rewrites it and remembers. That needs the optional package
 * koffi: WEIR_REDIRECT_UNAVAILABLE without it.
 */
export async function openDestinationReader(via: 'tproxy' | 'redirect'): Promise<DestinationOf> {
  if (via === 'tproxy')
    return (socket, ownPort) => (socket.localPort === ownPort ? undefined : localEnd(socket));
  const getsockopt = await loadGetsockopt();
  return (socket) => {
    const local = localEnd(socket);
    if (local === undefined) return undefined;
    const destination = originalDestination(getsockopt, socket, isIPv4(local.host));
    const isSame = destination?.host === local.host && destination.port === local.port;
    return isSame ? undefined : destination;
  };
}

/** `int getsockopt(int, int, int, void *, socklen_t *)`. */
type Getsockopt = (fd: number, level: number, option: number, value: Buffer, length: Uint32Array) => unknown;

interface Koffi {
  load(path: null): { func(definition: string): Getsockopt };
}

/** A variable, so that the program compiles where the package is not installed. */
const KOFFI: string = 'koffi';
const SOL_IP = 0;
const SOL_IPV6 = 41;
/** SO_ORIGINAL_DST of linux/netfilter_ipv4.h, IP6T_SO_ORIGINAL_DST of netfilter_ipv6/ip6_tables.h. */
const ORIGINAL_DST = 80;
const SOCKADDR_IN6_BYTES = 28;

async function loadGetsockopt(): Promise<Getsockopt> {
  try {
    const loaded: unknown = await import(KOFFI);
    const koffi =
      typeof loaded === 'object' && loaded !== null && 'default' in loaded ? loaded.default : loaded;
    assert(isKoffi(koffi), 'koffi loads libraries');
    return koffi.load(null).func('int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ uint32_t *)');
  } catch (cause) {
    throw new WeirError('WEIR_REDIRECT_UNAVAILABLE', 'the package koffi cannot be loaded', { cause });
  }
}

function isKoffi(value: unknown): value is Koffi {
  return typeof value === 'object' && value !== null && 'load' in value && typeof value.load === 'function';
}

/** Undefined when the connection was not redirected. */
function originalDestination(getsockopt: Getsockopt, socket: Socket, isV4: boolean): Origin | undefined {
  const address = Buffer.alloc(SOCKADDR_IN6_BYTES);
  const length = new Uint32Array([address.length]);
  const level = isV4 ? SOL_IP : SOL_IPV6;
  if (getsockopt(descriptorOf(socket), level, ORIGINAL_DST, address, length) !== 0) return undefined;
  // struct sockaddr_in: family, port, address; sockaddr_in6 has the flow between port and address.
  const port = address.readUInt16BE(2);
  if (isV4) return { host: address.subarray(4, 8).join('.'), port };
  const groups = Array.from({ length: 8 }, (_, group) => address.readUInt16BE(8 + 2 * group).toString(16));
  const host = canonicalAddress(groups.join(':'));
  return host === undefined ? undefined : { host, port };
}

/** Node.js has no public name for the descriptor of a socket. */
function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : -1;
  assert(typeof fd === 'number', 'a TCP socket has a descriptor');
  return fd;
}

function localEnd({ localAddress = '', localPort }: Socket): Origin | undefined {
  const host = canonicalAddress(localAddress);
  return host === undefined || localPort === undefined ? undefined : { host, port: localPort };
}
