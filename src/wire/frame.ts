import { WeirError } from '../base/errors.ts';

/**
 * Frames: every message is a 32-bit little-endian payload length, one byte of type, and the
 * payload. Bounded before anything is buffered.
 */
export const FRAME_HEADER_BYTES = 5;

export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

/** What goes before the payload. Apart from it, so that a large payload is not copied once more. */
export function encodeFrameHeader(type: number, payloadBytes: number): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header.writeUInt32LE(payloadBytes, 0);
  header.writeUInt8(type, 4);
  return header;
}

/**
 * The frames in a stream of bytes. `maxBytes` gives the bound on the payload of the next one, and
 * with it on what is held: pieces are gathered in place, since a million of one byte each would
 * hold a hundred times their bytes. A payload that came in one piece is a view of it.
 * Throws WEIR_WIRE_TOO_LARGE at a length above the bound, and WEIR_WIRE_MALFORMED when the stream
 * ends inside a frame.
 */
export async function* readFrames(
  stream: AsyncIterable<Buffer>,
  maxBytes: () => number,
): AsyncGenerator<Frame> {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  let headerBytes = 0;
  let gathered: Buffer | undefined;
  let gatheredBytes = 0;
  for await (const chunk of stream) {
    let rest = chunk;
    while (rest.length > 0) {
      const taken = rest.copy(header, headerBytes);
      headerBytes += taken;
      rest = rest.subarray(taken);
      if (headerBytes < FRAME_HEADER_BYTES) break;
      const length = payloadLength(header, maxBytes());
      if (gathered === undefined && rest.length >= length) {
        yield { type: header.readUInt8(4), payload: rest.subarray(0, length) };
        rest = rest.subarray(length);
        headerBytes = 0;
        continue;
      }
      gathered ??= Buffer.allocUnsafeSlow(length);
      const copied = rest.copy(gathered, gatheredBytes);
      gatheredBytes += copied;
      rest = rest.subarray(copied);
      if (gatheredBytes < length) break;
      yield { type: header.readUInt8(4), payload: gathered };
      gathered = undefined;
      gatheredBytes = 0;
      headerBytes = 0;
    }
  }
  if (headerBytes > 0) throw new WeirError('WEIR_WIRE_MALFORMED', 'the stream ends inside a message');
}

function payloadLength(header: Buffer, maxBytes: number): number {
  const length = header.readUInt32LE(0);
  if (length <= maxBytes) return length;
  throw new WeirError('WEIR_WIRE_TOO_LARGE', `a message of ${length} bytes is above ${maxBytes}`);
}
