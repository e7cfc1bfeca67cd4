import { WeirError } from '../base/errors.ts';

const VERSION = 1;

/** Record codecs with a version before the value: what is written is read by every later release. */
export function versioned<V>(
  name: string,
  encode: (value: V) => Uint8Array,
  decode: (bytes: Buffer) => V,
): { name: string; encode: (value: V) => Buffer; decode: (bytes: Uint8Array) => V } {
  return {
    name,
    encode(value) {
      const bytes = encode(value);
      const out = Buffer.allocUnsafe(1 + bytes.length);
      out[0] = VERSION;
      out.set(bytes, 1);
      return out;
    },
    decode(bytes) {
      if (bytes[0] !== VERSION) {
        throw new WeirError('WEIR_STORE_FORMAT', `a record of ${name} has the unknown version ${bytes[0]}`);
      }
      return decode(Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.length - 1));
    },
  };
}
