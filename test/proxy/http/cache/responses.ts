import type { CacheableResponse } from '../../../../proxy/http/cache/response.ts';

/** When the responses of these tests arrive. */
export const NOW_MS = Date.UTC(2026, 10, 20, 12, 0, 0);
export const NOW = at(0);

/** An HTTP-date this many seconds after NOW_MS. */
export function at(seconds: number): string {
  return new Date(NOW_MS + seconds * 1000).toUTCString();
}

/** Header lines as a text, "Name: value" each. */
export function lines(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .flatMap((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    });
}

export function response(text: string, status = 200): CacheableResponse {
  return { status, headers: lines(text), requestMs: NOW_MS, responseMs: NOW_MS };
}
