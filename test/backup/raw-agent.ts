import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import type { Codec } from '../../src/wire/codec.ts';
import { encodeFrameHeader, type Frame, readFrames } from '../../src/wire/frame.ts';
import { MAX_ANSWER_BYTES, WIRE_VERSION } from '../../src/wire/limits.ts';
import { failure, hello, type Welcome, welcome } from '../../src/wire/messages.ts';

/** A client that speaks frames and may lie: it checks nothing and keeps no order. */
export interface RawAgent extends AsyncDisposable {
  readonly socket: TLSSocket;
  send<M>(codec: Codec<M>, message: M): void;
  sendFrame(type: number, payload: Uint8Array): void;
  /** The next frame, or undefined at the end of the connection. */
  next(): Promise<Frame | undefined>;
  /** Sends and gives the answer; throws the provider's failure. */
  call<Q, A>(request: Codec<Q>, message: Q, answer: Codec<A>): Promise<A>;
  greet(token: Uint8Array): Promise<Welcome>;
}

export async function openRawAgent(port: number): Promise<RawAgent> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  const frames = readFrames(socket, () => MAX_ANSWER_BYTES);
  const agent: RawAgent = {
    socket,
    send: (codec, message) => agent.sendFrame(codec.type, codec.encode(message)),
    sendFrame(type, payload) {
      socket.write(Buffer.concat([encodeFrameHeader(type, payload.length), payload]));
    },
    async next() {
      const step = await frames.next().catch(() => ({ done: true as const, value: undefined }));
      return step.done ? undefined : step.value;
    },
    async call(request, message, answer) {
      agent.send(request, message);
      const frame = await agent.next();
      if (frame === undefined) throw new Error('the provider closed the connection');
      if (frame.type === failure.type) throw failure.decode(frame.payload);
      if (frame.type !== answer.type) throw new Error(`answered with type ${frame.type}`);
      return answer.decode(frame.payload);
    },
    greet: (token) => agent.call(hello, { version: WIRE_VERSION, token }, welcome),
    async [Symbol.asyncDispose]() {
      socket.destroy();
      if (!socket.closed) await once(socket, 'close');
    },
  };
  return agent;
}
