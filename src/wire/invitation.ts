import { ByteReader, ByteWriter } from '../base/binary.ts';
import { WeirError } from '../base/errors.ts';
import { TOKEN_BYTES } from './limits.ts';

/** All a device needs to enrol: where the provider is, which key it has, and a token that works once. */
export interface Invitation {
  readonly host: string;
  readonly port: number;
  readonly token: Uint8Array;
  /** SHA-256 of the server's public key. */
  readonly pin: Uint8Array;
}

const PREFIX = 'weir1.';
const PIN_BYTES = 32;
const MAX_HOST_BYTES = 253;

/** One word without blanks, to be pasted. */
export function encodeInvitation({ host, port, token, pin }: Invitation): string {
  const out = new ByteWriter();
  out.prefixedText(host);
  out.varint(port);
  out.bytes(token);
  out.bytes(pin);
  return PREFIX + out.finish().toString('base64url');
}

export function decodeInvitation(text: string): Invitation {
  const word = text.trim();
  if (!word.startsWith(PREFIX)) refuse('it begins differently');
  const from = new ByteReader(Buffer.from(word.slice(PREFIX.length), 'base64url'), refuse);
  const host = from.prefixedText(MAX_HOST_BYTES);
  const port = from.varint(65_535);
  const token = from.bytes(TOKEN_BYTES);
  const pin = from.bytes(PIN_BYTES);
  from.end();
  if (host === '' || port === 0) refuse('it names no provider');
  return { host, port, token, pin };
}

function refuse(reason: string): never {
  throw new WeirError('WEIR_INVITATION_INVALID', `this is not an invitation: ${reason}`);
}
