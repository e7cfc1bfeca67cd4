import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import type { Enrolment } from '../../backup/agent/session.ts';
import { openServerIdentity } from '../../backup/server/identity.ts';
import { systemFiles } from '../../src/base/files.ts';
import type { Codec } from '../../src/wire/codec.ts';
import { encodeFrameHeader, type Frame, readFrames } from '../../src/wire/frame.ts';
import { MAX_REQUEST_BYTES } from '../../src/wire/limits.ts';

export type Send = <M>(codec: Codec<M>, message: M) => void;

/** A server with a key of its own that answers each frame as the test wants. */
export interface FalseProvider extends AsyncDisposable {
  readonly enrolment: Enrolment;
  /** Plain bytes that arrived on all connections. */
  readonly receivedBytes: number;
  answer: (frame: Frame, send: Send, socket: TLSSocket) => void;
}

export async function openFalseProvider(): Promise<FalseProvider> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-false-'));
  const identity = await openServerIdentity(systemFiles, directory);
  const sockets = new Set<TLSSocket>();
  let receivedBytes = 0;
  const server = createServer({ key: identity.key, cert: identity.cert }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      receivedBytes += bytes.length;
    });
    void serve(socket);
  });
  server.on('tlsClientError', () => undefined);

  async function serve(socket: TLSSocket): Promise<void> {
    const send: Send = (codec, message) => {
      const payload = codec.encode(message);
      socket.write(Buffer.concat([encodeFrameHeader(codec.type, payload.length), payload]));
    };
    try {
      for await (const frame of readFrames(socket, () => MAX_REQUEST_BYTES))
        provider.answer(frame, send, socket);
    } catch {
      socket.destroy();
    }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const provider: FalseProvider = {
    enrolment: { host: '127.0.0.1', port, pin: identity.pin, token: Buffer.alloc(32) },
    get receivedBytes() {
      return receivedBytes;
    },
    answer: () => undefined,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
      await rm(directory, { recursive: true });
    },
  };
  return provider;
}
