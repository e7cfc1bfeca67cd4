import type { RawHeaders } from '../headers.ts';

/** RFC 9110 section 5.6.2. */
export const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";

/** The value of the first line of this lower-case name. */
export function firstLine(raw: RawHeaders, name: string): string | undefined {
  for (let at = 0; at + 1 < raw.length; at += 2) if (isNamed(raw[at], name)) return raw[at + 1];
  return undefined;
}

/** All lines of this lower-case name as one value (RFC 9110 section 5.2). */
export function combinedValue(raw: RawHeaders, name: string): string | undefined {
  let value: string | undefined;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    if (isNamed(raw[at], name)) value = value === undefined ? raw[at + 1] : `${value}, ${raw[at + 1]}`;
  }
  return value;
}

/** The header list without the fields `isDropped` tells by their lower-case name. */
export function withoutFields(raw: RawHeaders, isDropped: (name: string) => boolean): string[] {
  const kept: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? '';
    if (!isDropped(name.toLowerCase())) kept.push(name, raw[at + 1] ?? '');
  }
  return kept;
}

/**
 * Members of a list (RFC 9110 section 5.6.1), trimmed, the empty ones left out. A comma inside a
 * quoted string does not separate; a quote that nothing closes is a character like any other.
 */
export function splitList(value: string): string[] {
  const parts = value.includes('"') ? splitOutsideQuotes(value) : value.split(',');
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

function splitOutsideQuotes(value: string): string[] {
  const parts: string[] = [];
  let from = 0;
  // After one quote that nothing closes no further one is tried: that keeps this linear.
  let isBroken = false;
  for (let at = 0; at < value.length; at += 1) {
    if (value[at] === ',') {
      parts.push(value.slice(from, at));
      from = at + 1;
    } else if (value[at] === '"' && !isBroken) {
      const end = closingQuote(value, at);
      isBroken = end === undefined;
      at = end ?? at;
    }
  }
  parts.push(value.slice(from));
  return parts;
}

function closingQuote(value: string, opening: number): number | undefined {
  for (let at = opening + 1; at < value.length; at += 1) {
    if (value[at] === '"') return at;
    if (value[at] === '\\') at += 1;
  }
  return undefined;
}

function isNamed(header: string | undefined, name: string): boolean {
  return header !== undefined && header.length === name.length && header.toLowerCase() === name;
}
