import { isIPv6 } from 'node:net';
import { withoutFields } from './cache/fields.ts';
import { type RawHeaders, valuesOf } from './headers.ts';
import type { ForwardRequest } from './request.ts';

/** What origins are told. By default a proxy that nobody asked for does not show. */
export interface Announcement {
  /** That there is a proxy (RFC 9110 section 7.6.3). */
  readonly via?: boolean;
  /** For whom it asks (RFC 7239). */
  readonly forwarded?: boolean;
}

/** The request with what the origin is to be told added to what the client said. */
export function announced(
  request: ForwardRequest,
  { via = false, forwarded = false }: Announcement,
  httpVersion: string,
  clientAddress: string,
): ForwardRequest {
  if (!via && !forwarded) return request;
  const added: string[] = [];
  if (via) added.push('Via', joined(request.rawHeaders, 'via', `${httpVersion} weir`));
  if (forwarded) {
    const client = isIPv6(clientAddress) ? `"[${clientAddress}]"` : clientAddress;
    added.push('Forwarded', joined(request.rawHeaders, 'forwarded', `for=${client}`));
  }
  const replaced = new Set([...(via ? ['via'] : []), ...(forwarded ? ['forwarded'] : [])]);
  return {
    ...request,
    rawHeaders: [...withoutFields(request.rawHeaders, (name) => replaced.has(name)), ...added],
  };
}

function joined(headers: RawHeaders, name: string, last: string): string {
  return [...valuesOf(headers, name), last].join(', ');
}
