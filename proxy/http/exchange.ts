import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ForwardRequest } from './request.ts';

/** One request on its way through the proxy, and the answer to it. */
export interface Exchange {
  readonly request: ForwardRequest;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}
