import { fieldOf, type Request } from './case.ts';
import type { Got } from './client.ts';
import type { History, Sent } from './random-origin.ts';

export interface Exchange {
  readonly id: string;
  readonly request: Request;
  readonly got: Got;
  readonly startMs: number;
}

/** Rounding of an Age, and clocks read on both sides of a socket. */
const SLACK_S = 1.5;
const SLACK_MS = 250;
/** How long the failure of a fetch may be felt by those who wait for it. */
const FAILURE_MS = 3_000;

/** Why a client should not have got what it got; undefined when it may. */
export function faultOf(exchange: Exchange, history: History): string | undefined {
  const { id, request, got } = exchange;
  if (got.excess !== '') return 'bytes after the answer';
  if (request.method !== 'GET' && request.method !== 'HEAD') return undefined;
  const isOnlyIfCached = request.headers?.includes('Cache-Control: only-if-cached') === true;
  if (isOnlyIfCached && got.status === 504) return undefined;
  const nth = fieldOf(got.headers, 'X-N');
  if (nth === undefined) return faultWithoutNumber(exchange, history);
  const sent = history.sent.find((one) => String(one.nth) === nth);
  if (sent === undefined) return `answer ${nth} of another URL`;
  if (isOnlyIfCached && sent.requestId === id) return 'only-if-cached got its answer from the origin';
  const wrongBody = faultOfBody(exchange, sent);
  if (wrongBody !== undefined || sent.requestId === id) return wrongBody;
  return faultOfReuse(exchange, sent) ?? faultOfAge(exchange, sent, history);
}

function faultWithoutNumber({ got, request, startMs }: Exchange, history: History): string | undefined {
  if (got.status === 304) {
    const etag = fieldOf(got.headers, 'ETag') ?? 'none';
    const asked = request.headers?.find((line) => line.startsWith('If-None-Match: ')) ?? '';
    return asked.includes(etag) ? undefined : `a 304 for ${etag} to who has ${asked}`;
  }
  const [, sizeBytes] = /^bytes \*\/(\d+)$/.exec(fieldOf(got.headers, 'Content-Range') ?? '') ?? [];
  if (got.status === 416) {
    const isKnown = history.sent.some(({ body }) => body.length === Number(sizeBytes));
    return isKnown ? undefined : `a 416 of ${sizeBytes} bytes`;
  }
  const hasFailed = history.failedAtMs.some((atMs) => atMs > startMs - FAILURE_MS);
  return got.status >= 500 && hasFailed ? undefined : `an answer of nobody's, ${got.status}`;
}

function faultOfBody({ request, got }: Exchange, { nth, body, isCut }: Sent): string | undefined {
  if (got.status === 304) return undefined;
  if (request.method === 'HEAD') return got.body.length === 0 ? undefined : 'a body of a HEAD';
  const [, first, last, size] =
    /^bytes (\d+)-(\d+)\/(\d+)$/.exec(fieldOf(got.headers, 'Content-Range') ?? '') ?? [];
  const isPart = got.status === 206;
  const wanted = isPart ? body.subarray(Number(first), Number(last) + 1) : body;
  if (isPart && Number(size) !== body.length) return `a part of ${size} bytes of answer ${nth}`;
  // A client of HTTP/1.0 is told by a reset alone, which Node.js may take for the end.
  if (!got.isWhole || (isCut && request.version === '1.0')) {
    if (!isCut) return `answer ${nth} cut by the proxy`;
    return got.body.equals(wanted.subarray(0, got.body.length)) ? undefined : `other bytes in answer ${nth}`;
  }
  if (isCut && body.length > 0 && !isPart) return `answer ${nth} was cut, and is sent as whole`;
  return got.body.equals(wanted) ? undefined : `other bytes in answer ${nth}`;
}

/** What forbids any reuse, however soon. */
function faultOfReuse({ request, got }: Exchange, sent: Sent): string | undefined {
  const says = (directive: string): boolean => sent.cacheControl.includes(directive);
  if (sent.method === 'HEAD' && request.method === 'GET') return 'a HEAD given to a GET';
  if (says('no-store') || sent.isNoStoreAsked) return 'a no-store answer reused';
  if (says('private')) return 'a private answer reused';
  if (sent.isAuthorized && !says('public') && !says('s-maxage') && !says('must-revalidate')) {
    return 'an answer to Authorization reused';
  }
  if (
    sent.hasCookie &&
    !says('public') &&
    !says('s-maxage') &&
    fieldOf(got.headers, 'Set-Cookie') !== undefined
  ) {
    return 'a cookie reused';
  }
  const kind = request.headers?.find((line) => line.startsWith('X-Kind: '))?.slice(8) ?? '';
  return sent.isVarying && sent.kind !== kind ? `the variant of ${sent.kind} given to ${kind}` : undefined;
}

/** A moment from which the age of an answer may count, and what was said about it then. */
interface Basis {
  readonly atMs: number;
  readonly cacheControl: string;
  readonly ageS: number;
}

/** What forbids reuse because of time: changed in between, or too old by every count. */
function faultOfAge(exchange: Exchange, sent: Sent, history: History): string | undefined {
  const { startMs, got } = exchange;
  const confirmed = sent.confirmed.filter(({ atMs }) => atMs <= startMs + got.tookMs);
  const bases: Basis[] = [
    sent,
    ...confirmed.map(({ atMs, cacheControl }) => ({ atMs, cacheControl, ageS: 0 })),
  ];
  const changedMs = history.changes.findLast(({ doneMs }) => doneMs <= startMs)?.atMs ?? 0;
  if (bases.every(({ atMs }) => atMs < changedMs)) {
    return `what was changed ${changedMs - sent.atMs} ms later, and ${startMs - changedMs} ms ago, is sent`;
  }
  const faults = bases.map((basis) => faultOfBasis(exchange, sent, history, basis));
  return faults.includes(undefined) ? undefined : faults.join(', or ');
}

function faultOfBasis(
  { startMs, request, got }: Exchange,
  sent: Sent,
  history: History,
  { atMs, cacheControl, ageS: initialS }: Basis,
): string | undefined {
  // Who asks while an answer is under way may share it, whatever it says about later.
  const isRecent = startMs <= sent.endMs + SLACK_MS || atMs >= startMs - SLACK_MS;
  const ageS = (startMs - atMs) / 1_000 + initialS;
  const told = Number(fieldOf(got.headers, 'Age') ?? (isRecent ? ageS : Number.NaN));
  if (!(Math.abs(told - ageS) <= SLACK_S + got.tookMs / 1_000)) return `Age ${told} after ${ageS} s`;
  if (isRecent) return undefined;
  const lifetimeS = lifetimeOf(cacheControl);
  const isStale = lifetimeS === 0 || ageS > lifetimeS + SLACK_S;
  const isForced =
    request.headers?.some((line) => /^Cache-Control: (?:no-cache|max-age=0)$/.test(line)) === true;
  if (!isStale && !isForced) return undefined;
  const isStrict = /no-cache|must-revalidate|s-maxage/.test(cacheControl) || lifetimeS === 0;
  const hasFailed = [...history.failedAtMs, ...history.sent.filter(({ status }) => status >= 500).map(endOf)];
  if (!(isStale && isStrict) && hasFailed.some((failedMs) => failedMs >= startMs - FAILURE_MS))
    return undefined;
  return isStale
    ? `"${cacheControl}" reused after ${ageS} s`
    : `no-cache answered from what is ${ageS} s old`;
}

function endOf({ endMs }: Sent): number {
  return endMs;
}

/** For how long at most, with what it may be stale. */
function lifetimeOf(cacheControl: string): number {
  if (cacheControl.includes('no-cache')) return 0;
  const value = (name: string): number | undefined => {
    const [, text] = new RegExp(`(?:^|, )${name}=(\\d+)`).exec(cacheControl) ?? [];
    return text === undefined ? undefined : Number(text);
  };
  const stale = Math.max(value('stale-while-revalidate') ?? 0, value('stale-if-error') ?? 0);
  return (value('s-maxage') ?? value('max-age') ?? 0) + stale;
}
