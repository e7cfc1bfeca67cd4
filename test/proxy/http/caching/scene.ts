import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Asked, Request } from './case.ts';
import { ask, type Got, requestText, type Way } from './client.ts';
import { addressOf, type Stage } from './stage.ts';

/** One URL that many clients ask for at a time. */
export interface Scene {
  readonly target: string;
  /** What the origin was asked, in order. */
  readonly asked: readonly Omit<Asked, 'step'>[];
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

/** The origin answers the request of that number, counted from 1, with what `answer` gives. */
export function openScene(
  stage: Stage,
  sceneNumber: number,
  answer: (nth: number, asked: Omit<Asked, 'step'>) => Answer,
): Scene {
  const name = `scene-${sceneNumber}`;
  const asked: Omit<Asked, 'step'>[] = [];
  stage.origin.play(name, {
    answer(received) {
      asked.push(received);
      return { answer: answer(asked.length, received), fallbackBody: `answer ${asked.length} of ${name}` };
    },
  });
  const target = `http://127.0.0.1:${stage.origin.port}/${name}/`;
  const way = (subscriber: number, path = ''): Way => ({
    proxy: stage.proxy,
    localAddress: addressOf(sceneNumber, subscriber),
    target: target + path,
  });
  return {
    target,
    asked,
    get: (request = {}) => ask(way(1, request.path), request),
    getMany: (requests) => Promise.all(requests.map((one, index) => ask(way(10 + index, one.path), one))),
    open(request = {}) {
      const socket = connect({
        ...stage.proxy,
        localAddress: addressOf(sceneNumber, 2),
        allowHalfOpen: true,
      });
      socket.on('error', () => {}).on('end', () => socket.end());
      socket.write(requestText(target, request), 'latin1');
      return socket;
    },
    async untilAsked(times) {
      for (let waitedMs = 0; asked.length < times; waitedMs += STEP_MS) {
        if (waitedMs > PATIENCE_MS)
          throw new Error(`the origin was asked ${asked.length} times, not ${times}`);
        await sleep(STEP_MS);
      }
    },
  };
}
