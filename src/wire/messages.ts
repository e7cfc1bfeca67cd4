import { isErrorCode, WeirError } from '../base/errors.ts';
import { DIGEST_BYTES, type Identifier, SALT_BYTES } from '../content/identifier.ts';
import { NONCE_BYTES, PROOF_BYTES } from '../content/proof.ts';
import { type Codec, codec, malformed, readCompressed, writeCompressed } from './codec.ts';
import {
  MAX_BATCH_COLUMN_BYTES,
  MAX_BATCH_DIRECTORY_ASKS,
  MAX_BATCH_ENTRIES,
  MAX_BATCH_PORTIONS,
  MAX_OFFERED_CANDIDATES,
  MAX_TEXT_BYTES,
  MAX_UPLOAD_BYTES,
  TOKEN_BYTES,
} from './limits.ts';

// Every request is answered by one frame of the type in its comment, or by a failure; answers come
// in the order of the requests. docs/wire.md tells the order in which a session uses them.

/** Opens a session. Answer: `welcome`. */
export interface Hello {
  readonly version: number;
  readonly token: Uint8Array;
}

export const hello: Codec<Hello> = codec(
  1,
  (out, { version, token }) => {
    out.varint(version);
    out.bytes(token);
  },
  (from) => ({ version: from.varint(), token: from.bytes(TOKEN_BYTES) }),
);

export interface Welcome {
  readonly nonce: Uint8Array;
  readonly salt: Uint8Array;
  /** Whether the provider knows any directory of this subscriber, so that asking for them can pay. */
  readonly knowsDirectories: boolean;
  readonly subscriberName: string;
}

export const welcome: Codec<Welcome> = codec(
  64,
  (out, message) => {
    out.bytes(message.nonce);
    out.bytes(message.salt);
    out.flag(message.knowsDirectories);
    out.prefixedText(message.subscriberName);
  },
  (from) => ({
    nonce: from.bytes(NONCE_BYTES),
    salt: from.bytes(SALT_BYTES),
    knowsDirectories: from.flag(),
    subscriberName: from.prefixedText(MAX_TEXT_BYTES),
  }),
);

/** Turns an invitation into a device's own token. Answer: `enrolled`. The first message, instead of `hello`. */
export interface Enrol {
  readonly version: number;
  readonly invitation: Uint8Array;
  readonly deviceName: string;
}

export const enrol: Codec<Enrol> = codec(
  2,
  (out, message) => {
    out.varint(message.version);
    out.bytes(message.invitation);
    out.prefixedText(message.deviceName);
  },
  (from) => ({
    version: from.varint(),
    invitation: from.bytes(TOKEN_BYTES),
    deviceName: from.prefixedText(MAX_TEXT_BYTES),
  }),
);

export interface Enrolled {
  readonly token: Uint8Array;
  readonly subscriberName: string;
}

export const enrolled: Codec<Enrolled> = codec(
  65,
  (out, message) => {
    out.bytes(message.token);
    out.prefixedText(message.subscriberName);
  },
  (from) => ({ token: from.bytes(TOKEN_BYTES), subscriberName: from.prefixedText(MAX_TEXT_BYTES) }),
);

/** Asks for directories by the identifiers of their attributes. Answer: `candidates`. */
export const askDirectories: Codec<readonly Identifier[]> = codec(
  4,
  (out, identifiers) => {
    out.varint(identifiers.length);
    for (const identifier of identifiers) out.u48(identifier);
  },
  (from) => repeat(from.varint(MAX_BATCH_DIRECTORY_ASKS), () => from.u48()),
);

/** What the provider holds that an identifier may mean. */
export interface Candidate {
  /** See `createCandidateDigest`: a byte string of DIGEST_BYTES. */
  readonly digest: string;
  /** Whether choosing it needs no possession tag, the subscriber having given or proved it before. */
  readonly isProved: boolean;
}

/** Candidates for each identifier asked, in the order asked. Answers `askDirectories`, `announcement`, `askPortions`. */
export const candidates: Codec<readonly (readonly Candidate[])[]> = codec(
  66,
  (out, items) => {
    out.varint(items.length);
    for (const item of items) {
      out.varint(item.length);
      for (const { digest, isProved } of item) {
        out.flag(isProved);
        out.byteString(digest);
      }
    }
  },
  (from) =>
    repeat(from.varint(MAX_BATCH_DIRECTORY_ASKS), () =>
      repeat(from.varint(MAX_OFFERED_CANDIDATES), () => ({
        isProved: from.flag(),
        digest: from.byteString(DIGEST_BYTES),
      })),
    ),
);

/**
 * Which candidate the agent recognised for each identifier of the last `candidates` about files or
 * portions: 0 for none, else its number from 1; and the proof over the tags of all that are not
 * proved. Answer: `verdict`.
 */
export interface Choice {
  readonly chosen: Uint8Array;
  readonly proof: Uint8Array | undefined;
  /** Whether the provider is to read all that is chosen, also what it need not doubt. */
  readonly isThorough: boolean;
}

export const choice: Codec<Choice> = codec(
  5,
  (out, { chosen, proof, isThorough }) => {
    writeCompressed(out, chosen);
    out.prefixedBytes(proof ?? new Uint8Array(0));
    out.flag(isThorough);
  },
  (from) => {
    const chosen = readCompressed(from, MAX_BATCH_COLUMN_BYTES);
    const proof = from.prefixedBytes(PROOF_BYTES);
    if (proof.length > 0 && proof.length < PROOF_BYTES) malformed('a proof is too short');
    return { chosen, proof: proof.length > 0 ? proof : undefined, isThorough: from.flag() };
  },
);

/**
 * What became of a choice. Refused with `lost` indexes: the provider cannot read these; choose
 * again without them. Refused with none: the proof was wrong.
 */
export interface Verdict {
  readonly isAccepted: boolean;
  readonly lost: readonly number[];
}

export const verdict: Codec<Verdict> = codec(
  67,
  (out, { isAccepted, lost }) => {
    out.flag(isAccepted);
    out.varint(lost.length);
    for (const index of lost) out.varint(index);
  },
  (from) => ({
    isAccepted: from.flag(),
    lost: repeat(from.varint(MAX_BATCH_PORTIONS), () => from.varint()),
  }),
);

/**
 * The portions of files that nothing matched, in the order of the batch. A large file goes on in
 * the next message while `isLast` is false. Answer: `candidates`, one item for each portion asked.
 */
export interface PortionedFile {
  /** Number of the file among those of the batch that are not empty. */
  readonly file: number;
  readonly isLast: boolean;
  /** False for a file too small to be worth asking for: its one portion will be uploaded. */
  readonly isAsked: boolean;
  /** When the file has changed since it was announced: its new modification time. Its size is that of its portions. */
  readonly changed: { readonly mtimeSeconds: number; readonly mtimeMicros: number } | undefined;
  readonly portions: readonly { readonly sizeBytes: number; readonly identifier: Identifier }[];
}

const IS_LAST = 1;
const IS_ASKED = 2;
const IS_CHANGED = 4;

export const askPortions: Codec<readonly PortionedFile[]> = codec(
  6,
  (out, files) => {
    out.varint(files.length);
    let previous = 0;
    for (const { file, isLast, isAsked, changed, portions } of files) {
      out.varint(file - previous);
      previous = file;
      out.u8((isLast ? IS_LAST : 0) | (isAsked ? IS_ASKED : 0) | (changed ? IS_CHANGED : 0));
      if (changed) {
        out.signedVarint(changed.mtimeSeconds);
        out.varint(changed.mtimeMicros);
      }
      out.varint(portions.length);
      for (const { sizeBytes, identifier } of portions) {
        out.varint(sizeBytes);
        if (isAsked) out.u48(identifier);
      }
    }
  },
  (from) => {
    let file = 0;
    let total = 0;
    return repeat(from.varint(MAX_BATCH_ENTRIES), () => {
      file += from.varint(MAX_BATCH_ENTRIES);
      const flags = from.u8();
      if (flags > (IS_LAST | IS_ASKED | IS_CHANGED)) malformed('a file has unknown flags');
      const isAsked = (flags & IS_ASKED) !== 0;
      const changed =
        (flags & IS_CHANGED) === 0
          ? undefined
          : { mtimeSeconds: from.signedVarint(), mtimeMicros: from.varint(999_999) };
      const count = from.varint(MAX_BATCH_PORTIONS);
      total += count;
      if (total > MAX_BATCH_PORTIONS) malformed('a message has too many portions');
      const portions = repeat(count, () => ({
        sizeBytes: from.varint(),
        identifier: isAsked ? from.u48() : 0,
      }));
      return { file, isLast: (flags & IS_LAST) !== 0, isAsked, changed, portions };
    });
  },
);

/**
 * The next `portions` missing portions, in the order of the batch, as one zstd frame or raw.
 * Answer: `done`, once they are durable.
 */
export interface Upload {
  readonly portions: number;
  readonly isCompressed: boolean;
  readonly bytes: Uint8Array;
}

export const upload: Codec<Upload> = codec(
  7,
  (out, message) => {
    out.varint(message.portions);
    out.flag(message.isCompressed);
    out.bytes(message.bytes);
  },
  (from) => {
    const portions = from.varint(MAX_BATCH_PORTIONS);
    const isCompressed = from.flag();
    if (from.remaining > MAX_UPLOAD_BYTES + 1024) malformed('an upload is too large');
    return { portions, isCompressed, bytes: from.bytes(from.remaining) };
  },
  ({ bytes }) => bytes.length + 16,
);

/** The named file of the batch cannot be given after all; its entry is dropped. Answer: `done`. */
export const withdraw: Codec<number> = codec(
  8,
  (out, file) => out.varint(file),
  (from) => from.varint(MAX_BATCH_ENTRIES),
);

/** Answers a request that has nothing to tell. */
export const done: Codec<null> = codec(
  68,
  () => {},
  () => null,
);

/** Says that the side is at work on what takes long. Neither a request nor an answer: it is passed over. */
export const working: Codec<null> = codec(
  126,
  () => {},
  () => null,
);

/** Ends every session's exchange that went wrong; the connection closes after it. */
export const failure: Codec<WeirError> = codec(
  127,
  (out, error) => {
    out.prefixedText(error.code);
    out.prefixedText(error.message.slice(0, MAX_TEXT_BYTES / 4));
  },
  (from) => {
    const code = from.prefixedText(MAX_TEXT_BYTES);
    const message = from.prefixedText(MAX_TEXT_BYTES);
    return new WeirError(isErrorCode(code) ? code : 'WEIR_INTERNAL', message, {
      facts: { said: 'provider' },
    });
  },
);

export function repeat<T>(count: number, read: () => T): T[] {
  const items: T[] = [];
  for (let index = 0; index < count; index++) items.push(read());
  return items;
}
