import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../src/base/clock.ts';
import { asWeirError, WeirError } from '../../src/base/errors.ts';
import type { Log } from '../../src/base/log.ts';
import type { Random } from '../../src/base/random.ts';
import type { Catalog } from '../../src/catalog/catalog.ts';
import { encodeFrameHeader, type Frame, readFrames } from '../../src/wire/frame.ts';
import { MAX_REQUEST_BYTES, WIRE_VERSION, WORKING_INTERVAL_MS } from '../../src/wire/limits.ts';
import * as messages from '../../src/wire/messages.ts';
import type { Refusals } from './refusals.ts';
import { type Send, Session } from './session.ts';

export interface ConnectionOptions {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Other than the usual patience, for tests. */
  readonly patience?: Patience;
}

/** How long a side waits, and how often it says that it is at work. */
export interface Patience {
  readonly idleMs: number;
  readonly greetingMs: number;
  readonly workingMs: number;
}

export const IDLE_TIMEOUT_MS = 300_000;
export const GREETING_TIMEOUT_MS = 10_000;
export const CLOSE_TIMEOUT_MS = 5_000;
/** A greeting is a token and a name; nobody unknown may make the server hold more. */
export const MAX_GREETING_BYTES = 2048;
/** Answers that may wait for the agent to take them while the next are made. */
export const SEND_AHEAD_BYTES = 2 * 1024 * 1024;

const USUAL: Patience = {
  idleMs: IDLE_TIMEOUT_MS,
  greetingMs: GREETING_TIMEOUT_MS,
  workingMs: WORKING_INTERVAL_MS,
};

/** One agent's connection, from its greeting to its end. */
export class Connection {
  readonly address: string;
  readonly #socket: TLSSocket;
  readonly #options: ConnectionOptions;
  readonly #refusals: Refusals;
  readonly #patience: Patience;
  #isGreeted = false;
  #isHandling = false;
  #isClosing = false;

  constructor(socket: TLSSocket, refusals: Refusals, options: ConnectionOptions) {
    this.#socket = socket;
    this.#refusals = refusals;
    this.#options = options;
    this.#patience = options.patience ?? USUAL;
    this.address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.setTimeout(this.#patience.idleMs, () => socket.destroy());
  }

  /** Answers requests until the agent ends or something goes wrong. Never rejects. */
  async serve(isBusy: boolean): Promise<void> {
    const working = setInterval(() => this.#sayWorking(), this.#patience.workingMs);
    const greeting = setTimeout(() => this.#socket.destroy(), this.#patience.greetingMs);
    try {
      if (isBusy)
        throw new WeirError('WEIR_SERVER_BUSY', 'too many sessions are open, in all or of this address');
      this.#refusals.check(this.address);
      // Left open when a request fails: the agent is still to be told why.
      const stream = this.#socket.iterator({ destroyOnReturn: false });
      const frames = readFrames(stream, () => (this.#isGreeted ? MAX_REQUEST_BYTES : MAX_GREETING_BYTES));
      const first = await frames.next();
      if (first.done) return;
      const session = await this.#greet(first.value);
      clearTimeout(greeting);
      this.#isGreeted = true;
      await session?.welcome();
      for await (const frame of frames) {
        if (frame.type === messages.working.type) continue;
        this.#isHandling = true;
        await (session ?? refuseMore()).handle(frame);
        this.#isHandling = false;
        if (this.#isClosing) break;
      }
    } catch (error) {
      this.#report(error);
      await this.#send(messages.failure, asWeirError(error)).catch(() => undefined);
    } finally {
      this.#isHandling = false;
      clearInterval(working);
      clearTimeout(greeting);
      this.#end();
    }
  }

  /** Lets the request at hand be answered, then ends. */
  close(): void {
    this.#isClosing = true;
    if (!this.#isHandling) this.#end();
  }

  #end(): void {
    this.#socket.end();
    // What the agent still sends is let pass, so that the end of it is seen.
    this.#socket.resume();
    this.#socket.setTimeout(CLOSE_TIMEOUT_MS, () => this.#socket.destroy());
  }

  /** A request may take longer than a line may be silent. */
  #sayWorking(): void {
    if (this.#isHandling) this.#send(messages.working, null).catch(() => undefined);
  }

  /** The session of a device that is known, or undefined after an enrolment. */
  async #greet({ type, payload }: Frame): Promise<Session | undefined> {
    const { catalog, clock, random, log } = this.#options;
    if (type === messages.enrol.type) {
      const { version, invitation, deviceName } = messages.enrol.decode(payload);
      checkVersion(version);
      const { token, subscriber } = await catalog.subscribers.enrol(invitation, deviceName, this.address);
      log.info('backup.enrolled', { subscriber: subscriber.name, device: deviceName, address: this.address });
      await this.#send(messages.enrolled, { token, subscriberName: subscriber.name });
      return undefined;
    }
    if (type !== messages.hello.type)
      throw new WeirError('WEIR_WIRE_ORDER', 'a session begins with a greeting');
    const { version, token } = messages.hello.decode(payload);
    checkVersion(version);
    const authenticate = () => catalog.subscribers.authenticate(token);
    return new Session({
      catalog,
      device: await authenticate(),
      authenticate,
      clock,
      random,
      send: this.#send,
    });
  }

  readonly #send: Send = async (codec, message) => {
    const socket = this.#socket;
    if (socket.destroyed) throw disconnected();
    const payload = codec.encode(message);
    socket.cork();
    socket.write(encodeFrameHeader(codec.type, payload.length));
    socket.write(payload);
    socket.uncork();
    if (socket.writableLength > SEND_AHEAD_BYTES) await drained(socket);
  };

  #report(error: unknown): void {
    const { code, message } = asWeirError(error);
    this.#refusals.count(this.address, code);
    const facts = { address: this.address, isGreeted: this.#isGreeted };
    if (code === 'WEIR_INTERNAL') this.#options.log.error('backup.session_failed', { ...facts, error });
    else this.#options.log.warn('backup.session_ended', { ...facts, code, reason: message });
  }
}

async function drained(socket: TLSSocket): Promise<void> {
  const over = new AbortController();
  const ended = once(socket, 'close', { signal: over.signal }).then(() => {
    throw disconnected();
  });
  try {
    await Promise.race([once(socket, 'drain', { signal: over.signal }), ended]);
  } finally {
    over.abort();
    ended.catch(() => undefined);
  }
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

function disconnected(): WeirError {
  return new WeirError('WEIR_DISCONNECTED', 'the agent went away');
}
