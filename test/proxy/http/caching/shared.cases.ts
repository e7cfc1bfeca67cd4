import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { A_WHILE_MS, type Answer, fieldOf } from './case.ts';
import { expectAll, type SceneCase, times, told } from './scene.ts';

const FRESH = 'Cache-Control: max-age=3600';
const BODY = Buffer.alloc(200_000, 'a body of many bytes, ');
/** More than is kept in memory without a store. */
const LARGE = Buffer.alloc(1_500_000, 'a body of very many bytes, ');

const ANSWERS: Readonly<Record<string, Answer>> = {
  'with a length': { body: BODY },
  chunked: { body: BODY, framing: 'chunked' },
  empty: { body: '' },
  'of status 404': { status: 404, body: 'not here' },
  'of status 204': { status: 204, body: '' },
};

const AT_ONCE: readonly SceneCase[] = [
  ...Object.entries(ANSWERS).map(
    ([name, answer]): SceneCase => ({
      says: `twenty clients share one answer ${name}`,
      async play(open) {
        const scene = open({ headers: [FRESH], delayMs: 150, ...answer });
        const all = await scene.getMany(times(20));
        expect(scene.asked).to.have.length(1);
        for (const got of all) {
          expect(got.status).to.equal(answer.status ?? 200);
          expect(got.isWhole).to.equal(true);
          expect(got.body.equals(Buffer.from(answer.body ?? ''))).to.equal(true);
        }
        await scene.get();
        expect(scene.asked).to.have.length(1);
      },
    }),
  ),
  {
    says: 'clients of HTTP/1.0 and 1.1 share one chunked answer',
    async play(open) {
      const scene = open({ headers: [FRESH], delayMs: 150, pauseMs: 30, body: BODY, framing: 'chunked' });
      const all = await scene.getMany([...times(5, { version: '1.0' }), ...times(5)]);
      expectAll(all, BODY);
      expect(scene.asked).to.have.length(1);
      for (const got of all.slice(0, 5))
        expect(fieldOf(got.headers, 'Transfer-Encoding')).to.equal(undefined);
    },
  },
  {
    says: 'clients that differ in what selects nothing share one answer',
    async play(open) {
      const scene = open({ headers: [FRESH], delayMs: 150, body: 'for all' });
      const requests = ['de', 'en', 'fr'].map((value) => ({ headers: [`X-A: ${value}`] }));
      expectAll(await scene.getMany(requests), 'for all');
      expect(scene.asked).to.have.length(1);
    },
  },
  {
    says: 'clients share one answer of many bytes, and none misses any',
    async play(open) {
      const scene = open({ headers: [FRESH], delayMs: 100, body: LARGE });
      expectAll(await scene.getMany(times(10)), LARGE);
      expect(scene.asked).to.have.length(1);
    },
  },
  {
    says: 'clients share one validation',
    async play(open) {
      const scene = open((nth) =>
        nth === 1
          ? { headers: ['Cache-Control: max-age=1', 'ETag: "a"'], body: 'stored' }
          : { status: 304, headers: [FRESH, 'ETag: "a"'], delayMs: 150 },
      );
      await scene.get();
      await sleep(A_WHILE_MS);
      expectAll(await scene.getMany(times(10)), 'stored');
      expect(scene.asked).to.have.length(2);
    },
  },
  {
    says: 'clients that share a validation each get what their own condition asks for',
    async play(open) {
      const scene = open((nth, { headers }) =>
        nth === 1 || fieldOf(headers, 'If-None-Match')?.includes('"a"') !== true
          ? { headers: ['Cache-Control: max-age=1', 'ETag: "a"'], body: 'stored' }
          : { status: 304, headers: [FRESH, 'ETag: "a"'], delayMs: 150 },
      );
      await scene.get();
      await sleep(A_WHILE_MS);
      const conditions = [[], ['If-None-Match: "a"'], ['If-None-Match: "b"'], [], ['If-None-Match: "a"']];
      const all = await scene.getMany(conditions.map((headers) => ({ headers })));
      expect(all.map(told)).to.deep.equal(['200 stored', '304 ', '200 stored', '200 stored', '304 ']);
    },
  },
  {
    says: 'clients share what a validation brings instead',
    async play(open) {
      const scene = open((nth) =>
        nth === 1
          ? { headers: ['Cache-Control: max-age=1', 'ETag: "a"'], body: 'old' }
          : { headers: [FRESH, 'ETag: "b"'], body: BODY, delayMs: 150 },
      );
      await scene.get();
      await sleep(A_WHILE_MS);
      expectAll(await scene.getMany(times(10)), BODY);
      expect(scene.asked).to.have.length(2);
    },
  },
  {
    says: 'clients share one refresh behind a stale answer',
    async play(open) {
      const scene = open((nth) =>
        nth === 1
          ? { headers: ['Cache-Control: max-age=1, stale-while-revalidate=60'], body: 'old' }
          : { headers: [FRESH], body: 'new', delayMs: 150 },
      );
      await scene.get();
      await sleep(A_WHILE_MS);
      expectAll(await scene.getMany(times(10)), 'old');
      await scene.untilAsked(2);
      await sleep(500);
      expectAll([await scene.get()], 'new');
      expect(scene.asked).to.have.length(2);
    },
  },
  {
    says: 'clients share one stale answer when the origin fails',
    async play(open) {
      const scene = open((nth) =>
        nth === 1
          ? { headers: ['Cache-Control: max-age=1, stale-if-error=60'], body: 'old' }
          : { status: 503, delayMs: 150 },
      );
      await scene.get();
      await sleep(A_WHILE_MS);
      expectAll(await scene.getMany(times(10)), 'old');
    },
  },
];

const ONE_BY_ONE: readonly SceneCase[] = [
  ...(['length', 'chunked'] as const).map(
    (framing): SceneCase => ({
      says: `who joins an answer under way gets it from its beginning (${framing})`,
      async play(open) {
        const scene = open({ headers: [FRESH], body: BODY, pauseMs: 120, framing });
        const first = scene.get();
        await scene.untilAsked(1);
        await sleep(180);
        const late = await scene.getMany(times(3));
        expectAll([await first, ...late], BODY);
        expect(scene.asked).to.have.length(1);
      },
    }),
  ),
  {
    says: 'who joins a large answer under way gets it from its beginning',
    async play(open) {
      const scene = open({ headers: [FRESH], body: LARGE, pauseMs: 120 });
      const first = scene.get();
      await scene.untilAsked(1);
      await sleep(300);
      expectAll([await first, ...(await scene.getMany(times(3)))], LARGE);
      // Without a store the beginning of a large answer is not kept for who comes late.
      expect(scene.asked.length).to.be.at.most(4);
    },
  },
  {
    says: 'the beginning of an answer arrives before its end was sent',
    async play(open) {
      const scene = open({ headers: [FRESH], body: BODY, pauseMs: 400 });
      for (const got of await scene.getMany(times(3))) {
        expect(got.tookMs).to.be.at.least(1_190);
        expect(got.firstByteMs).to.be.below(800);
      }
    },
  },
  {
    says: 'nobody waits for what is fetched of another URL',
    async play(open) {
      const scene = open((_, { target }) => ({
        headers: [FRESH],
        delayMs: target.endsWith('slow') ? 1_000 : 0,
      }));
      const slow = scene.get({ path: 'slow' });
      await scene.untilAsked(1);
      const [quick] = await scene.getMany([{ path: 'quick' }]);
      expect(quick?.tookMs).to.be.below(700);
      expect((await slow).status).to.equal(200);
    },
  },
  {
    says: 'only-if-cached does not ask the origin while another does',
    async play(open) {
      const scene = open({ headers: [FRESH], delayMs: 200, body: 'the answer' });
      const first = scene.get();
      await scene.untilAsked(1);
      const [impatient] = await scene.getMany([{ headers: ['Cache-Control: only-if-cached'] }]);
      expect(impatient?.status).to.be.oneOf([200, 504]);
      expectAll([await first], 'the answer');
      expect(scene.asked).to.have.length(1);
    },
  },
  ...Object.entries({
    'before its head came': { delayMs: 250 },
    'while its body came': { pauseMs: 120 },
    'while its many bytes came': { pauseMs: 120, body: LARGE },
  } satisfies Record<string, Answer>).map(
    ([when, answer]): SceneCase => ({
      says: `an answer is not kept when an unsafe request succeeded ${when}`,
      optional: true,
      async play(open) {
        const scene = open((nth, { method }) => {
          if (method === 'POST') return {};
          return nth === 1
            ? { headers: [FRESH], body: 'from before', ...answer }
            : { headers: [FRESH], body: 'from after' };
        });
        const before = scene.get();
        await scene.untilAsked(1);
        await sleep(100);
        await scene.getMany([{ method: 'POST', sends: 'x' }]);
        await before;
        expect(told(await scene.get())).to.equal('200 from after');
      },
    }),
  ),
  {
    says: 'a refresh behind is not kept when an unsafe request succeeded meanwhile',
    optional: true,
    async play(open) {
      const scene = open((nth, { method }) => {
        if (method === 'POST') return {};
        if (nth === 1)
          return { headers: ['Cache-Control: max-age=1, stale-while-revalidate=60'], body: 'oldest' };
        return nth === 2
          ? { headers: [FRESH], body: 'from before', delayMs: 300 }
          : { headers: [FRESH], body: 'from after' };
      });
      await scene.get();
      await sleep(A_WHILE_MS);
      expectAll([await scene.get()], 'oldest');
      await scene.untilAsked(2);
      await scene.getMany([{ method: 'POST', sends: 'x' }]);
      await sleep(500);
      expect(told(await scene.get())).to.equal('200 from after');
    },
  },
];

export const SHARED_CASES: readonly SceneCase[] = [...AT_ONCE, ...ONE_BY_ONE];
