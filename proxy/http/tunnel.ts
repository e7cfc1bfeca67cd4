import type { Socket } from 'node:net';
import type { Dial } from '../../src/base/dial.ts';
import { asWeirError, WeirError } from '../../src/base/errors.ts';
import { refuseConnection } from './answer.ts';
import type { Origin } from './request.ts';

export interface TunnelSettings {
  readonly dial: Dial;
  /** Ports CONNECT may reach; none turns it off. */
  readonly ports: readonly number[];
  readonly idleMs: number;
}

/**
 * CONNECT (RFC 9110 section 9.3.6): answers the client and relays bytes, unseen. `head` is
 * what the client sent ahead of the answer. Settles when all is over, with the reason when there was
 * no tunnel.
 */
export async function runTunnel(
  settings: TunnelSettings,
  origin: Origin,
  client: Socket,
  head: Buffer,
): Promise<WeirError | undefined> {
  // The close that follows an error is where it is dealt with.
  client.on('error', () => {});
  let upstream: Socket;
  try {
    upstream = await reach(settings, origin);
  } catch (cause) {
    const error = asWeirError(cause);
    refuseConnection(client, error);
    return error;
  }
  upstream.on('error', () => {});
  client.write('HTTP/1.1 200 Connection established\r\n\r\n');
  if (head.length > 0) upstream.write(head);
  await relayBoth(client, upstream, settings.idleMs);
  return undefined;
}

/** Passes bytes both ways until both sides have ended, one fails, or nothing moved for `idleMs`. */
export async function relayBoth(client: Socket, upstream: Socket, idleMs: number): Promise<void> {
  await Promise.all([relay(client, upstream, idleMs), relay(upstream, client, idleMs)]);
}

async function reach({ dial, ports }: TunnelSettings, { host, port }: Origin): Promise<Socket> {
  if (ports.includes(port)) return dial(host, port, { allowHalfOpen: true });
  throw new WeirError('WEIR_PROXY_CLIENT_REFUSED', `CONNECT to port ${port} is not allowed`, {
    facts: { host, port },
  });
}

/**
 * One direction. The end of `from` ends `to` and leaves the other direction open. A side that
 * closes without having ended takes the other with it by a reset, so that a cut is seen as one.
 */
function relay(from: Socket, to: Socket, idleMs: number): Promise<void> {
  from.setTimeout(idleMs, () => from.resetAndDestroy());
  from.pipe(to);
  return new Promise((resolve) => {
    const onClose = (): void => {
      if (!from.readableEnded || from.errored !== null) to.resetAndDestroy();
      resolve();
    };
    if (from.closed) onClose();
    else from.once('close', onClose);
  });
}
