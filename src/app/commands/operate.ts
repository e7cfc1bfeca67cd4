import { WeirError } from '../../base/errors.ts';
import { silentLog } from '../../base/log.ts';
import type { Answers } from '../../catalog/consent.ts';
import type { SubscriberChange } from '../../catalog/subscribers.ts';
import type { Operator, SubscriberSummary } from '../../console/operator.ts';
import { openAppliance } from '../appliance.ts';
import { loadConfig } from '../config.ts';
import { createOutput, formatTable, formatTime } from '../output.ts';
import { remoteOperator } from '../remote-operator.ts';

export interface ProviderFlags {
  readonly config?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export async function addSubscriber(
  name: string,
  flags: ProviderFlags & { address?: string[]; recording?: Recording },
): Promise<void> {
  const output = createOutput(flags);
  const { invitation } = await withOperator(flags, (operator) =>
    operator.addSubscriber(name, flags.address ?? [], answers(flags.recording)),
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
  output.result(tableOf(subscribers));
  for (const subscriber of subscribers) output.json('subscriber', { ...subscriber });
}

function tableOf(subscribers: readonly SubscriberSummary[]): string {
  const rows = subscribers.map(({ name, isSuspended, createdMs, addresses, consents, connections }) => [
    name,
    isSuspended ? 'suspended' : 'active',
    consents.http?.isGiven === true ? 'on' : 'off',
    connections === null ? '' : String(connections),
    formatTime(createdMs),
    addresses.join(' '),
  ]);
  const titles = ['NAME', 'STATE', 'RECORDING', 'CONNECTIONS', 'SINCE (UTC)', 'ADDRESSES'];
  return formatTable([titles, ...rows], [3]);
}

export interface SetFlags extends ProviderFlags {
  /** All addresses from now on, or false for none. */
  readonly address?: string[] | false;
  readonly recording?: Recording;
  readonly connections?: number | 'default';
}

export type Recording = 'on' | 'off';

export async function setSubscriber(name: string, flags: SetFlags): Promise<void> {
  const { address, connections } = flags;
  const recording = answers(flags.recording);
  const change = {
    ...(address === undefined ? {} : { addresses: address === false ? [] : address }),
    ...(recording === undefined ? {} : { recording }),
    ...(connections === undefined ? {} : { connections: connections === 'default' ? null : connections }),
  };
  if (Object.keys(change).length === 0) throw new WeirError('WEIR_USAGE', 'nothing to set: name an option');
  await changeSubscriber(name, change, flags);
  if (flags.recording !== 'off') return;
  createOutput(flags).note(
    `What begins to pass to ${name} from now on is not recorded. What was recorded before stays.`,
  );
}

export async function suspend(name: string, isSuspended: boolean, flags: ProviderFlags): Promise<void> {
  await changeSubscriber(name, { isSuspended }, flags);
}

async function changeSubscriber(name: string, change: SubscriberChange, flags: ProviderFlags): Promise<void> {
  const changed = await withOperator(flags, (operator) => operator.change(name, change));
  const output = createOutput(flags);
  output.result(tableOf([changed]));
  output.json('subscriber', { ...changed });
}

function answers(recording: Recording | undefined): Answers | undefined {
  return recording === undefined ? undefined : { http: recording === 'on' };
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
