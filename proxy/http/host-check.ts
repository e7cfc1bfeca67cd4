import type { Socket } from 'node:net';
import { canonicalAddress } from '../../src/base/address-ranges.ts';
import type { Resolve } from '../../src/base/dial.ts';
import { WeirError } from '../../src/base/errors.ts';
import type { OwnConnections } from './own-connections.ts';
import type { ForwardRequest, InterceptedRequest, Origin } from './request.ts';

/**
 * What to believe of an intercepted request. A client can write any Host, so that the request
 * counts as one to the named host only when the address the client dialled is among that host's.
 * Otherwise it goes where it was going anyway, and nobody else gets to see the answer
 * (CVE-2009-0801; hostHeaderIpVerify in Squid).
 *
 * Fails with WEIR_DIAL_REFUSED when it is the proxy's own request, brought back to it.
 */
export type HostCheck = (request: InterceptedRequest, client: Socket) => Promise<ForwardRequest>;

export function createHostCheck(addressesOf: Resolve, own: OwnConnections): HostCheck {
  return async ({ named, dialled }, client) => {
    if (own.includes(client)) {
      throw new WeirError('WEIR_DIAL_REFUSED', 'the request comes from this proxy itself', {
        facts: { url: named.url },
      });
    }
    return (await isAt(named.origin, dialled.origin, addressesOf)) ? named : dialled;
  };
}

async function isAt(named: Origin, dialled: Origin, addressesOf: Resolve): Promise<boolean> {
  if (named.port !== dialled.port) return false;
  if (named.host === dialled.host) return true;
  let addresses: readonly string[];
  try {
    addresses = await addressesOf(named.host);
  } catch {
    // A name that cannot be resolved is at no address, and the request needs no name to be passed on.
    return false;
  }
  return addresses.some((address) => address === dialled.host || canonicalAddress(address) === dialled.host);
}
