import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { type Origin, rawOrigin } from '../proxy/http/harness.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A WebSocket server (RFC 6455) that sends every short text message back in upper case. */
export function openEcho(): Promise<Origin> {
  return rawOrigin((socket) => {
    let received: Buffer = Buffer.alloc(0);
    let isOpen = false;
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (!isOpen) {
        const end = received.indexOf('\r\n\r\n');
        if (end === -1) return;
        accept(socket, received.toString('latin1', 0, end));
        received = received.subarray(end + 4);
        isOpen = true;
      }
      received = echo(socket, received);
    });
  });
}

function accept(socket: Socket, head: string): void {
  const key = /\r\nsec-websocket-key: *(\S+)/i.exec(head)?.[1] ?? '';
  const answer = createHash('sha1')
    .update(key + GUID)
    .digest('base64');
  const lines = ['Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${answer}`];
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
}

/** Answers the whole frames; gives what is left. Clients' frames are masked (section 5.3). */
function echo(socket: Socket, received: Buffer): Buffer {
  const lengthBytes = (received[1] ?? 0) & 0x7f;
  if (received.length < 2 || received.length < 6 + lengthBytes) return received;
  const mask = received.subarray(2, 6);
  const payload = received.subarray(6, 6 + lengthBytes).map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  const isText = ((received[0] ?? 0) & 0x0f) === 1;
  if (isText) {
    const text = Buffer.from(payload.toString().toUpperCase());
    socket.write(Buffer.concat([Buffer.of(0x81, text.length), text]));
  } else socket.end();
  return echo(socket, received.subarray(6 + lengthBytes));
}
