import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Chance, chance } from '../../../base/seeded.ts';
import type { Request } from './case.ts';
import { ask } from './client.ts';
import { answerByChance, emptyHistory, type History } from './random-origin.ts';
import { faultOf } from './random-verdict.ts';
import { sceneOpener } from './scene.ts';
import { addressOf, openStage } from './stage.ts';

const URLS = 12;
const CLIENTS = 24;
const REQUESTS_OF_A_CLIENT = 60;
/** How far back a fault is told. */
const TOLD_MS = 400;

describe('random traffic through the cache of the HTTP proxy', () => {
  for (const keeping of ['store', 'memory'] as const) {
    it(`gives nobody what is not meant for it, kept in ${keeping}`, async function () {
      this.timeout(30_000);
      const seed = Number(process.env['WEIR_SEED'] ?? randomInt(2 ** 32));
      const random = chance(seed);
      await using stage = await openStage(keeping);
      let count = 0;
      const places = Array.from({ length: URLS }, (_, index) => {
        const history = emptyHistory();
        const open = sceneOpener(stage, index);
        const { target } = open((_nth, asked) => answerByChance(random, history, asked, () => (count += 1)));
        return { target, history };
      });
      const faults: string[] = [];
      let reused = 0;
      await Promise.all(
        Array.from({ length: CLIENTS }, async (_, client) => {
          for (let turn = 0; turn < REQUESTS_OF_A_CLIENT; turn += 1) {
            const { target, history } = places[random.integer(URLS)] ??
              places[0] ?? { target: '', history: emptyHistory() };
            const id = `${client}-${turn}`;
            const request = requestByChance(random, history, id);
            const startMs = Date.now();
            const way = { proxy: stage.proxy, localAddress: addressOf(client), target };
            const got = await ask(way, request);
            if (!history.requestIds.has(id) && got.status < 500) reused += 1;
            const atMs = Date.now();
            const n = got.headers.find(({ name }) => name === 'X-N')?.value ?? 'of its own';
            history.events.push({ atMs, text: `${request.method} of ${id} got ${got.status} number ${n}` });
            const fault = faultOf({ id, request, got, startMs }, history);
            if (fault !== undefined) {
              const headers = got.headers.map(({ name, value }) => `${name}: ${value}`).join(' | ');
              const before = history.events
                .filter((event) => event.atMs > startMs - TOLD_MS)
                .map((event) => `    ${event.atMs - startMs} ms: ${event.text}`);
              const asked = `${target} ${JSON.stringify(request)} got ${got.status} ${headers}`;
              faults.push([`${fault}: ${asked}`, ...before].join('\n'));
            }
            await sleep(random.integer(60));
          }
        }),
      );
      if (faults.length > 0) {
        throw new Error(`${faults.length} faults (WEIR_SEED=${seed}):\n${faults.slice(0, 3).join('\n')}`);
      }
      if (reused < 100) throw new Error(`only ${reused} answers came from the cache (WEIR_SEED=${seed})`);
    });
  }
});

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
