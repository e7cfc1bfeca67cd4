/**
 * What the roles write about their work. `event` is a short constant in dotted form
 * (`proxy.capture.dropped`); what varies goes into `facts`, so that a log can be counted.
 * Secrets (tokens, keys) never enter `facts`.
 */
export interface Log {
  info(event: string, facts?: Record<string, unknown>): void;
  warn(event: string, facts?: Record<string, unknown>): void;
  error(event: string, facts?: Record<string, unknown>): void;
}

export const silentLog: Log = { info() {}, warn() {}, error() {} };
