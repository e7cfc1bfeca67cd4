import { type RawHeaders, valuesOf } from '../headers.ts';
import { combinedValue, splitList, TOKEN } from './fields.ts';

/**
 * The request fields a response was chosen by, as flat pairs: lower-case name, then `=` and the
 * normalised value, or nothing at all when the request did not have the field.
 */
export type Selecting = readonly string[];

const FIELD_NAME = new RegExp(`^${TOKEN}$`);
const NOT_VARYING: Selecting = Object.freeze([]);

/** Weighted lists whose order carries no meaning (RFC 9110 section 12.5). */
const WEIGHTED = new Set(['accept', 'accept-charset', 'accept-encoding', 'accept-language']);

/** Known to be no lists: a comma in them is text. */
const SINGLE = new Set(['authorization', 'cookie', 'from', 'host', 'origin', 'referer', 'user-agent']);

/**
 * What to compare later requests with (RFC 9111 section 4.1).
 *
 * @returns undefined when no request will match: `Vary: *`, or one that cannot be read
 */
export function selectingFields(
  requestHeaders: RawHeaders,
  responseHeaders: RawHeaders,
): Selecting | undefined {
  const names = new Set(valuesOf(responseHeaders, 'vary').flatMap((line) => splitList(line.toLowerCase())));
  if (names.size === 0) return NOT_VARYING;
  if (names.has('*') || [...names].some((name) => !FIELD_NAME.test(name))) return undefined;
  return [...names].flatMap((name) => [name, presented(requestHeaders, name)]);
}

/** Whether the request would have been given the response these fields belong to. */
export function isSelected(requestHeaders: RawHeaders, selecting: Selecting): boolean {
  for (let at = 0; at < selecting.length; at += 2) {
    if (presented(requestHeaders, selecting[at] ?? '') !== selecting[at + 1]) return false;
  }
  return true;
}

function presented(requestHeaders: RawHeaders, name: string): string {
  const value = combinedValue(requestHeaders, name);
  if (value === undefined) return '';
  if (SINGLE.has(name)) return `=${value}`;
  const members = splitList(value);
  return `=${(WEIGHTED.has(name) ? members.map(weighted).sort() : members).join(',')}`;
}

/** Lower-case but for the values of parameters, without blanks, and the weight in its shortest form. */
function weighted(member: string): string {
  if (member.includes('"')) return member;
  const [range = '', ...parameters] = member.split(';');
  const kept = parameters.map(parameter).filter((text) => text !== '');
  return [range.trim().toLowerCase(), ...kept].join(';');
}

function parameter(text: string): string {
  const [name = '', ...rest] = text.split('=');
  const lowerName = name.trim().toLowerCase();
  const value = rest.join('=').trim();
  if (lowerName !== 'q' || !/^[01](?:\.\d{0,3})?$/.test(value)) return `${lowerName}=${value}`;
  return Number(value) === 1 ? '' : `q=${Number(value)}`;
}
