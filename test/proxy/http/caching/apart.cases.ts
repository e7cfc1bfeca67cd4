import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type Answer, fieldOf, type Request } from './case.ts';
import { expectAll, readLate, type SceneCase, times, told } from './scene.ts';

const FRESH = 'Cache-Control: max-age=3600';
const BODY = Buffer.alloc(200_000, 'a body of many bytes, ');

interface Private {
  readonly headers: readonly string[];
  readonly request?: Request;
  readonly framing?: 'close';
}

const PRIVATE: Readonly<Record<string, Private>> = {
  'a no-store answer': { headers: ['Cache-Control: no-store'] },
  'a private answer': { headers: ['Cache-Control: private, max-age=60'] },
  'an answer with a cookie': { headers: [FRESH, 'Set-Cookie: id=1'] },
  'an answer that varies by everything': { headers: [FRESH, 'Vary: *'] },
  'an answer to Authorization': { headers: [FRESH], request: { headers: ['Authorization: Basic eDp5'] } },
  'an answer to no-store': { headers: [FRESH], request: { headers: ['Cache-Control: no-store'] } },
  // Node.js does not tell a reset from the end of a connection.
  'an answer that ends with its connection': { headers: [FRESH], framing: 'close' },
  'an answer to POST': { headers: [FRESH], request: { method: 'POST', sends: 'x' } },
  'an answer to OPTIONS': { headers: [FRESH], request: { method: 'OPTIONS' } },
  'an answer to a GET with a body': { headers: [FRESH], request: { sends: 'x' } },
};

/** Of 100,000 bytes; none where there is nothing to send. */
const PARTS: Readonly<Record<string, readonly [number, number]>> = {
  'bytes=0-9': [0, 10],
  'bytes=60000-89999': [60_000, 90_000],
  'bytes=99990-': [99_990, 100_000],
  'bytes=-7': [99_993, 100_000],
  'bytes=100000-': [0, 0],
};

const OWN: readonly SceneCase[] = [
  ...Object.entries(PRIVATE).map(
    ([name, { request, ...answer }]): SceneCase => ({
      says: `${name} is not shared: each of twenty clients has its own`,
      async play(open) {
        const scene = open({ ...answer, delayMs: 100 });
        const all = await scene.getMany(times(20, request));
        expect(scene.asked).to.have.length(20);
        expect(new Set(all.map(told)).size).to.equal(20);
        for (const got of all) expect([got.status, got.isWhole]).to.deep.equal([200, true]);
      },
    }),
  ),
  {
    says: 'an answer to Authorization is not shared with who has another, or none',
    async play(open) {
      const scene = open((_, { headers }) => {
        return { headers: [FRESH], delayMs: 150, body: fieldOf(headers, 'Authorization') ?? 'anybody' };
      });
      const all = await scene.getMany([
        { headers: ['Authorization: alice'] },
        { headers: ['Authorization: bob'] },
        {},
        { headers: ['Authorization: alice'] },
        {},
      ]);
      expect(all.map(told)).to.deep.equal([
        '200 alice',
        '200 bob',
        '200 anybody',
        '200 alice',
        '200 anybody',
      ]);
    },
  },
  {
    says: 'clients whose requests select different variants get each their own',
    async play(open) {
      const scene = open((_, { headers }) => {
        const language = fieldOf(headers, 'Accept-Language') ?? 'none';
        return { headers: [FRESH, 'Vary: Accept-Language'], delayMs: 150, body: language };
      });
      const languages = ['de', 'en', 'fr', 'de', 'en', 'fr', 'de', 'en', 'fr'];
      const all = await scene.getMany(languages.map((value) => ({ headers: [`Accept-Language: ${value}`] })));
      expect(all.map(told)).to.deep.equal(languages.map((language) => `200 ${language}`));
      expect(scene.asked.length).to.be.within(3, 9);
    },
  },
  {
    says: 'clients whose requests select different variants do not wait in line',
    optional: true,
    async play(open) {
      const scene = open((_, { headers }) => {
        return { headers: [FRESH, 'Vary: X-Kind'], delayMs: 500, body: fieldOf(headers, 'X-Kind') ?? '' };
      });
      const all = await scene.getMany(Array.from({ length: 8 }, (_, i) => ({ headers: [`X-Kind: ${i}`] })));
      expect(all.map(told)).to.deep.equal(Array.from({ length: 8 }, (_, i) => `200 ${i}`));
      for (const got of all) expect(got.tookMs).to.be.below(2_500);
    },
  },
  ...[['GET', 'HEAD'] as const, ['HEAD', 'GET'] as const].map(
    (methods): SceneCase => ({
      says: `${methods.join(' and ')} of one URL get each their own`,
      async play(open) {
        const scene = open({ headers: [FRESH], delayMs: 150, body: 'the body' });
        const all = await scene.getMany(methods.map((method) => ({ method })));
        const wanted = methods.map((method) => (method === 'HEAD' ? '200 ' : '200 the body'));
        expect(all.map(told)).to.deep.equal(wanted);
        for (const got of all) expect([got.isWhole, got.excess]).to.deep.equal([true, '']);
      },
    }),
  ),
  {
    says: 'a part, and the whole under a condition, are right while the whole arrives',
    async play(open) {
      const scene = open((_, { headers }) => {
        if (fieldOf(headers, 'If-None-Match') === '"a"')
          return { status: 304, headers: [FRESH, 'ETag: "a"'] };
        return { headers: [FRESH, 'ETag: "a"'], body: '0123456789', pauseMs: 60 };
      });
      const whole = scene.get();
      await scene.untilAsked(1);
      const [part, same, other] = await scene.getMany([
        { headers: ['Range: bytes=2-4'] },
        { headers: ['If-None-Match: "a"'] },
        { headers: ['If-None-Match: "b"'] },
      ]);
      expectAll([await whole], '0123456789');
      expect(part && told(part)).to.be.oneOf(['206 234', '200 0123456789']);
      expect(same && told(same)).to.be.oneOf(['304 ', '200 0123456789']);
      expect(other && told(other)).to.equal('200 0123456789');
    },
  },
  ...(['length', 'chunked'] as const).flatMap((framing) =>
    Object.entries(PARTS).map(
      ([range, part]): SceneCase => ({
        says: `${range} of an answer under way is the right part, or the whole (${framing})`,
        async play(open) {
          const body = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 31 + (i >> 7)) & 0xff));
          const scene = open({ headers: [FRESH, 'ETag: "a"'], body, pauseMs: 60, framing });
          const whole = scene.get();
          await scene.untilAsked(1);
          await sleep(30);
          const [got] = await scene.getMany([{ headers: [`Range: ${range}`] }]);
          expect(got?.isWhole).to.equal(true);
          const right = got?.status === 206 ? body.subarray(...part) : got?.status === 200 ? body : undefined;
          if (got?.status === 416) expect(part).to.deep.equal([0, 0]);
          else expect(right && got?.body.equals(right), `the right bytes with ${got?.status}`).to.equal(true);
          expectAll([await whole], body);
        },
      }),
    ),
  ),
  {
    says: 'who asks for the whole while another asks for a part gets the whole',
    async play(open) {
      const scene = open((_, { headers }) =>
        fieldOf(headers, 'Range') === undefined
          ? { headers: [FRESH, 'ETag: "a"'], body: '0123456789', delayMs: 100 }
          : {
              status: 206,
              headers: [FRESH, 'ETag: "a"', 'Content-Range: bytes 2-4/10'],
              body: '234',
              delayMs: 100,
            },
      );
      const all = await scene.getMany([
        { headers: ['Range: bytes=2-4'] },
        {},
        { headers: ['Range: bytes=2-4'] },
        {},
      ]);
      const [part, whole, sameMore, wholeMore] = all.map(told);
      expect([whole, wholeMore]).to.deep.equal(['200 0123456789', '200 0123456789']);
      for (const one of [part, sameMore]) expect(one).to.be.oneOf(['206 234', '200 0123456789']);
    },
  },
];

const SLOW: readonly SceneCase[] = [
  ...[300_000, 6_000_000].map(
    (sizeBytes): SceneCase => ({
      says: `a slow reader of ${sizeBytes} bytes holds up nobody, and gets them all`,
      async play(open) {
        const large = Buffer.alloc(sizeBytes, BODY);
        const scene = open({ headers: [FRESH], delayMs: 100, body: large });
        const slow = scene.open();
        slow.pause();
        const all = await scene.getMany(times(5));
        expectAll(all, large);
        for (const got of all) expect(got.tookMs).to.be.below(3_000);
        expectAll([await readLate(slow)], large);
      },
    }),
  ),
  {
    says: 'the first one leaving before the answer came breaks nothing for the others',
    async play(open) {
      const scene = open({ headers: [FRESH], delayMs: 200, body: BODY, pauseMs: 50 });
      const first = scene.open();
      await scene.untilAsked(1);
      const others = scene.getMany(times(5));
      await sleep(80);
      first.destroy();
      expectAll(await others, BODY);
      expect(scene.asked.length).to.be.at.most(2);
    },
  },
  {
    says: 'the first one leaving in mid-body breaks nothing for the others',
    async play(open) {
      const scene = open({ headers: [FRESH], body: BODY, pauseMs: 100 });
      const first = scene.open();
      await scene.untilAsked(1);
      const others = scene.getMany(times(5));
      await sleep(150);
      first.destroy();
      expectAll(await others, BODY);
      expect(scene.asked.length).to.be.at.most(2);
    },
  },
  {
    says: 'the first one leaving before an answer that is not shared breaks nothing for the others',
    async play(open) {
      const scene = open({ headers: ['Cache-Control: no-store'], delayMs: 200, body: BODY });
      const first = scene.open();
      await scene.untilAsked(1);
      const others = scene.getMany(times(5));
      await sleep(80);
      first.destroy();
      expectAll(await others, BODY);
    },
  },
  {
    says: 'an answer that had come but for its end is finished and kept though all have left',
    optional: true,
    async play(open) {
      const scene = open({ headers: [FRESH], body: BODY, pauseMs: 150 });
      const gone = [scene.open(), scene.open()];
      await scene.untilAsked(1);
      await sleep(380);
      for (const socket of gone) socket.destroy();
      await sleep(500);
      expectAll([await scene.get()], BODY);
      expect(scene.asked).to.have.length(1);
    },
  },
  {
    says: 'after all have left, the next one is served',
    async play(open) {
      const scene = open({ headers: [FRESH], delayMs: 100, body: BODY, pauseMs: 50 });
      const gone = [scene.open(), scene.open(), scene.open()];
      await scene.untilAsked(1);
      for (const socket of gone) socket.destroy();
      expectAll(await scene.getMany(times(3)), BODY);
    },
  },
];

const FAILURES: Readonly<Record<string, Answer>> = {
  'without an answer': { raw: '', delayMs: 150 },
  'by garbage': { raw: 'SSH-2.0-OpenSSH\r\n', delayMs: 150 },
  'by half a head': { raw: 'HTTP/1.1 200 OK\r\nContent-', delayMs: 150 },
};
const CUTS: Readonly<Record<string, Answer>> = {
  'before its length': { cut: 'end' },
  'before its length, by a reset': { cut: 'reset' },
  'before its last chunk': { cut: 'end', framing: 'chunked' },
  'before its last chunk, by a reset': { cut: 'reset', framing: 'chunked' },
  'where only its end marks its length, by a reset': { cut: 'reset', framing: 'close' },
};

const FAILING: readonly SceneCase[] = [
  ...Object.entries(FAILURES).map(
    ([name, failure]): SceneCase => ({
      says: `when a fetch fails ${name}, each client has a 502, and the next one an answer`,
      async play(open) {
        let isBroken = true;
        const scene = open(() => (isBroken ? failure : { headers: [FRESH], body: 'at last' }));
        for (const got of await scene.getMany(times(10))) {
          expect(got.status).to.be.oneOf([502, 504]);
          expect(got.isWhole).to.equal(true);
        }
        isBroken = false;
        expectAll([await scene.get()], 'at last');
      },
    }),
  ),
  ...Object.entries(CUTS).map(
    ([name, cut]): SceneCase => ({
      says: `when an answer ends ${name}, each client can tell, and nothing is stored`,
      async play(open) {
        const scene = open((nth) =>
          nth === 1
            ? { headers: [FRESH], body: BODY, delayMs: 150, ...cut }
            : { headers: [FRESH], body: 'at last' },
        );
        for (const got of await scene.getMany(times(10))) {
          if (got.isWhole) expect(told(got)).to.equal('200 at last');
        }
        expectAll([await scene.get()], 'at last');
      },
    }),
  ),
];

export const APART_CASES: readonly SceneCase[] = [...OWN, ...SLOW, ...FAILING];
