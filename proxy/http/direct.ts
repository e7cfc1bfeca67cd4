import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerText } from './answer.ts';

const METHODS = 'GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE, CONNECT';

const PAGE = `This is the HTTP proxy of Weir.

It is not a web site. To use it, set this address as the HTTP proxy of your system or browser, for
example: export http_proxy=http://this-host:this-port

GET /weir-heartbeat answers 204 while it works.
`;

/** Answers a request addressed to the proxy itself, not through it. */
export function answerDirect(req: IncomingMessage, res: ServerResponse, path: string, version: string): void {
  if (req.method === 'OPTIONS') res.writeHead(204, { Allow: METHODS }).end();
  else if (req.method === 'GET' && path === '/weir-heartbeat')
    res.writeHead(204, { 'X-Weir': version }).end();
  else answerText(res, path === '/' ? 200 : 404, PAGE);
}
