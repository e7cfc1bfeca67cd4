import { type RawHeaders, valuesOf } from '../headers.ts';
import { namedFields, permits, readDirectives, states } from './directives.ts';
import { firstLine, withoutFields } from './fields.ts';
import { isForEverybody, isPrivateField, isWithheldField, type Policy, policyOf } from './policy.ts';
import { isHeuristicallyCacheable, isSuccessful, isUnderstood } from './status.ts';

interface StorableRequest {
  readonly method: string;
  readonly headers: RawHeaders;
}

interface StorableResponse {
  readonly status: number;
  readonly headers: RawHeaders;
}

/** Specific to a proxy (RFC 9111 section 3.1). */
const OF_THE_PROXY = new Set(['proxy-authenticate', 'proxy-authentication-info', 'proxy-authorization']);

/**
 * Whether a shared cache may store the response and could ever use it (RFC 9111 section 3). Ask with
 * the headers as received; of a freshened response, with its `storedHeaders`. A 206 is a part, and
 * never storable as it is: whoever keeps parts asks for it as a 200 (RFC 9111 section 3.3).
 */
export function isStorable(
  request: StorableRequest,
  response: StorableResponse,
  targets: readonly string[] = [],
): boolean {
  if (request.method !== 'GET') return false;
  if (states(readDirectives(valuesOf(request.headers, 'cache-control')), 'no-store')) return false;
  const policy = policyOf(response.headers, targets);
  return (
    isCompleteInItself(request, response.status) &&
    allowsStoring(response.status, policy) &&
    allowsSharing(request, response, policy) &&
    isReusable(response, policy)
  );
}

/**
 * The fields kept with a stored response (RFC 9111 section 3.1): all but those of the proxy, those
 * `private` or `no-cache` name, and Set-Cookie unless the response is `public` or has `s-maxage`.
 */
export function storedHeaders(headers: RawHeaders, targets: readonly string[] = []): string[] {
  const isWithheld = isWithheldField(policyOf(headers, targets));
  return withoutFields(headers, (name) => OF_THE_PROXY.has(name) || isWithheld(name));
}

/** Whether the response answers the target, rather than one client's preconditions or range of it. */
function isCompleteInItself(request: StorableRequest, status: number): boolean {
  if (status < 200 || status > 599 || status === 206 || status === 304) return false;
  if (status === 416) return firstLine(request.headers, 'range') === undefined;
  if (status !== 412) return true;
  return ['if-match', 'if-unmodified-since', 'if-none-match', 'if-modified-since'].every(
    (name) => firstLine(request.headers, name) === undefined,
  );
}

function allowsStoring(status: number, { directives }: Policy): boolean {
  if (states(directives, 'must-understand') && !isUnderstood(status)) return false;
  return !states(directives, 'no-store') || permits(directives, 'must-understand');
}

function allowsSharing(request: StorableRequest, { headers }: StorableResponse, policy: Policy): boolean {
  const { directives } = policy;
  if (namedFields(directives, 'private') === 'all') return false;
  if (isForEverybody(policy)) return true;
  if (valuesOf(headers, 'set-cookie').length > 0 && !isNamedAway('set-cookie', policy)) return false;
  return firstLine(request.headers, 'authorization') === undefined || permits(directives, 'must-revalidate');
}

function isNamedAway(field: string, policy: Policy): boolean {
  const fields = namedFields(policy.directives, 'no-cache');
  return isPrivateField(policy)(field) || (fields !== undefined && fields !== 'all' && fields.has(field));
}

/** Explicit freshness, a heuristic one, or a validator to come back with. */
function isReusable({ status, headers }: StorableResponse, { directives, expires }: Policy): boolean {
  const isExplicit = expires !== undefined || states(directives, 'max-age') || states(directives, 's-maxage');
  if (!isExplicit && !isHeuristicallyCacheable(status) && !permits(directives, 'public')) return false;
  const hasLastModified = firstLine(headers, 'last-modified') !== undefined;
  const hasValidator = isSuccessful(status) && (hasLastModified || firstLine(headers, 'etag') !== undefined);
  if (namedFields(directives, 'no-cache') === 'all') return hasValidator;
  return isExplicit || hasLastModified || hasValidator;
}
