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
 * with it on what is held.
 * Throws WEIR_WIRE_TOO_LARGE at a length above the bound, and WEIR_WIRE_MALFORMED when the stream
 * ends inside a frame.
 */
export async function* readFrames(
  stream: AsyncIterable<Buffer>,
  maxBytes: () => number,
): AsyncGenerator<Frame> {
  let chunks: Buffer[] = [];
  let held = 0;
  let wanted = FRAME_HEADER_BYTES;
  for await (const chunk of stream) {
    chunks.push(chunk);
    held += chunk.length;
    while (held >= wanted) {
      const [first = chunk] = chunks;
      const joined = chunks.length === 1 ? first : Buffer.concat(chunks, held);
      const length = joined.readUInt32LE(0);
      if (length > maxBytes()) {
        throw new WeirError('WEIR_WIRE_TOO_LARGE', `a message of ${length} bytes is above ${maxBytes()}`);
      }
      wanted = FRAME_HEADER_BYTES + length;
      chunks = [joined];
      if (held < wanted) break;
      yield { type: joined.readUInt8(4), payload: joined.subarray(FRAME_HEADER_BYTES, wanted) };
      chunks = [joined.subarray(wanted)];
      held -= wanted;
      wanted = FRAME_HEADER_BYTES;
    }
  }
  if (held > 0) throw new WeirError('WEIR_WIRE_MALFORMED', 'the stream ends inside a message');
}
