/** Every bound the proxy keeps, in one place. Times in milliseconds, sizes in bytes. */
export interface HttpLimits {
  /** Start line and headers together; more is answered 431. */
  readonly headerBytes: number;
  /** Header lines; more is answered 431, since Node.js would silently drop the rest. */
  readonly headerLines: number;
  readonly urlBytes: number;
  /** From the first byte of a request (or the connection) to the end of its headers. */
  readonly headersTimeoutMs: number;
  /** Between two requests on one client connection. */
  readonly keepAliveMs: number;
  /** Without progress on a client connection, in either direction. Longer than `originIdleMs`. */
  readonly clientIdleMs: number;
  /** Without progress on an origin connection: a silent origin, or a client that stopped reading. */
  readonly originIdleMs: number;
  readonly tunnelIdleMs: number;
  /** Open connections of one client: an IPv4 address or an IPv6 /64. */
  readonly connectionsPerClient: number;
  /** Open connections of each listener. */
  readonly connections: number;
  /** Requests of one connection that wait for the one being served. */
  readonly pipelinedRequests: number;
  /** Connections to origins kept for reuse, and for how long. */
  readonly idleOriginConnections: number;
  readonly idleOriginConnectionMs: number;
}

export const DEFAULT_LIMITS: HttpLimits = {
  headerBytes: 16 * 1024,
  headerLines: 256,
  urlBytes: 8 * 1024,
  headersTimeoutMs: 10_000,
  keepAliveMs: 15_000,
  clientIdleMs: 180_000,
  originIdleMs: 120_000,
  tunnelIdleMs: 300_000,
  connectionsPerClient: 64,
  connections: 8_192,
  pipelinedRequests: 64,
  idleOriginConnections: 512,
  idleOriginConnectionMs: 10_000,
};
