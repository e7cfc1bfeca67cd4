import { once } from 'node:events';
import { createServer, type TLSSocket } from 'node:tls';
import NodeCache from 'node-cache';
import type { Clock } from '../../src/base/clock.ts';
import { asWeirError, WeirError } from '../../src/base/errors.ts';
import type { Log } from '../../src/base/log.ts';
import type { Random } from '../../src/base/random.ts';
import type { Catalog } from '../../src/catalog/catalog.ts';
import type { Codec } from '../../src/wire/codec.ts';
import { encodeFrameHeader, type Frame, readFrames } from '../../src/wire/frame.ts';
import { MAX_REQUEST_BYTES, WIRE_VERSION } from '../../src/wire/limits.ts';
import * as messages from '../../src/wire/messages.ts';
import type { ServerIdentity } from './identity.ts';
import { Session } from './session.ts';

export interface BackupServer {
  readonly address: { readonly host: string; readonly port: number };
  readonly sessions: number;
  /** Lets the request at hand end, then closes every connection. */
  close(): Promise<void>;
}

export interface BackupServerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly identity: ServerIdentity;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export const MAX_SESSIONS = 256;
export const MAX_SESSIONS_PER_ADDRESS = 64;
export const IDLE_TIMEOUT_MS = 300_000;
export const GREETING_TIMEOUT_MS = 10_000;
export const CLOSE_TIMEOUT_MS = 5_000;
/** A greeting is a token and a name; nobody unknown may make the server hold more. */
export const MAX_GREETING_BYTES = 2048;
/** Answers that may wait for the agent to take them while the next are made. */
export const SEND_AHEAD_BYTES = 2 * 1024 * 1024;
export const MAX_REFUSALS = 10;
export const REFUSAL_WINDOW_MS = 60_000;
export const MAX_REFUSING_ADDRESSES = 10_000;

/** Opens the port on which agents speak docs/wire.md over TLS 1.3. */
export async function openBackupServer(options: BackupServerOptions): Promise<BackupServer> {
  const { listen, identity, log } = options;
  const sockets = new Set<TLSSocket>();
  const refusals = new NodeCache({
    stdTTL: REFUSAL_WINDOW_MS / 1000,
    maxKeys: MAX_REFUSING_ADDRESSES,
    useClones: false,
  });
  const server = createServer({
    key: identity.key,
    cert: identity.cert,
    minVersion: 'TLSv1.3',
    handshakeTimeout: GREETING_TIMEOUT_MS,
  });
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    const { remoteAddress } = socket;
    const ofAddress = [...sockets].filter((other) => other.remoteAddress === remoteAddress).length;
    const isBusy = sockets.size > MAX_SESSIONS || ofAddress > MAX_SESSIONS_PER_ADDRESS;
    void serve(socket, isBusy, refusals, options);
  });
  server.on('tlsClientError', (error) => log.warn('backup.tls_failed', { reason: error.message }));
  server.listen(listen.port, listen.host);
  await once(server, 'listening').catch((cause: unknown) => {
    throw new WeirError('WEIR_PORT_UNAVAILABLE', `port ${listen.port} cannot be opened`, { cause });
  });
  const bound = server.address();
  return {
    address: {
      host: listen.host,
      port: bound !== null && typeof bound === 'object' ? bound.port : listen.port,
    },
    get sessions() {
      return sockets.size;
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.end();
      const timer = setTimeout(() => sockets.forEach((socket) => socket.destroy()), CLOSE_TIMEOUT_MS);
      await closed;
      clearTimeout(timer);
      refusals.close();
    },
  };
}

/** One connection from its greeting to its end. Never rejects. */
async function serve(
  socket: TLSSocket,
  isBusy: boolean,
  refusals: NodeCache,
  options: BackupServerOptions,
): Promise<void> {
  const address = plainAddress(socket.remoteAddress);
  const send = sender(socket);
  const isGreeted = { value: false };
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy());
  const greeting = setTimeout(() => socket.destroy(), GREETING_TIMEOUT_MS);
  try {
    if (isBusy)
      throw new WeirError('WEIR_SERVER_BUSY', 'too many sessions are open, in all or of this address');
    if ((refusals.get<number>(address) ?? 0) >= MAX_REFUSALS) {
      throw new WeirError('WEIR_TOO_MANY_ATTEMPTS', 'too many refused attempts from this address');
    }
    // Left open when a request fails: the agent is still to be told why.
    const stream = socket.iterator({ destroyOnReturn: false });
    const frames = readFrames(stream, () => (isGreeted.value ? MAX_REQUEST_BYTES : MAX_GREETING_BYTES));
    const first = await frames.next();
    if (first.done) return;
    const session = await greet(first.value, address, send, options);
    clearTimeout(greeting);
    isGreeted.value = true;
    await session?.welcome();
    for await (const frame of frames) await (session ?? refuseMore()).handle(frame);
  } catch (error) {
    report(error, address, isGreeted.value, refusals, options.log);
    await send(messages.failure, asWeirError(error)).catch(() => undefined);
  } finally {
    clearTimeout(greeting);
    socket.end();
    // What the agent still sends is let pass, so that the end of it is seen.
    socket.resume();
    socket.setTimeout(CLOSE_TIMEOUT_MS, () => socket.destroy());
  }
}

/** The session of a device that is known, or undefined after an enrolment. */
async function greet(
  frame: Frame,
  address: string,
  send: Send,
  options: BackupServerOptions,
): Promise<Session | undefined> {
  const { catalog, clock, random, log } = options;
  if (frame.type === messages.enrol.type) {
    const { version, invitation, deviceName } = messages.enrol.decode(frame.payload);
    checkVersion(version);
    const { token, subscriber } = await catalog.subscribers.enrol(invitation, deviceName, address);
    log.info('backup.enrolled', { subscriber: subscriber.name, device: deviceName, address });
    await send(messages.enrolled, { token, subscriberName: subscriber.name });
    return undefined;
  }
  if (frame.type !== messages.hello.type)
    throw new WeirError('WEIR_WIRE_ORDER', 'a session begins with a greeting');
  const { version, token } = messages.hello.decode(frame.payload);
  checkVersion(version);
  const authenticate = () => catalog.subscribers.authenticate(token);
  return new Session({ catalog, device: await authenticate(), authenticate, clock, random, send });
}

type Send = <M>(codec: Codec<M>, message: M) => Promise<void>;

function sender(socket: TLSSocket): Send {
  return async (codec, message) => {
    if (socket.destroyed) throw new WeirError('WEIR_DISCONNECTED', 'the agent went away');
    const payload = codec.encode(message);
    socket.cork();
    socket.write(encodeFrameHeader(codec.type, payload.length));
    socket.write(payload);
    socket.uncork();
    if (socket.writableLength <= SEND_AHEAD_BYTES) return;
    const gone = new AbortController();
    const ended = once(socket, 'close', { signal: gone.signal }).then(() => {
      throw new WeirError('WEIR_DISCONNECTED', 'the agent went away');
    });
    try {
      await Promise.race([once(socket, 'drain', { signal: gone.signal }), ended]);
    } finally {
      gone.abort();
      ended.catch(() => undefined);
    }
  };
}

const REFUSED_CODES: ReadonlySet<string> = new Set(['WEIR_TOKEN_REFUSED', 'WEIR_INVITATION_INVALID']);

function report(error: unknown, address: string, isGreeted: boolean, refusals: NodeCache, log: Log): void {
  const { code, message } = asWeirError(error);
  if (REFUSED_CODES.has(code) && refusals.keys().length < MAX_REFUSING_ADDRESSES) {
    refusals.set(address, (refusals.get<number>(address) ?? 0) + 1);
  }
  if (code === 'WEIR_INTERNAL') log.error('backup.session_failed', { address, isGreeted, error });
  else log.warn('backup.session_ended', { address, isGreeted, code, reason: message });
}

function checkVersion(version: number): void {
  if (version === WIRE_VERSION) return;
  throw new WeirError(
    'WEIR_WIRE_VERSION',
    `the agent speaks version ${version}, this server ${WIRE_VERSION}`,
  );
}

function refuseMore(): never {
  throw new WeirError('WEIR_WIRE_ORDER', 'nothing follows an enrolment');
}

/** An address without the prefix of IPv4 in IPv6. */
function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}
