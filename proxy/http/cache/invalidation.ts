import { type RawHeaders, valuesOf } from '../headers.ts';

/** Safe by RFC 9110 section 9.2.1, RFC 3253, RFC 4918, RFC 5323 and the registry's QUERY. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PRI', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH']);

/**
 * The URLs whose stored responses the answer to this request makes invalid (RFC 9111 section 4.4): its
 * own as given, and of the same origin those of Location and Content-Location, absolute and without
 * fragment. None for a safe method and for an error.
 *
 * @param url absolute
 */
export function invalidatedUrls(
  method: string,
  url: string,
  status: number,
  answerHeaders: RawHeaders,
): string[] {
  if (SAFE.has(method) || status < 200 || status > 399) return [];
  const urls = new Set([url]);
  const origin = new URL(url).origin;
  for (const name of ['location', 'content-location']) {
    for (const reference of valuesOf(answerHeaders, name)) {
      if (!URL.canParse(reference, url)) continue;
      const target = new URL(reference, url);
      target.hash = '';
      if (target.origin === origin) urls.add(target.href);
    }
  }
  return [...urls];
}
