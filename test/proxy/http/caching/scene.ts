import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { Answer, Asked, Request } from './case.ts';
import { ask, type Got, readAnswer, requestText } from './client.ts';
import { addressOf, type Stage } from './stage.ts';

/** A requirement on what happens when many clients ask for one URL at a time. */
export interface SceneCase {
  /** A sentence about the cache. */
  readonly says: string;
  /** A correct cache may leave it out. */
  readonly optional?: true;
  play(scene: OpenScene): Promise<void>;
}

/** The origin answers every request with `answer`, or with what it gives for the nth, counted from 1. */
export type OpenScene = (answer: Answer | ((nth: number, asked: AskedOfScene) => Answer)) => Scene;

export type AskedOfScene = Omit<Asked, 'step'>;

/** One URL that many clients ask for. */
export interface Scene {
  /** Absolute; the origin gives what is below it to the same script. */
  readonly target: string;
  /** What the origin was asked, in order. */
  readonly asked: readonly AskedOfScene[];
  get(request?: Request): Promise<Got>;
  /** All at once, each from a subscriber of its own. */
  getMany(requests: readonly Request[]): Promise<Got[]>;
  /** Sends a request, and leaves reading the answer to the caller. */
  open(request?: Request): Socket;
  /** Waits until the origin was asked so often. */
  untilAsked(times: number): Promise<void>;
}

const PATIENCE_MS = 3_000;
const STEP_MS = 5;
const FIRST_OF_MANY = 10;

export function sceneOpener(stage: Stage, sceneNumber: number): OpenScene {
  return (answer) => {
    const name = `scene-${sceneNumber}`;
    const asked: AskedOfScene[] = [];
    stage.origin.play(name, {
      answer(received) {
        asked.push(received);
        const nth = asked.length;
        const fallbackBody = `answer ${nth} of ${name}`;
        return { answer: typeof answer === 'function' ? answer(nth, received) : answer, fallbackBody };
      },
    });
    const target = `http://127.0.0.1:${stage.origin.port}/${name}/`;
    const getAs = (subscriber: number, request: Request): Promise<Got> => {
      const localAddress = addressOf(sceneNumber, subscriber);
      return ask({ proxy: stage.proxy, localAddress, target: target + (request.path ?? '') }, request);
    };
    return {
      target,
      asked,
      get: (request = {}) => getAs(1, request),
      getMany: (requests) =>
        Promise.all(requests.map((request, index) => getAs(FIRST_OF_MANY + index, request))),
      open(request = {}) {
        const localAddress = addressOf(sceneNumber, 2);
        const socket = connect({ ...stage.proxy, localAddress, allowHalfOpen: true });
        socket.on('error', () => {}).on('end', () => socket.end());
        socket.write(requestText(target, request), 'latin1');
        return socket;
      },
      async untilAsked(times) {
        for (let waitedMs = 0; asked.length < times; waitedMs += STEP_MS) {
          if (waitedMs > PATIENCE_MS) throw new Error(`asked ${asked.length} times, not ${times}`);
          await sleep(STEP_MS);
        }
      },
    };
  };
}

export function times(count: number, request: Request = {}): Request[] {
  return Array.from({ length: count }, () => request);
}

/** Every answer is a 200 and, byte for byte, whole. */
export function expectAll(all: readonly Got[], body: Buffer | string): void {
  for (const got of all) {
    expect(got.status).to.equal(200);
    expect(got.isWhole, 'the answer is whole').to.equal(true);
    expect(got.body.equals(Buffer.from(body)), 'the body is the same').to.equal(true);
  }
}

/** Status and body, for comparing several at once. */
export function told({ status, body }: Got): string {
  return `${status} ${body.toString('latin1')}`;
}

/** Reads what a paused socket was sent, to its end. */
export async function readLate(socket: Socket): Promise<Got> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return { ...readAnswer(Buffer.concat(chunks), 'GET', false), firstByteMs: 0, tookMs: 0 };
}
