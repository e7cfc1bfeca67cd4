import type { IncomingMessage } from 'node:http';
import { WeirError } from '../../src/base/errors.ts';
import type { CacheStore } from '../record/cache-store.ts';
import type { Recording } from '../record/recording.ts';
import { whenClosed } from './answer-head.ts';
import { type ArrivingBody, type BodyMemory, createArrivingBody } from './arriving-body.ts';

/** The body of an origin's answer on its way: to its readers, and to the recorder. */
export interface Transfer {
  readonly body: ArrivingBody;
  readonly recording: Recording | undefined;
}

export interface TransferOptions {
  readonly store: Pick<CacheStore, 'readDurable'>;
  /** Bytes of the body that come before those of the answer. */
  readonly prefix?: Buffer | undefined;
  memory(isRecorded: boolean): BodyMemory;
  /** Begins to record the body, if it is to be recorded. */
  record(onProgress: () => void): Recording | undefined;
  /** The last reader has gone. */
  onIdle(): void;
  onWhole(transfer: Transfer): void;
  onBroken(error: WeirError): void;
}

/** An answer nobody wants is read to its end up to this: a new connection would cost more. */
const DISCARD_BYTES = 64 * 1024;

export function discard(answer: IncomingMessage): void {
  const sizeBytes = Number(answer.headers['content-length'] ?? Number.POSITIVE_INFINITY);
  if (sizeBytes <= DISCARD_BYTES || answer.statusCode === 304) answer.resume();
  else answer.destroy();
}

/** Starts the answer flowing. */
export function startTransfer(answer: IncomingMessage, options: TransferOptions): Transfer {
  const recording = options.record(() => body.progress());
  const body: ArrivingBody = createArrivingBody({
    durable: recording?.durable,
    store: options.store,
    memory: options.memory(recording !== undefined),
    onRoom: () => answer.resume(),
    onIdle: options.onIdle,
  });
  const transfer = { body, recording };
  function take(chunk: Buffer): void {
    recording?.write(chunk);
    body.push(chunk);
    if (!body.isRoom) answer.pause();
  }
  if (options.prefix !== undefined) take(options.prefix);
  answer.on('data', take);
  whenClosed(answer, (isWhole) => {
    if (isWhole) {
      body.finish(answer.rawTrailers);
      options.onWhole(transfer);
      return;
    }
    const error = new WeirError('WEIR_PROXY_UPSTREAM', 'the origin ended before its answer did');
    recording?.abandon();
    body.fail(error);
    options.onBroken(error);
  });
  return transfer;
}
