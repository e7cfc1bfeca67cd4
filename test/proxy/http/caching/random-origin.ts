import type { Chance } from '../../../base/seeded.ts';
import { type Answer, fieldOf } from './case.ts';
import type { AskedOfScene } from './scene.ts';

/** An answer as the origin sent it, with all that decides who may get it. */
export interface Sent {
  /** Also the value of its X-N, which no 304 changes. */
  readonly nth: number;
  readonly requestId: string;
  readonly method: string;
  readonly kind: string;
  readonly isAuthorized: boolean;
  readonly isNoStoreAsked: boolean;
  readonly status: number;
  readonly cacheControl: string;
  readonly isVarying: boolean;
  readonly hasCookie: boolean;
  readonly isCut: boolean;
  readonly ageS: number;
  readonly etag: string;
  readonly body: Buffer;
  readonly atMs: number;
  /** When its last byte was sent. */
  endMs: number;
  /** When the origin said 304 of it, and with which Cache-Control. */
  readonly confirmed: { readonly atMs: number; readonly cacheControl: string }[];
}

/** A request that changed something, and succeeded. */
export interface Change {
  readonly requestId: string;
  readonly atMs: number;
  /** When the client had its answer. */
  doneMs: number;
}

/** What an origin did at one URL. */
export interface History {
  readonly sent: Sent[];
  readonly changes: Change[];
  /** When it failed to answer. */
  readonly failedAtMs: number[];
  readonly requestIds: Set<string>;
  /** Told when something is wrong. */
  readonly events: { readonly atMs: number; readonly text: string }[];
}

const CACHE_CONTROLS = [
  'max-age=3600',
  'public, max-age=3600',
  's-maxage=3600, max-age=0',
  'max-age=1',
  'max-age=1, must-revalidate',
  'max-age=1, stale-while-revalidate=1',
  'max-age=1, stale-if-error=1',
  'max-age=0',
  'no-cache',
  'no-store',
  'private, max-age=3600',
  '',
] as const;
const SIZES = [0, 20, 3_000, 70_000, 300_000] as const;

export function emptyHistory(): History {
  return { sent: [], changes: [], failedAtMs: [], requestIds: new Set(), events: [] };
}

/** Answers as chance will have it, and remembers what it answered. `count` numbers the answers of all URLs. */
export function answerByChance(
  { integer, pick }: Chance,
  history: History,
  asked: AskedOfScene,
  count: () => number,
): Answer {
  const isOften = (percent: number): boolean => integer(100) < percent;
  const atMs = Date.now();
  const requestId = fieldOf(asked.headers, 'X-Request') ?? '';
  history.requestIds.add(requestId);
  const note = (outcome: string): void => {
    history.events.push({ atMs, text: `${asked.method} of ${requestId}, the origin answers ${outcome}` });
  };
  const delayMs = integer(20);
  if (isOften(2)) {
    history.failedAtMs.push(atMs);
    note('nothing');
    return { raw: '', delayMs };
  }
  if (asked.method !== 'GET' && asked.method !== 'HEAD') {
    const status = pick([200, 204, 303, 404, 500]);
    if (status < 400) history.changes.push({ requestId, atMs, doneMs: Number.POSITIVE_INFINITY });
    note(`${status} after ${delayMs} ms`);
    return { status, delayMs };
  }
  const cacheControl = pick(CACHE_CONTROLS);
  const confirmed = history.sent.find(({ etag }) => fieldOf(asked.headers, 'If-None-Match')?.includes(etag));
  if (confirmed !== undefined && isOften(60)) {
    const headers = [`ETag: ${confirmed.etag}`, `Cache-Control: ${cacheControl}`];
    confirmed.confirmed.push({ atMs, cacheControl });
    note(`304 for ${confirmed.nth} after ${delayMs} ms`);
    return { status: 304, headers: confirmed.isVarying ? [...headers, 'Vary: X-Kind'] : headers, delayMs };
  }
  const nth = count();
  const pauseMs = integer(15);
  const sent: Sent = {
    nth,
    requestId,
    method: asked.method,
    kind: fieldOf(asked.headers, 'X-Kind') ?? '',
    isAuthorized: fieldOf(asked.headers, 'Authorization') !== undefined,
    isNoStoreAsked: fieldOf(asked.headers, 'Cache-Control') === 'no-store',
    status: pick([200, 200, 200, 200, 200, 404, 503]),
    cacheControl,
    isVarying: isOften(40),
    hasCookie: isOften(10),
    isCut: asked.method === 'GET' && isOften(4),
    ageS: isOften(10) ? 1 : 0,
    etag: `"e${nth}"`,
    body: Buffer.alloc(pick(SIZES), `answer ${nth}, `),
    atMs,
    endMs: Number.POSITIVE_INFINITY,
    confirmed: [],
  };
  history.sent.push(sent);
  note(`${sent.status} number ${nth} after ${delayMs} ms and 3 times ${pauseMs} ms`);
  const onSent = (): void => {
    sent.endMs = Date.now();
  };
  return { ...messageOf(sent), framing: pick(['length', 'chunked']), delayMs, pauseMs, onSent };
}

function messageOf(sent: Sent): Answer {
  const { nth, status, body, etag, cacheControl } = sent;
  return {
    status,
    body,
    headers: [
      `X-N: ${nth}`,
      `ETag: ${etag}`,
      ...(cacheControl === '' ? [] : [`Cache-Control: ${cacheControl}`]),
      ...(sent.isVarying ? ['Vary: X-Kind'] : []),
      ...(sent.hasCookie ? [`Set-Cookie: n=${nth}`] : []),
      ...(sent.ageS > 0 ? [`Age: ${sent.ageS}`] : []),
    ],
    ...(sent.isCut && body.length > 0 && { cut: 'end' }),
  };
}
