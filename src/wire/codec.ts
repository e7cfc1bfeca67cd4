import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { ByteReader, ByteWriter } from '../base/binary.ts';
import { WeirError } from '../base/errors.ts';

/** One kind of message: its type on the wire and how its payload is written and read. */
export interface Codec<M> {
  readonly type: number;
  readonly encode: (message: M) => Buffer;
  /** Throws WEIR_WIRE_MALFORMED on anything `encode` cannot have made. */
  readonly decode: (payload: Buffer) => M;
}

const SMALL_MESSAGE_BYTES = 256;

/** `sizeHint` keeps the buffer of a large message from growing by copies. */
export function codec<M>(
  type: number,
  write: (out: ByteWriter, message: M) => void,
  read: (from: ByteReader) => M,
  sizeHint: (message: M) => number = () => SMALL_MESSAGE_BYTES,
): Codec<M> {
  return {
    type,
    encode(message) {
      const out = new ByteWriter(sizeHint(message));
      write(out, message);
      return out.finish();
    },
    decode(payload) {
      const from = wireReader(payload);
      const message = read(from);
      from.end();
      return message;
    },
  };
}

export function wireReader(payload: Uint8Array): ByteReader {
  return new ByteReader(payload, malformed);
}

export function malformed(reason: string): never {
  throw new WeirError('WEIR_WIRE_MALFORMED', `a message cannot be read: ${reason}`);
}

/** For the uplink: where metadata stops shrinking for its time. */
export const SMALL_QUALITY = 5;
/** For the downlink: ten times as fast. */
export const FAST_QUALITY = 1;

/** Brotli (RFC 7932) of columns of one message, prefixed by both lengths. */
export function writeCompressed(out: ByteWriter, bytes: Uint8Array, quality: number = SMALL_QUALITY): void {
  const packed = brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: quality,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
  out.varint(bytes.length);
  out.prefixedBytes(packed);
}

/** What `writeCompressed` wrote, never unpacking beyond the announced length nor that beyond `maxBytes`. */
export function readCompressed(from: ByteReader, maxBytes: number): Buffer {
  const sizeBytes = from.varint(maxBytes);
  const packed = from.prefixedBytes(maxBytes);
  let bytes: Buffer;
  try {
    bytes = brotliDecompressSync(packed, { maxOutputLength: Math.max(1, sizeBytes) });
  } catch (cause) {
    throw new WeirError('WEIR_WIRE_MALFORMED', 'a compressed part cannot be read', { cause });
  }
  if (bytes.length !== sizeBytes) malformed('a compressed part has another length than announced');
  return bytes;
}
