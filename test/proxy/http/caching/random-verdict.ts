import { fieldOf, type Request } from './case.ts';
import type { Got } from './client.ts';
import type { History, Sent } from './random-origin.ts';

export interface Exchange {
  readonly id: string;
  readonly request: Request;
  readonly got: Got;
  readonly startMs: number;
}

/** Rounding of an Age, and a clock read on both sides of a socket. */
const SLACK_S = 1.2;
const SLACK_MS = 60;

/** Why a client should not have got what it got; undefined when it may. */
export function faultOf(exchange: Exchange, history: History): string | undefined {
  const { id, request, got, startMs } = exchange;
  const asks = (line: string): boolean => request.headers?.includes(line) === true;
  if (got.excess !== '') return 'bytes after the answer';
  if (asks('Cache-Control: only-if-cached')) {
    if (history.requestIds.has(id)) return 'only-if-cached reached the origin';
    if (got.status === 504) return undefined;
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') return undefined;
  const nth = fieldOf(got.headers, 'X-N');
  if (nth === undefined) return faultWithoutNumber(exchange, history);
  const sent = history.sent.find((one) => String(one.nth) === nth);
  if (sent === undefined) return `answer ${nth} of another URL`;
  const wrongBody = faultOfBody(exchange, sent);
  if (wrongBody !== undefined || sent.requestId === id) return wrongBody;
  return faultOfReuse(exchange, sent) ?? faultOfAge(exchange, sent, history, startMs);
}

function faultWithoutNumber({ got, request, startMs }: Exchange, history: History): string | undefined {
  if (got.status === 304) {
    const etag = fieldOf(got.headers, 'ETag') ?? 'none';
    const asked = request.headers?.find((line) => line.startsWith('If-None-Match: ')) ?? '';
    return asked.includes(etag) ? undefined : `a 304 for ${etag} to who has ${asked}`;
  }
  const hasFailed = history.failedAtMs.some((atMs) => atMs > startMs - 1_000);
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
  if (!got.isWhole) {
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

/** What forbids reuse because of time: too old, or changed in between. */
function faultOfAge(exchange: Exchange, sent: Sent, history: History, startMs: number): string | undefined {
  const { request, got } = exchange;
  const isUnderWay = startMs <= sent.endMs + SLACK_MS;
  const last = sent.confirmed.findLast(({ atMs }) => atMs <= startMs + got.tookMs);
  const basisMs = last?.atMs ?? sent.atMs;
  const cacheControl = last?.cacheControl ?? sent.cacheControl;
  const isRecent = isUnderWay || basisMs >= startMs - SLACK_MS;
  const changedMs = history.changedAtMs.findLast((atMs) => atMs < startMs - SLACK_MS) ?? 0;
  if (sent.atMs < changedMs && basisMs < changedMs) return 'what was changed since is sent';
  const mustBeNew =
    request.headers?.some((line) => /^Cache-Control: (?:no-cache|max-age=0)$/.test(line)) === true;
  if (mustBeNew && !isRecent) return 'no-cache answered from the cache';
  const lifetimeS = lifetimeOf(cacheControl);
  const ageS = (startMs - basisMs) / 1_000 + (last === undefined ? sent.ageS : 0);
  if (lifetimeS === 0 && !isRecent) return `"${cacheControl}" reused after ${ageS} s`;
  if (ageS > lifetimeS + SLACK_S && !isRecent) return `"${cacheControl}" reused after ${ageS} s`;
  const told = Number(fieldOf(got.headers, 'Age') ?? (isRecent ? ageS : Number.NaN));
  return Math.abs(told - ageS) <= SLACK_S + got.tookMs / 1_000 ? undefined : `Age ${told} after ${ageS} s`;
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
