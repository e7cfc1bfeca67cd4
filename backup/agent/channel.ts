import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { asWeirError, WeirError } from '../../src/base/errors.ts';
import type { Codec } from '../../src/wire/codec.ts';
import { encodeFrameHeader, type Frame, readFrames } from '../../src/wire/frame.ts';
import { MAX_ANSWER_BYTES, WORKING_INTERVAL_MS } from '../../src/wire/limits.ts';
import { failure, working } from '../../src/wire/messages.ts';

/** The provider, as an invitation named it. */
export interface ProviderAddress {
  readonly host: string;
  readonly port: number;
  /** SHA-256 of the server's public key; any other key is refused before a byte is sent. */
  readonly pin: Uint8Array;
}

/** A connection to the provider. Requests may follow one another without waiting; answers keep their order. */
export interface Channel {
  /** Sends a request and gives its one answer. */
  call<Q, A>(request: Codec<Q>, message: Q, answer: Codec<A>): Promise<A>;
  /** Sends a request and gives each frame of type `item` to `take`, until one of type `end`. */
  stream<Q, I, E>(
    request: Codec<Q>,
    message: Q,
    item: Codec<I>,
    take: (item: I) => Promise<void>,
    end: Codec<E>,
  ): Promise<E>;
  /** Bytes on the line so far, TLS and all, as the TCP socket counts them. */
  readonly lineBytes: { readonly up: number; readonly down: number };
  close(): void;
}

export const CONNECT_TIMEOUT_MS = 20_000;
export const ANSWER_TIMEOUT_MS = 300_000;

/** How long an answer may be silent, and how often this side says that it is at work. */
export interface ChannelPatience {
  readonly answerMs: number;
  readonly workingMs: number;
}

const USUAL: ChannelPatience = { answerMs: ANSWER_TIMEOUT_MS, workingMs: WORKING_INTERVAL_MS };

/** WEIR_UNREACHABLE, WEIR_SERVER_KEY_MISMATCH. */
export async function openChannel(
  provider: ProviderAddress,
  patience: ChannelPatience = USUAL,
): Promise<Channel> {
  const { tcp, tls } = await connect(provider);
  const waiting: Waiter[] = [];
  let ended: WeirError | undefined;

  // A scan may take longer than the provider waits for a silent agent.
  const saying = setInterval(() => write(working, null), patience.workingMs);

  function end(error: WeirError): void {
    ended ??= error;
    clearInterval(saying);
    tls.destroy();
    for (const waiter of waiting.splice(0)) waiter.fail(ended);
  }

  async function receive(): Promise<void> {
    for await (const frame of readFrames(tls, () => MAX_ANSWER_BYTES)) {
      if (frame.type === working.type) continue;
      if (frame.type === failure.type) throw failure.decode(frame.payload);
      const waiter = waiting[0] ?? unasked();
      if (await waiter.take(frame)) waiting.shift();
    }
    throw disconnected();
  }

  tls.setTimeout(patience.answerMs, () => end(disconnected()));
  tls.on('error', () => undefined);
  receive().catch((error: unknown) => end(error instanceof WeirError ? error : disconnected(error)));

  function send<Q>(request: Codec<Q>, message: Q, waiter: Waiter): void {
    if (ended !== undefined) {
      waiter.fail(ended);
      return;
    }
    waiting.push(waiter);
    write(request, message);
  }

  function write<M>(codec: Codec<M>, message: M): void {
    const payload = codec.encode(message);
    tls.cork();
    tls.write(encodeFrameHeader(codec.type, payload.length));
    tls.write(payload);
    tls.uncork();
  }

  return {
    call: (request, message, answer) =>
      new Promise((resolve, reject) => send(request, message, oneAnswer(answer, resolve, reject))),
    stream: (request, message, item, take, last) =>
      new Promise((resolve, reject) =>
        send(request, message, manyAnswers(item, take, last, resolve, reject)),
      ),
    get lineBytes() {
      return { up: tcp.bytesWritten, down: tcp.bytesRead };
    },
    close() {
      ended ??= disconnected();
      clearInterval(saying);
      tls.end();
      tls.destroySoon();
    },
  };
}

interface Waiter {
  /** Takes the next frame; true when the answer is complete. */
  take(frame: Frame): Promise<boolean>;
  fail(error: WeirError): void;
}

/** Waits for the one frame that answers. */
function oneAnswer<A>(
  answer: Codec<A>,
  resolve: (message: A) => void,
  fail: (error: WeirError) => void,
): Waiter {
  return {
    fail,
    async take({ type, payload }) {
      if (type !== answer.type) unexpected(type);
      resolve(answer.decode(payload));
      return true;
    },
  };
}

/** Waits for frames of items and the one that ends them. */
function manyAnswers<I, E>(
  item: Codec<I>,
  takeItem: (message: I) => Promise<void>,
  last: Codec<E>,
  resolve: (message: E) => void,
  fail: (error: WeirError) => void,
): Waiter {
  return {
    fail,
    async take({ type, payload }) {
      if (type === last.type) {
        resolve(last.decode(payload));
        return true;
      }
      if (type !== item.type) unexpected(type);
      await takeItem(item.decode(payload));
      return false;
    },
  };
}

async function connect(provider: ProviderAddress): Promise<{ tcp: Socket; tls: TLSSocket }> {
  const { host, port, pin } = provider;
  const tcp = connectTcp({ host, port, noDelay: true, timeout: CONNECT_TIMEOUT_MS });
  tcp.once('timeout', () => tcp.destroy(new Error('no answer')));
  try {
    await once(tcp, 'connect');
    // The pinned key is what says who the server is; names and dates in the certificate say nothing.
    const tls = connectTls({ socket: tcp, rejectUnauthorized: false, minVersion: 'TLSv1.3' });
    await once(tls, 'secureConnect');
    checkPin(tls, pin);
    tcp.setTimeout(0);
    return { tcp, tls };
  } catch (cause) {
    tcp.destroy();
    if (cause instanceof WeirError) throw cause;
    const { message } = asWeirError(cause);
    throw new WeirError('WEIR_UNREACHABLE', `the provider at ${host}:${port} cannot be reached: ${message}`, {
      cause,
    });
  }
}

function checkPin(tls: TLSSocket, pin: Uint8Array): void {
  const spki = tls.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' }) ?? '';
  if (timingSafeEqual(createHash('sha256').update(spki).digest(), pin)) return;
  throw new WeirError(
    'WEIR_SERVER_KEY_MISMATCH',
    'the server has another key than the one this device enrolled with',
  );
}

function disconnected(cause?: unknown): WeirError {
  return new WeirError('WEIR_DISCONNECTED', 'the connection to the provider ended', { cause });
}

function unasked(): never {
  throw new WeirError('WEIR_WIRE_ORDER', 'the provider answered what was not asked');
}

function unexpected(type: number): never {
  throw new WeirError('WEIR_WIRE_ORDER', `the provider answered with a message of type ${type}`);
}
