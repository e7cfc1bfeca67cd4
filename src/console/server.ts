import { timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import { z } from 'zod';
import { asWeirError, ERRORS, WeirError } from '../base/errors.ts';
import { type ListenAddress, listen } from '../base/listen.ts';
import type { Log } from '../base/log.ts';
import type { Operator } from './operator.ts';

export interface ConsoleOptions {
  readonly listen: ListenAddress;
  readonly operator: Operator;
  /** The bearer token of the API, in hexadecimal. */
  readonly token: string;
  /** What `/readyz` and `/api/stats` tell: counters of the roles. */
  readonly stats: () => Promise<Record<string, unknown>> | Record<string, unknown>;
  readonly log: Log;
}

export interface ConsoleServer {
  readonly address: ListenAddress;
  close(): Promise<void>;
}

export const MAX_API_BODY_BYTES = 16 * 1024;

/** Opens the operator's API and the health pages. */
export async function openConsole(options: ConsoleOptions): Promise<ConsoleServer> {
  const server = createServer(createApp(options));
  const address = await listen(server, options.listen);
  return {
    address,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function createApp({ operator, token, stats, log }: ConsoleOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.get('/healthz', (_request, response) => void response.type('text').send('ok\n'));
  app.get('/readyz', (_request, response) => void response.type('text').send('ready\n'));
  app.use('/api', requireToken(token), express.json({ limit: MAX_API_BODY_BYTES }));
  app.get('/api/stats', async (_request, response) => void response.json(await stats()));
  app.get('/api/subscribers', async (_request, response) => {
    response.json(await operator.listSubscribers());
  });
  app.post('/api/subscribers', async (request, response) => {
    const { name, addresses, recording } = body(request.body, newSubscriber);
    response.status(201).json(await operator.addSubscriber(name, addresses, recording));
  });
  app.post('/api/subscribers/:name/invitations', async (request, response) => {
    response.status(201).json(await operator.invite(request.params.name));
  });
  app.patch('/api/subscribers/:name', async (request, response) => {
    response.json(await operator.change(request.params.name, body(request.body, subscriberChange)));
  });
  app.delete('/api/subscribers/:name/devices/:device', async (request, response) => {
    response.json({ revoked: await operator.revoke(request.params.name, request.params.device) });
  });
  app.use(
    (_request, response) =>
      void response.status(404).json({ code: 'WEIR_USAGE', message: 'there is nothing here' }),
  );
  app.use(answerError(log));
  return app;
}

const addresses = z.array(z.string()).max(64);
/** Consent to mail and FTP has no way in yet. */
const recording = z.strictObject({ http: z.boolean() });
const newSubscriber = z.strictObject({
  name: z.string(),
  addresses: addresses.default([]),
  recording: recording.exactOptional(),
});
const subscriberChange = z
  .strictObject({
    isSuspended: z.boolean().exactOptional(),
    addresses: addresses.exactOptional(),
    recording: recording.exactOptional(),
    connections: z.int().nullable().exactOptional(),
  })
  .refine((change) => Object.keys(change).length > 0, 'nothing to change');

function body<T>(raw: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw new WeirError('WEIR_USAGE', z.prettifyError(parsed.error));
}

function requireToken(token: string): RequestHandler {
  const expected = Buffer.from(`Bearer ${token}`);
  return (request, _response, next) => {
    const given = Buffer.from(request.get('authorization') ?? '');
    if (given.length === expected.length && timingSafeEqual(given, expected)) next();
    else next(new WeirError('WEIR_OPERATOR_REFUSED', 'the operator token is missing or wrong'));
  };
}

function answerError(log: Log): ErrorRequestHandler {
  return (error, request, response, _next) => {
    const failure = isClientError(error)
      ? new WeirError('WEIR_USAGE', 'the request cannot be read')
      : asWeirError(error);
    if (failure.code === 'WEIR_INTERNAL') log.error('console.request_failed', { path: request.path, error });
    const { code, message, remedy } = failure;
    response.status(isClientError(error) ? error.status : ERRORS[code].http).json({ code, message, remedy });
  };
}

/** What express.json throws at a body that is malformed or too large. */
function isClientError(error: unknown): error is Error & { status: number } {
  return (
    error instanceof Error && 'status' in error && typeof error.status === 'number' && error.status < 500
  );
}
