import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../src/base/clock.ts';
import type { WeirError } from '../../src/base/errors.ts';
import type { CacheStore } from '../record/cache-store.ts';
import { AnswerCopy, type Asked, type CopyOptions } from './answer-copy.ts';
import type { AnswerHead } from './answer-head.ts';
import { type ArrivingMemory, NOTHING_RESERVED, type Reservation } from './arriving-memory.ts';
import { decideReuse, requestDirectives } from './cache/reuse.ts';
import { servedHeaders } from './cache/served.ts';
import { isSelected } from './cache/vary.ts';
import type { Exchange } from './exchange.ts';
import type { RawHeaders } from './headers.ts';
import { upstreamError } from './origin-fetch.ts';
import { sendBody } from './send-body.ts';
import { startTransfer, type Transfer } from './transfer.ts';

/** An origin's answer on its way to the clients it is for, to the recorder and into the cache. */
export interface PassingAnswer {
  /** Whether others can have it too, without asking the origin. */
  readonly isShared: boolean;
  /** Whether a client that comes now may have it. */
  isFor(exchange: Exchange): boolean;
  /** Sends it to a client; `isFirst` to the one who asked. */
  deliver(exchange: Exchange, isFirst: boolean): void;
  /** Nobody reads it: it is given up, unless the rest is worth having. */
  finishOrDrop(): void;
  /** It was changed at the origin meanwhile: nobody else gets it, and it is not kept. */
  outdate(): void;
}

export interface PassingOptions extends CopyOptions {
  readonly store: CacheStore;
  readonly clock: Clock;
  readonly memory: ArrivingMemory;
  readonly finishing: Finishing;
  /** The answer broke off on its way to this client. */
  fail(exchange: Exchange, error: WeirError): void;
}

/** How many answers are fetched to their end although their clients have left. */
export interface Finishing {
  answers: number;
}

/** What is missing of a body whose clients have all left is fetched if it is no more, for so many at a time. */
export const FINISH_BYTES = 16 * 1024 * 1024;
const MAX_FINISHING = 64;

/** Starts the answer flowing. `prefix` are bytes of the body that come before those of `answer`. */
export function passAnswer(
  options: PassingOptions,
  asked: Asked,
  head: AnswerHead,
  answer: IncomingMessage,
  onOver: () => void,
  prefix?: Buffer,
): PassingAnswer {
  return new AnswerPassage(options, asked, head, answer, onOver, prefix);
}

class AnswerPassage implements PassingAnswer {
  readonly #options: PassingOptions;
  readonly #asked: Asked;
  readonly #head: AnswerHead;
  readonly #answer: IncomingMessage;
  readonly #onOver: () => void;
  readonly #copy: AnswerCopy;
  readonly #transfer: Transfer;
  #reservation: Reservation = NOTHING_RESERVED;
  #isFinishing = false;
  #isOver = false;

  constructor(
    options: PassingOptions,
    asked: Asked,
    head: AnswerHead,
    answer: IncomingMessage,
    onOver: () => void,
    prefix: Buffer | undefined,
  ) {
    this.#options = options;
    this.#asked = asked;
    this.#head = head;
    this.#answer = answer;
    this.#onOver = onOver;
    const copy = new AnswerCopy(options, asked, head, answer);
    this.#copy = copy;
    this.#transfer = startTransfer(answer, {
      store: options.store,
      prefix,
      memory: (isRecorded) => {
        const { sizeBytes } = copy;
        if (copy.mayBeKept) this.#reservation = options.memory.reserve({ sizeBytes, isRecorded });
        return this.#reservation.memory;
      },
      record: (onProgress) => copy.record(onProgress),
      onIdle: () => {
        this.finishOrDrop();
        this.#giveBack();
      },
      onWhole: (transfer) => void copy.keep(transfer).finally(() => this.#end()),
      onBroken: () => this.#end(),
    });
  }

  get isShared(): boolean {
    return this.#isReusable([]);
  }

  isFor({ request: { rawHeaders } }: Exchange): boolean {
    const { candidate, isOutdated } = this.#copy;
    if (candidate === undefined || isOutdated || !this.#transfer.body.isJoinable) return false;
    return isSelected(rawHeaders, candidate.selecting) && this.#isReusable(rawHeaders);
  }

  deliver(exchange: Exchange, isFirst: boolean): void {
    const { res } = exchange;
    const { body, recording } = this.#transfer;
    if (res.destroyed) return this.finishOrDrop();
    try {
      res.writeHead(this.#head.status, this.#head.reason, this.#headersFor(isFirst));
    } catch (error) {
      this.#options.fail(exchange, upstreamError(error));
      return this.finishOrDrop();
    }
    const reader = body.read();
    res.once('close', reader.leave);
    const own = isFirst || recording === undefined ? undefined : this.#copy.recordFor(exchange, recording);
    sendBody(exchange, reader, own, () => body.trailers).catch((error: unknown) => {
      this.#options.fail(exchange, upstreamError(error));
    });
  }

  finishOrDrop(): void {
    const { finishing } = this.#options;
    const { body } = this.#transfer;
    if (this.#isOver || this.#isFinishing || body.readers > 0 || this.#answer.closed) return;
    if (!this.#isWorthFinishing() || finishing.answers >= MAX_FINISHING) {
      this.#answer.destroy();
      return;
    }
    this.#isFinishing = true;
    finishing.answers++;
    const mostBytes = body.arrivedBytes + FINISH_BYTES;
    this.#answer.on('data', () => {
      if (body.arrivedBytes > mostBytes) this.#answer.destroy();
    });
  }

  outdate(): void {
    this.#copy.isOutdated = true;
  }

  /** Others are not sent what the origin had for the one who asked. */
  #headersFor(isFirst: boolean): string[] {
    const { candidate } = this.#copy;
    if (isFirst || candidate === undefined) return [...this.#head.headers];
    return servedHeaders(candidate.judgement, this.#options.clock.wallMs());
  }

  #isReusable(rawHeaders: RawHeaders): boolean {
    const { candidate } = this.#copy;
    if (candidate === undefined) return false;
    const nowMs = this.#options.clock.wallMs();
    return decideReuse(requestDirectives(rawHeaders), candidate.judgement, nowMs) !== 'validate';
  }

  #isWorthFinishing(): boolean {
    const { candidate, isOutdated, sizeBytes } = this.#copy;
    if (candidate === undefined || isOutdated) return false;
    // How long an answer without a length is shows while it arrives; only the cache itself waits to see.
    if (sizeBytes === undefined) return this.#asked.clientAddress === undefined;
    return sizeBytes - this.#transfer.body.arrivedBytes <= FINISH_BYTES;
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#isFinishing) this.#options.finishing.answers--;
    this.#giveBack();
    this.#onOver();
  }

  /** What has arrived stays in memory for as long as somebody reads it. */
  #giveBack(): void {
    if (this.#isOver && this.#transfer.body.readers === 0) this.#reservation.giveBack();
  }
}
