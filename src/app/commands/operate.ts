import { z } from 'zod';
import { isErrorCode, systemCode, WeirError } from '../../base/errors.ts';
import { silentLog } from '../../base/log.ts';
import type { Operator, SubscriberSummary } from '../../console/operator.ts';
import { openAppliance } from '../appliance.ts';
import { type Config, loadConfig } from '../config.ts';
import { readOperatorToken } from '../operator-token.ts';
import { createOutput, formatTable, formatTime } from '../output.ts';

export interface ProviderFlags {
  readonly config?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export async function addSubscriber(
  name: string,
  flags: ProviderFlags & { address?: string[] },
): Promise<void> {
  const output = createOutput(flags);
  const { invitation } = await withOperator(flags, (operator) =>
    operator.addSubscriber(name, flags.address ?? []),
  );
  output.note(`On the device of ${name}, run: weir setup --invite INVITATION`);
  output.result(invitation);
  output.json('invitation', { name, invitation });
}

export async function inviteDevice(name: string, flags: ProviderFlags): Promise<void> {
  const output = createOutput(flags);
  const { invitation } = await withOperator(flags, (operator) => operator.invite(name));
  output.result(invitation);
  output.json('invitation', { name, invitation });
}

export async function listSubscribers(flags: ProviderFlags): Promise<void> {
  const output = createOutput(flags);
  const subscribers = await withOperator(flags, (operator) => operator.listSubscribers());
  const rows = subscribers.map(({ name, isSuspended, createdMs, addresses }) => [
    name,
    isSuspended ? 'suspended' : 'active',
    formatTime(createdMs),
    addresses.join(' '),
  ]);
  output.result(formatTable([['NAME', 'STATE', 'SINCE (UTC)', 'ADDRESSES'], ...rows]));
  for (const subscriber of subscribers) output.json('subscriber', { ...subscriber });
}

export async function suspend(name: string, isSuspended: boolean, flags: ProviderFlags): Promise<void> {
  await withOperator(flags, (operator) => operator.suspend(name, isSuspended));
  createOutput(flags).result(`${name} is ${isSuspended ? 'suspended' : 'active'}`);
  createOutput(flags).json('subscriber', { name, isSuspended });
}

export async function revoke(name: string, device: string, flags: ProviderFlags): Promise<void> {
  const revoked = await withOperator(flags, (operator) => operator.revoke(name, device));
  createOutput(flags).result(`${revoked} token${revoked === 1 ? '' : 's'} revoked`);
  createOutput(flags).json('revoked', { name, device, revoked });
}

/**
 * Works through the running appliance, which owns the data directory, or opens the directory when
 * none is running.
 */
async function withOperator<T>(flags: ProviderFlags, action: (operator: Operator) => Promise<T>): Promise<T> {
  const config = await loadConfig(flags.config);
  const remote = await remoteOperator(config);
  if (remote !== undefined) return action(remote);
  const appliance = await openAppliance(config, silentLog, []);
  try {
    return await action(appliance.operator);
  } finally {
    await appliance[Symbol.asyncDispose]();
  }
}

/** The operator of the running appliance, or undefined when nothing answers on the console's port. */
async function remoteOperator(config: Config): Promise<Operator | undefined> {
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
    addSubscriber: async (name, addresses) =>
      invitation.parse(await call('POST', '/api/subscribers', { name, addresses })),
    invite: async (name) => invitation.parse(await call('POST', `${path(name)}/invitations`)),
    listSubscribers: async () => summaries.parse(await call('GET', '/api/subscribers')),
    async suspend(name, isSuspended) {
      await call('PATCH', path(name), { isSuspended });
    },
    async revoke(name, device) {
      const answer = await call('DELETE', `${path(name)}/devices/${encodeURIComponent(device)}`);
      return z.object({ revoked: z.number() }).parse(answer).revoked;
    },
  };
}

const invitation = z.object({ invitation: z.string() });
const summaries: z.ZodType<SubscriberSummary[]> = z.array(
  z.object({
    number: z.number(),
    name: z.string(),
    isSuspended: z.boolean(),
    createdMs: z.number(),
    addresses: z.array(z.string()),
  }),
);

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
