import { connect } from 'node:net';
import { expect } from 'chai';
import { type Answer, fieldOf, type Request } from './case.ts';
import { readAnswer, requestText } from './client.ts';
import { sceneOpener } from './scene.ts';
import { openStage, type Stage } from './stage.ts';

const BODY = '0123456789';

/** Each with the status and the body it must get; all on one connection, sent in one go. */
const EXCHANGES: readonly { readonly request: Request; readonly gets: string }[] = [
  { request: { path: 'whole' }, gets: `200 ${BODY}` },
  { request: { path: 'whole' }, gets: `200 ${BODY}` },
  { request: { path: 'whole', method: 'HEAD' }, gets: '200 ' },
  { request: { path: 'whole', headers: ['If-None-Match: "a"'] }, gets: '304 ' },
  { request: { path: 'whole', headers: ['Range: bytes=2-4'] }, gets: '206 234' },
  { request: { path: 'chunked' }, gets: `200 ${BODY}` },
  { request: { path: 'chunked' }, gets: `200 ${BODY}` },
  { request: { path: 'chunked', method: 'HEAD' }, gets: '200 ' },
  { request: { path: 'empty' }, gets: '200 ' },
  { request: { path: 'empty' }, gets: '200 ' },
  { request: { path: 'nothing' }, gets: '204 ' },
  { request: { path: 'nothing' }, gets: '204 ' },
  { request: { path: 'private' }, gets: `200 ${BODY}` },
  { request: { path: 'private', method: 'HEAD' }, gets: '200 ' },
  { request: { path: 'whole', method: 'POST', sends: 'x=1' }, gets: `200 ${BODY}` },
  { request: { path: 'whole' }, gets: `200 ${BODY}` },
  { request: { path: 'whole', headers: ['Range: bytes=9-'] }, gets: '206 9' },
  { request: { path: 'closed' }, gets: `200 ${BODY}` },
];

describe('one connection to the HTTP proxy, with and without the cache', () => {
  let stage: Stage;
  before(async () => {
    stage = await openStage('store');
  });
  after(() => stage?.[Symbol.asyncDispose]());

  function answerTo(target: string): Answer {
    const fresh = { headers: ['Cache-Control: max-age=60', 'ETag: "a"'], body: BODY };
    if (target.endsWith('chunked')) return { ...fresh, framing: 'chunked' };
    if (target.endsWith('empty')) return { ...fresh, body: '' };
    if (target.endsWith('nothing')) return { ...fresh, status: 204 };
    if (target.endsWith('private')) return { ...fresh, headers: ['Cache-Control: private'] };
    if (target.endsWith('closed')) return { ...fresh, framing: 'close' };
    return fresh;
  }

  for (const isPipelined of [true, false]) {
    it(`carries answers of every kind one after the other${isPipelined ? ', asked for in one go' : ''}`, async () => {
      const scene = sceneOpener(stage, isPipelined ? 1 : 2)((_, { target }) => answerTo(target));
      const socket = connect({ ...stage.proxy, localAddress: '127.9.9.9' });
      let bytes = Buffer.alloc(0);
      const text = ({ request }: (typeof EXCHANGES)[number], index: number): string =>
        requestText(scene.target + (request.path ?? ''), request, index === EXCHANGES.length - 1);
      if (isPipelined) socket.write(EXCHANGES.map(text).join(''));
      else socket.write(text({ request: { path: 'whole' }, gets: '' }, 0));
      const seen: string[] = [];
      for await (const chunk of socket) {
        bytes = Buffer.concat([bytes, chunk as Buffer]);
        for (let next = EXCHANGES[seen.length]; next !== undefined; next = EXCHANGES[seen.length]) {
          if (bytes.indexOf('\r\n\r\n') < 0) break;
          const got = readAnswer(bytes, next.request.method ?? 'GET', false);
          const endsItself =
            fieldOf(got.headers, 'content-length') !== undefined ||
            fieldOf(got.headers, 'transfer-encoding') !== undefined ||
            next.request.method === 'HEAD' ||
            [204, 304].includes(got.status);
          if (!got.isWhole || (!endsItself && seen.length < EXCHANGES.length - 1)) break;
          seen.push(`${got.status} ${got.body.toString('latin1')}`);
          bytes = Buffer.from(got.excess, 'latin1');
          const following = EXCHANGES[seen.length];
          if (!isPipelined && following !== undefined) socket.write(text(following, seen.length));
        }
      }
      expect(seen).to.deep.equal(EXCHANGES.map(({ gets }) => gets));
      expect(bytes.toString('latin1')).to.equal('');
    });
  }
});
