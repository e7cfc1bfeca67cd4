import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import NodeCache from 'node-cache';
import { type Clock, systemClock } from './clock.ts';
import { type DialPolicy, dialPolicy } from './dial-policy.ts';
import { WeirError } from './errors.ts';

/**
 * Opens a TCP connection to `host` (a name or an address without brackets). The only way this
 * program connects to where a subscriber pointed it.
 *
 * The name is resolved once, every address of the answer is checked, and a checked address is
 * dialled: a name that changes its answer in between (DNS rebinding) gains nothing, and neither
 * does an odd spelling of an address. One denied address refuses the whole answer.
 *
 * Fails with WEIR_DIAL_REFUSED (denied) or WEIR_DIAL_FAILED (unresolvable, unreachable, too slow).
 */
export type Dial = (host: string, port: number, options?: DialOptions) => Promise<Socket>;

export interface DialOptions {
  /** As in net.connect; wanted by tunnels, which pass each direction's end on by itself. */
  readonly allowHalfOpen?: boolean;
}

/** All addresses of a name. Rejects when there are none. */
export type Resolve = (host: string) => Promise<readonly string[]>;

export interface DialSettings extends DialPolicy {
  /** For a whole dial: resolution and all attempts. */
  readonly timeoutMs?: number;
  /** How long an answer is reused. */
  readonly answerTtlMs?: number;
  readonly resolve?: Resolve;
  readonly clock?: Clock;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_ANSWER_TTL_MS = 30_000;
/** An attempt gets no more than this while other addresses are left to try. */
const ATTEMPT_TIMEOUT_MS = 3_000;
const MAX_ATTEMPTS = 8;
const MAX_ANSWERS = 10_000;

/** A dial function, and the addresses it would choose from. */
export interface Dialer {
  readonly dial: Dial;
  /** All addresses of a name, from the answer a dial would use now; not checked. Fails with WEIR_DIAL_FAILED. */
  readonly addressesOf: Resolve;
}

/** Throws WEIR_CONFIG_INVALID when a range is malformed. */
export function createDial(settings: DialSettings): Dial {
  return createDialer(settings).dial;
}

/** Throws WEIR_CONFIG_INVALID when a range is malformed. */
export function createDialer(settings: DialSettings): Dialer {
  const isDialable = dialPolicy(settings);
  const answersOf = cachedAnswers(
    settings.resolve ?? systemResolve,
    settings.answerTtlMs ?? DEFAULT_ANSWER_TTL_MS,
  );
  const timeoutMs = settings.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const clock = settings.clock ?? systemClock;

  async function addressesOf(host: string): Promise<readonly string[]> {
    return isIP(host) === 0 ? within(timeoutMs, host, answersOf(host)) : [host];
  }

  async function dial(
    host: string,
    port: number,
    { allowHalfOpen = false }: DialOptions = {},
  ): Promise<Socket> {
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    const addresses = await addressesOf(host);
    const denied = addresses.find((address) => !isDialable(address));
    if (denied !== undefined) {
      const facts = { host, port, address: denied };
      throw new WeirError('WEIR_DIAL_REFUSED', `${host} is at an address that is not connected to`, {
        facts,
      });
    }
    return connectFirst(addresses.slice(0, MAX_ATTEMPTS), async (address, isLast) => {
      const leftMs = Math.max(1, deadlineMs - clock.monotonicMs());
      return connectTo(address, port, allowHalfOpen, isLast ? leftMs : Math.min(leftMs, ATTEMPT_TIMEOUT_MS));
    }).catch((cause: unknown) => {
      throw new WeirError('WEIR_DIAL_FAILED', `${host} does not answer on port ${port}`, {
        facts: { host, port },
        cause,
      });
    });
  }

  return { dial, addressesOf };
}

/** Concurrent questions for one name share one lookup; failures are not kept. */
function cachedAnswers(resolve: Resolve, ttlMs: number): Resolve {
  const cache = new NodeCache({
    stdTTL: ttlMs / 1_000,
    checkperiod: ttlMs / 1_000,
    useClones: false,
    maxKeys: MAX_ANSWERS,
  });
  return async (host) => {
    const key = host.toLowerCase();
    const known = cache.get<Promise<readonly string[]>>(key);
    if (known !== undefined) return known;
    const answer = resolve(key);
    // A full cache only means that this answer is not reused.
    if (cache.getStats().keys < MAX_ANSWERS) cache.set(key, answer);
    answer.catch(() => cache.del(key));
    return answer;
  };
}

async function systemResolve(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map((entry) => entry.address);
}

async function within(
  timeoutMs: number,
  host: string,
  answer: Promise<readonly string[]>,
): Promise<readonly string[]> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    const addresses = await Promise.race([answer, timeout]);
    if (addresses.length === 0) throw new Error('no addresses');
    return addresses;
  } catch (cause) {
    throw new WeirError('WEIR_DIAL_FAILED', `the name ${host} cannot be resolved`, {
      facts: { host },
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}

async function connectFirst(
  addresses: readonly string[],
  attempt: (address: string, isLast: boolean) => Promise<Socket>,
): Promise<Socket> {
  let failure: unknown;
  for (const [index, address] of addresses.entries()) {
    try {
      return await attempt(address, index === addresses.length - 1);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function connectTo(
  address: string,
  port: number,
  allowHalfOpen: boolean,
  timeoutMs: number,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, allowHalfOpen, noDelay: true });
    const timer = setTimeout(
      () => socket.destroy(new Error(`no connection within ${timeoutMs} ms`)),
      timeoutMs,
    );
    const onError = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', onError);
      resolve(socket);
    });
  });
}
