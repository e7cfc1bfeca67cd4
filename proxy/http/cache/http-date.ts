const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAY = '(?:mon|tue|wed|thu|fri|sat|sun)';
const LONG_DAY = '(?:mon|tues|wednes|thurs|fri|satur|sun)day';
const MONTH = `(?<month>${MONTHS.join('|')})`;
const TIME = '(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)';

/** IMF-fixdate, RFC 850 and asctime: "Sun, 06 Nov 1994 08:49:37 GMT" and its two elders. */
const FORMS = [
  `${DAY}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} gmt`,
  `${LONG_DAY}, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} gmt`,
  `${DAY} ${MONTH} (?<day>\\d\\d| \\d) ${TIME} (?<year>\\d{4})`,
].map((form) => new RegExp(`^${form}$`, 'i'));

/**
 * An HTTP-date in its three forms (RFC 9110 section 5.6.7), in any case, in milliseconds. Any other
 * zone than GMT and a day the calendar does not have make it invalid (RFC 9111 section 4.2); a name
 * of day that does not fit the date is let pass. Two digits of a year mean a year that is no more
 * than 50 years ahead of `nowMs`.
 *
 * @returns undefined for what is no HTTP-date
 */
export function readHttpDate(text: string, nowMs: number): number | undefined {
  for (const form of FORMS) {
    const parts = form.exec(text)?.groups;
    if (parts !== undefined) return readParts(parts, nowMs);
  }
  return undefined;
}

/** IMF-fixdate, cut to the second. */
export function writeHttpDate(timeMs: number): string {
  return new Date(timeMs).toUTCString();
}

function readParts(parts: Readonly<Record<string, string>>, nowMs: number): number | undefined {
  const { day = '', month = '', year = '', hour = '', minute = '', second = '' } = parts;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  const at = (fullYear: number): number => {
    const date = new Date(0);
    date.setUTCFullYear(fullYear, MONTHS.indexOf(month.toLowerCase()), Number(day));
    // A leap second has no place of its own here; the second before it is never too late.
    date.setUTCHours(Number(hour), Number(minute), Math.min(Number(second), 59));
    return date.getUTCDate() === Number(day) ? date.getTime() : Number.NaN;
  };
  const timeMs = year.length === 4 ? at(Number(year)) : inNearestCentury(Number(year), at, nowMs);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

/** "More than 50 years in the future" means the most recent such year in the past. */
function inNearestCentury(year: number, at: (fullYear: number) => number, nowMs: number): number {
  const limit = new Date(nowMs);
  const century = Math.floor(limit.getUTCFullYear() / 100) * 100;
  limit.setUTCFullYear(limit.getUTCFullYear() + 50);
  const timeMs = at(century + year);
  return timeMs > limit.getTime() ? at(century - 100 + year) : timeMs;
}
