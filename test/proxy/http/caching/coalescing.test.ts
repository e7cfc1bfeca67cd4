import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { A_WHILE_MS, type Answer, type Asked, fieldOf, type Request } from './case.ts';
import { type Got, readAnswer } from './client.ts';
import { openScene, type Scene } from './scene.ts';
import { openStage, type Stage } from './stage.ts';

const FRESH = 'Cache-Control: max-age=3600';
const BODY = Buffer.alloc(200_000, 'a body of many bytes, ');

function times(count: number, request: Request = {}): Request[] {
  return Array.from({ length: count }, () => request);
}

function expectAll(all: readonly Got[], body: Buffer | string): void {
  for (const got of all) {
    expect(got.status).to.equal(200);
    expect(got.isWhole).to.equal(true);
    expect(got.body.equals(Buffer.from(body)), 'the body is the same').to.equal(true);
  }
}

describe('one fetch for many clients of the HTTP proxy', () => {
  let stage: Stage;
  let scenes = 0;
  before(async () => {
    stage = await openStage('store');
  });
  after(() => stage?.[Symbol.asyncDispose]());

  function scene(answer: Answer | ((nth: number, asked: Omit<Asked, 'step'>) => Answer)): Scene {
    scenes += 1;
    return openScene(stage, scenes, typeof answer === 'function' ? answer : () => answer);
  }

  describe('who asks at the same time', () => {
    const framings: Record<string, Answer> = {
      'with a length': { body: BODY },
      chunked: { body: BODY, framing: 'chunked' },
      empty: { body: '' },
      'of status 404': { status: 404, body: 'not here' },
    };
    for (const [name, answer] of Object.entries(framings)) {
      it(`shares one answer ${name}`, async () => {
        const shared = scene({ headers: [FRESH], delayMs: 150, ...answer });
        const all = await shared.getMany(times(20));
        expect(shared.asked).to.have.length(1);
        for (const got of all) {
          expect(got.status).to.equal(answer.status ?? 200);
          expect(got.isWhole).to.equal(true);
          expect(got.body.equals(Buffer.from(answer.body ?? ''))).to.equal(true);
        }
        await shared.get();
        expect(shared.asked).to.have.length(1);
      });
    }

    it('shares one answer that ends with its connection', async () => {
      const shared = scene({ headers: [FRESH], delayMs: 150, body: BODY, framing: 'close' });
      expectAll(await shared.getMany(times(20)), BODY);
      expect(shared.asked).to.have.length(1);
    });

    it('shares one answer in HTTP/1.0 and 1.1', async () => {
      const shared = scene({ headers: [FRESH], delayMs: 150, pauseMs: 30, body: BODY, framing: 'chunked' });
      const all = await shared.getMany([...times(5, { version: '1.0' }), ...times(5)]);
      expectAll(all, BODY);
      expect(shared.asked).to.have.length(1);
      for (const got of all.slice(0, 5))
        expect(fieldOf(got.headers, 'Transfer-Encoding')).to.equal(undefined);
    });

    it('shares one answer, whatever does not select it', async () => {
      const shared = scene({ headers: [FRESH], delayMs: 150, body: 'for all' });
      expectAll(
        await shared.getMany(['de', 'en', 'fr'].map((value) => ({ headers: [`X-A: ${value}`] }))),
        'for all',
      );
      expect(shared.asked).to.have.length(1);
    });

    it('joins an answer under way and gets it from its beginning', async () => {
      const shared = scene({ headers: [FRESH], body: BODY, pauseMs: 120 });
      const first = shared.get();
      await shared.untilAsked(1);
      await sleep(180);
      const late = await shared.getMany(times(3));
      expectAll([await first, ...late], BODY);
      expect(shared.asked).to.have.length(1);
    });

    it('joins a chunked answer under way and gets it from its beginning', async () => {
      const shared = scene({ headers: [FRESH], body: BODY, pauseMs: 120, framing: 'chunked' });
      const first = shared.get();
      await shared.untilAsked(1);
      await sleep(180);
      const late = await shared.getMany(times(3));
      expectAll([await first, ...late], BODY);
      expect(shared.asked).to.have.length(1);
    });

    it('gets the beginning of an answer before its end has arrived', async () => {
      const shared = scene({ headers: [FRESH], body: BODY, pauseMs: 200 });
      for (const got of await shared.getMany(times(3))) {
        expect(got.tookMs).to.be.at.least(590);
        expect(got.firstByteMs).to.be.below(400);
      }
    });

    it('shares one validation', async () => {
      const shared = scene((nth) =>
        nth === 1
          ? { headers: ['Cache-Control: max-age=1', 'ETag: "a"'], body: 'stored' }
          : { status: 304, headers: [FRESH, 'ETag: "a"'], delayMs: 150 },
      );
      await shared.get();
      await sleep(A_WHILE_MS);
      expectAll(await shared.getMany(times(10)), 'stored');
      expect(shared.asked).to.have.length(2);
    });

    it('shares one refresh behind a stale answer', async () => {
      const shared = scene((nth) =>
        nth === 1
          ? { headers: ['Cache-Control: max-age=1, stale-while-revalidate=60'], body: 'old' }
          : { headers: [FRESH], body: 'new', delayMs: 150 },
      );
      await shared.get();
      await sleep(A_WHILE_MS);
      expectAll(await shared.getMany(times(10)), 'old');
      await sleep(300);
      expectAll([await shared.get()], 'new');
      expect(shared.asked).to.have.length(2);
    });

    it('does not wait for what is fetched of another URL', async () => {
      const shared = scene((_, { target }) =>
        target.endsWith('slow') ? { headers: [FRESH], delayMs: 600 } : { headers: [FRESH] },
      );
      const slow = shared.get({ path: 'slow' });
      await shared.untilAsked(1);
      const [quick] = await shared.getMany([{ path: 'quick' }]);
      expect(quick?.tookMs).to.be.below(400);
      expect((await slow).status).to.equal(200);
    });
  });

  describe('what is not shared', () => {
    const unshared: Record<string, { headers: readonly string[]; request?: Request }> = {
      'a no-store answer': { headers: ['Cache-Control: no-store'] },
      'a private answer': { headers: ['Cache-Control: private, max-age=60'] },
      'an answer with a cookie': { headers: [FRESH, 'Set-Cookie: id=1'] },
      'an answer that varies by everything': { headers: [FRESH, 'Vary: *'] },
      'an answer to Authorization': {
        headers: [FRESH],
        request: { headers: ['Authorization: Basic eDp5'] },
      },
      'an answer to no-store': { headers: [FRESH], request: { headers: ['Cache-Control: no-store'] } },
      'an answer to POST': { headers: [FRESH], request: { method: 'POST', sends: 'x' } },
      'an answer to OPTIONS': { headers: [FRESH], request: { method: 'OPTIONS' } },
    };
    for (const [name, { headers, request }] of Object.entries(unshared)) {
      it(`${name}: each client has its own`, async () => {
        const own = scene({ headers, delayMs: 100 });
        const all = await own.getMany(times(20, request));
        expect(own.asked).to.have.length(20);
        expect(new Set(all.map(({ body }) => body.toString())).size).to.equal(20);
        for (const got of all) expect([got.status, got.isWhole]).to.deep.equal([200, true]);
      });
    }

    it('an answer to Authorization, with one who has none', async () => {
      const own = scene((_, { headers }) => ({
        headers: [FRESH],
        delayMs: 150,
        body: fieldOf(headers, 'Authorization') ?? 'anybody',
      }));
      const [alice, bob, anybody] = await own.getMany([
        { headers: ['Authorization: alice'] },
        { headers: ['Authorization: bob'] },
        {},
      ]);
      expect(String(alice?.body)).to.equal('alice');
      expect(String(bob?.body)).to.equal('bob');
      expect(String(anybody?.body)).to.equal('anybody');
    });

    it('an answer that varies by what differs', async () => {
      const own = scene((_, { headers }) => ({
        headers: [FRESH, 'Vary: Accept-Language'],
        delayMs: 150,
        body: fieldOf(headers, 'Accept-Language') ?? 'none',
      }));
      const languages = ['de', 'en', 'fr', 'de', 'en', 'fr', 'de', 'en', 'fr'];
      const all = await own.getMany(languages.map((value) => ({ headers: [`Accept-Language: ${value}`] })));
      expect(all.map(({ body }) => String(body))).to.deep.equal(languages);
      expect(own.asked.length).to.be.within(3, 9);
    });

    it('a GET and a HEAD of one URL', async () => {
      const own = scene({ headers: [FRESH], delayMs: 150, body: 'the body' });
      const [get, head] = await own.getMany([{}, { method: 'HEAD' }]);
      expect([get?.status, String(get?.body), get?.excess]).to.deep.equal([200, 'the body', '']);
      expect([head?.status, head?.excess]).to.deep.equal([200, '']);
    });

    it('a part and the whole, with their conditions, while the whole arrives', async () => {
      const own = scene((_, { headers }) => {
        if (fieldOf(headers, 'If-None-Match') === '"a"')
          return { status: 304, headers: [FRESH, 'ETag: "a"'] };
        return { headers: [FRESH, 'ETag: "a"'], body: '0123456789', pauseMs: 60 };
      });
      const whole = own.get();
      await own.untilAsked(1);
      const [part, same, other] = await own.getMany([
        { headers: ['Range: bytes=2-4'] },
        { headers: ['If-None-Match: "a"'] },
        { headers: ['If-None-Match: "b"'] },
      ]);
      expect(String((await whole).body)).to.equal('0123456789');
      expect([`${part?.status} ${part?.body}`]).to.satisfy(([seen]: string[]) =>
        ['206 234', '200 0123456789'].includes(seen ?? ''),
      );
      expect([`${same?.status} ${same?.body}`]).to.satisfy(([seen]: string[]) =>
        ['304 ', '200 0123456789'].includes(seen ?? ''),
      );
      expect(`${other?.status} ${other?.body}`).to.equal('200 0123456789');
    });
  });

  describe('when somebody is slow, or leaves', () => {
    it('a slow reader holds up nobody, and gets all', async () => {
      const large = Buffer.alloc(6_000_000, BODY);
      const shared = scene({ headers: [FRESH], delayMs: 100, body: large });
      const slow = shared.open();
      slow.pause();
      const all = await shared.getMany(times(5));
      expectAll(all, large);
      for (const got of all) expect(got.tookMs).to.be.below(2_000);
      expectAll([await read(slow)], large);
    });

    it('the first one leaving breaks nothing for the others', async () => {
      const shared = scene({ headers: [FRESH], delayMs: 200, body: BODY, pauseMs: 50 });
      const first = shared.open();
      await shared.untilAsked(1);
      const others = shared.getMany(times(5));
      await sleep(80);
      first.destroy();
      expectAll(await others, BODY);
      expect(shared.asked.length).to.be.at.most(2);
    });

    it('the first one leaving in mid-body breaks nothing for the others', async () => {
      const shared = scene({ headers: [FRESH], body: BODY, pauseMs: 100 });
      const first = shared.open();
      await shared.untilAsked(1);
      const others = shared.getMany(times(5));
      await sleep(150);
      first.destroy();
      expectAll(await others, BODY);
      expect(shared.asked.length).to.be.at.most(2);
    });

    it('all leaving leaves the next one served', async () => {
      const shared = scene({ headers: [FRESH], delayMs: 100, body: BODY, pauseMs: 50 });
      const gone = [shared.open(), shared.open(), shared.open()];
      await shared.untilAsked(1);
      for (const socket of gone) socket.destroy();
      expectAll(await shared.getMany(times(3)), BODY);
      expect(shared.asked.length).to.be.at.most(3);
    });
  });

  describe('when the fetch fails', () => {
    const failures: Record<string, Answer> = {
      'without an answer': { raw: '', delayMs: 150 },
      'by garbage': { raw: 'SSH-2.0-OpenSSH\r\n', delayMs: 150 },
    };
    for (const [name, failure] of Object.entries(failures)) {
      it(`${name}, each client has a 502 or an answer of its own`, async () => {
        const failing = scene((nth) => (nth <= 20 ? failure : { headers: [FRESH], body: 'at last' }));
        for (const got of await failing.getMany(times(10))) {
          expect([502, 504]).to.include(got.status);
          expect(got.isWhole).to.equal(true);
        }
      });
    }

    it('in mid-body, each client can tell, and nothing is stored', async () => {
      const failing = scene((nth) =>
        nth === 1
          ? { headers: [FRESH], body: BODY, cut: 'end', delayMs: 150 }
          : { headers: [FRESH], body: 'at last' },
      );
      for (const got of await failing.getMany(times(10))) {
        if (got.isWhole) expect(String(got.body)).to.equal('at last');
        else expect(got.status).to.equal(200);
      }
      expectAll([await failing.get()], 'at last');
    });

    it('in mid-body of chunks, each client can tell, and nothing is stored', async () => {
      const failing = scene((nth) =>
        nth === 1
          ? { headers: [FRESH], body: BODY, framing: 'chunked', cut: 'reset', delayMs: 150 }
          : { headers: [FRESH], body: 'at last' },
      );
      const requests = [...times(5), ...times(5, { version: '1.0' })];
      for (const got of await failing.getMany(requests)) {
        if (got.isWhole) expect(String(got.body)).to.equal('at last');
        else expect(got.status).to.equal(200);
      }
      expectAll([await failing.get()], 'at last');
    });
  });

  it('an answer asked for before an unsafe request is not kept after it (optional)', async () => {
    const changing = scene((nth, { method }) =>
      method === 'POST'
        ? {}
        : { headers: [FRESH], body: nth === 1 ? 'before' : 'after', delayMs: nth === 1 ? 250 : 0 },
    );
    const before = changing.get();
    await changing.untilAsked(1);
    await changing.getMany([{ method: 'POST', sends: 'x' }]);
    await before;
    expect(String((await changing.get()).body)).to.equal('after');
  });
});

/** Reads what a paused socket has been sent, to its end. */
async function read(socket: import('node:net').Socket): Promise<Got> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return { ...readAnswer(Buffer.concat(chunks), 'GET', false), firstByteMs: 0, tookMs: 0 };
}
