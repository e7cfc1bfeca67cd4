import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Chance, chance } from '../../../base/seeded.ts';
import type { Request } from './case.ts';
import { ask } from './client.ts';
import { answerByChance, emptyHistory, type History } from './random-origin.ts';
import { type Exchange, faultOf } from './random-verdict.ts';
import { sceneOpener } from './scene.ts';
import { addressOf, openStage, type Stage } from './stage.ts';

const URLS = 12;
const CLIENTS = 24;
const REQUESTS_OF_A_CLIENT = 25;
/** Fewer answers from the cache than this would not show much. */
const MIN_REUSED = 50;
/** How far back a fault is told. */
const TOLD_MS = 400;

interface Place {
  readonly target: string;
  readonly history: History;
}

const SETTINGS = {
  'kept in a store': { keeping: 'store' },
  'kept in memory': { keeping: 'memory' },
  'kept in a store, with little memory': { keeping: 'store', cache: { memoryBytes: 50_000 } },
} as const;

/** WEIR_SEED repeats what is asked and answered, not the order in which it meets. */
describe('random traffic through the cache of the HTTP proxy', () => {
  for (const [says, { keeping, ...more }] of Object.entries(SETTINGS)) {
    it(`gives nobody what is not meant for it, ${says}`, async () => {
      const seed = Number(process.env['WEIR_SEED'] ?? randomInt(2 ** 32));
      const random = chance(seed);
      await using stage = await openStage(keeping, 'cache' in more ? more.cache : {});
      const places = openPlaces(stage, random);
      const walks = await Promise.all(
        Array.from({ length: CLIENTS }, (_, client) => walk(stage, places, random, client)),
      );
      const faults = walks.flatMap((one) => one.faults);
      const reused = walks.reduce((sum, one) => sum + one.reused, 0);
      if (faults.length > 0) {
        throw new Error(`${faults.length} faults (WEIR_SEED=${seed}):\n${faults.slice(0, 3).join('\n')}`);
      }
      if (reused < MIN_REUSED) throw new Error(`${reused} answers came from the cache (WEIR_SEED=${seed})`);
    });
  }
});

function openPlaces(stage: Stage, random: Chance): Place[] {
  let count = 0;
  return Array.from({ length: URLS }, (_, index) => {
    const history = emptyHistory();
    const open = sceneOpener(stage, index);
    const { target } = open((_nth, asked) => answerByChance(random, history, asked, () => (count += 1)));
    return { target, history };
  });
}

/** One client's requests, one after the other; what it should not have got, and how much came from the cache. */
async function walk(
  stage: Stage,
  places: readonly Place[],
  random: Chance,
  client: number,
): Promise<{ readonly faults: string[]; readonly reused: number }> {
  const faults: string[] = [];
  let reused = 0;
  const [first] = places;
  if (first === undefined) return { faults, reused };
  for (let turn = 0; turn < REQUESTS_OF_A_CLIENT; turn += 1) {
    const { target, history } = random.pick([first, ...places]);
    const id = `${client}-${turn}`;
    const request = requestByChance(random, history, id);
    const startMs = Date.now();
    const got = await ask({ proxy: stage.proxy, localAddress: addressOf(client), target }, request);
    const change = history.changes.find(({ requestId }) => requestId === id);
    if (change !== undefined) change.doneMs = Date.now();
    if (!history.requestIds.has(id) && got.status < 500) reused += 1;
    const exchange = { id, request, got, startMs };
    history.events.push({ atMs: Date.now(), text: told(exchange) });
    const fault = faultOf(exchange, history);
    if (fault !== undefined)
      faults.push([`${fault}: ${target}`, ...eventsSince(history, startMs)].join('\n'));
    await sleep(random.integer(60));
  }
  return { faults, reused };
}

function told({ id, request, got }: Exchange): string {
  const headers = got.headers.map(({ name, value }) => `${name}: ${value}`);
  const asked = [request.method, ...(request.headers ?? [])];
  return `${id} ${asked.join(' | ')} got ${[got.status, ...headers].join(' | ')}`;
}

function eventsSince(history: History, startMs: number): string[] {
  return history.events
    .filter(({ atMs }) => atMs > startMs - TOLD_MS)
    .map(({ atMs, text }) => `    ${atMs - startMs} ms: ${text}`);
}

function requestByChance({ integer, pick }: Chance, history: History, id: string): Request {
  const isOften = (percent: number): boolean => integer(100) < percent;
  const headers = [`X-Request: ${id}`];
  if (isOften(60)) headers.push(`X-Kind: ${pick(['a', 'b', 'c'])}`);
  if (isOften(5)) headers.push('Authorization: Basic eDp5');
  if (isOften(12)) {
    headers.push(
      `Cache-Control: ${pick(['no-cache', 'max-age=0', 'no-store', 'only-if-cached', 'max-age=5'])}`,
    );
  }
  const method = isOften(4) ? pick(['POST', 'DELETE', 'PUT']) : isOften(10) ? 'HEAD' : 'GET';
  if (method === 'GET' && isOften(10)) {
    headers.push(`Range: bytes=${pick(['0-9', '10-', '-5', '1000-80000', '5-5'])}`);
  }
  const known = history.sent.at(-1 - integer(3));
  if (method === 'GET' && known !== undefined && isOften(10)) headers.push(`If-None-Match: ${known.etag}`);
  return { method, headers, ...(isOften(10) && { version: '1.0' }) };
}
