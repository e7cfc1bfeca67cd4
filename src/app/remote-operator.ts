import { z } from 'zod';
import { isErrorCode, systemCode, WeirError } from '../base/errors.ts';
import { consentsSchema } from '../catalog/consent.ts';
import type { Operator, SubscriberSummary } from '../console/operator.ts';
import type { Config } from './config.ts';
import { readOperatorToken } from './operator-token.ts';

/** The operator of the running appliance, or undefined when nothing answers on the console's port. */
export async function remoteOperator(config: Config): Promise<Operator | undefined> {
  const token = await readOperatorToken(config.dataDirectory);
  if (token === undefined) return undefined;
  const base = `http://${config.console.host}:${config.console.port}`;
  try {
    await fetch(`${base}/healthz`);
  } catch (error) {
    if (isRefused(error)) return undefined;
    throw error;
  }
  const call = caller(base, token);
  const path = (name: string) => `/api/subscribers/${encodeURIComponent(name)}`;
  return {
    addSubscriber: async (name, addresses, recording) =>
      invitation.parse(await call('POST', '/api/subscribers', { name, addresses, recording })),
    invite: async (name) => invitation.parse(await call('POST', `${path(name)}/invitations`)),
    listSubscribers: async () => z.array(summary).parse(await call('GET', '/api/subscribers')),
    change: async (name, change) => summary.parse(await call('PATCH', path(name), change)),
    async revoke(name, device) {
      const answer = await call('DELETE', `${path(name)}/devices/${encodeURIComponent(device)}`);
      return z.object({ revoked: z.number() }).parse(answer).revoked;
    },
  };
}

const invitation = z.object({ invitation: z.string() });
const summary: z.ZodType<SubscriberSummary> = z.object({
  number: z.number(),
  name: z.string(),
  isSuspended: z.boolean(),
  createdMs: z.number(),
  addresses: z.array(z.string()),
  consents: consentsSchema,
  connections: z.number().nullable(),
});

function caller(
  base: string,
  token: string,
): (method: string, path: string, body?: unknown) => Promise<unknown> {
  return async (method, path, body) => {
    const response = await fetch(base + path, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer: unknown = response.status === 204 ? undefined : await response.json();
    if (response.ok) return answer;
    const { code, message } = z.object({ code: z.string().optional(), message: z.string() }).parse(answer);
    throw new WeirError(code !== undefined && isErrorCode(code) ? code : 'WEIR_INTERNAL', message);
  };
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && systemCode(error.cause) === 'ECONNREFUSED';
}
