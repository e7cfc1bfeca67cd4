import type { RawHeaders } from './headers.ts';

/** What the header lines of a request say about the request itself. */
export interface MessageHead {
  readonly framing: Framing;
  /** The Host line's value, as sent. */
  readonly host: string | undefined;
  readonly expectsContinue: boolean;
  /** Remaining hops of OPTIONS and TRACE (RFC 9110 section 7.6.2). */
  readonly maxForwards: number | undefined;
}

/** How the end of a request body is known. */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly sizeBytes: number }
  | { readonly kind: 'chunked' };

export interface Refused {
  readonly kind: 'refused';
  readonly status: number;
  readonly reason: string;
}

export function refused(status: number, reason: string): Refused {
  return { kind: 'refused', status, reason };
}

/** One line of each is told apart from several. */
interface Lines {
  host: string | undefined;
  length: string | undefined;
  coding: string | undefined;
  expectsContinue: boolean;
  maxForwards: string | undefined;
  hosts: number;
  lengths: number;
  codings: number;
}

const NAMES = ['host', 'expect', 'max-forwards', 'content-length', 'transfer-encoding'] as const;
/** A name's length tells most lines apart, for less than its lower case costs. */
const NAME_OF_LENGTH: readonly ((typeof NAMES)[number] | undefined)[] = Array.from(
  { length: 32 },
  (_, length) => NAMES.find((name) => name.length === length),
);
const NO_BODY: Framing = { kind: 'none' };
const CHUNKED: Framing = { kind: 'chunked' };

/**
 * Reads them in one pass. Whatever two implementations could understand differently is refused:
 * RFC 9112 sections 3.2 and 6, less every form whose meaning was ever in dispute.
 */
export function readHead(httpVersion: string, raw: RawHeaders): MessageHead | Refused {
  const lines = readLines(raw);
  if (lines.hosts > 1) return refused(400, 'more than one Host');
  const framing = readFraming(httpVersion, lines);
  if (framing.kind === 'refused') return framing;
  const { host, maxForwards } = lines;
  return {
    framing,
    host,
    expectsContinue: lines.expectsContinue && httpVersion === '1.1',
    maxForwards: maxForwards !== undefined && /^\d{1,9}$/.test(maxForwards) ? Number(maxForwards) : undefined,
  };
}

function readLines(raw: RawHeaders): Lines {
  const lines: Lines = {
    host: undefined,
    length: undefined,
    coding: undefined,
    expectsContinue: false,
    maxForwards: undefined,
    hosts: 0,
    lengths: 0,
    codings: 0,
  };
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const header = raw[at] ?? '';
    const name = NAME_OF_LENGTH[header.length];
    if (name !== undefined && header.toLowerCase() === name) takeLine(lines, name, raw[at + 1] ?? '');
  }
  return lines;
}

function takeLine(lines: Lines, name: (typeof NAMES)[number], value: string): void {
  switch (name) {
    case 'host':
      lines.hosts += 1;
      lines.host = value;
      break;
    case 'content-length':
      lines.lengths += 1;
      lines.length = value;
      break;
    case 'transfer-encoding':
      lines.codings += 1;
      lines.coding = value;
      break;
    case 'expect':
      lines.expectsContinue ||= value.toLowerCase() === '100-continue';
      break;
    case 'max-forwards':
      lines.maxForwards ??= value;
  }
}

function readFraming(httpVersion: string, { length, lengths, coding, codings }: Lines): Framing | Refused {
  if (coding !== undefined) {
    if (length !== undefined) return refused(400, 'both Transfer-Encoding and Content-Length');
    if (httpVersion === '1.0') return refused(400, 'Transfer-Encoding in HTTP/1.0');
    if (codings > 1 || coding.toLowerCase() !== 'chunked')
      return refused(400, 'a Transfer-Encoding other than chunked');
    return CHUNKED;
  }
  if (length === undefined) return NO_BODY;
  const sizeBytes = Number(length);
  if (lengths > 1 || !/^\d+$/.test(length) || !Number.isSafeInteger(sizeBytes))
    return refused(400, 'a malformed Content-Length');
  return { kind: 'length', sizeBytes };
}
