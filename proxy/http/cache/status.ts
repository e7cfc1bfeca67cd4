/** Cacheable without explicit freshness: RFC 9110 section 15.1, and RFC 7725 section 3 for 451. */
const HEURISTICALLY_CACHEABLE = new Set([200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 451, 501]);

/** The final status codes of RFC 9110 sections 15.3 to 15.6 but 206 and 304, which are not kept. */
const UNDERSTOOD = new Set([
  200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407,
  408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 426, 451, 500, 501, 502, 503, 504, 505,
]);

export function isHeuristicallyCacheable(status: number): boolean {
  return HEURISTICALLY_CACHEABLE.has(status);
}

/** Understood in the sense of RFC 9111 section 3. */
export function isUnderstood(status: number): boolean {
  return UNDERSTOOD.has(status);
}

/** Only these are validated: for other answers preconditions are ignored (RFC 9110 section 13.2.1). */
export function isSuccessful(status: number): boolean {
  return status >= 200 && status <= 299;
}
