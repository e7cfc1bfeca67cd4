import { canonicalAddress } from '../base/address-ranges.ts';
import { WeirError } from '../base/errors.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Answers, Consents } from '../catalog/consent.ts';
import type { Subscriber, SubscriberChange } from '../catalog/subscribers.ts';
import { encodeInvitation } from '../wire/invitation.ts';

/** What an operator does, whether in this process or through the console's API. */
export interface Operator {
  /** Adds a subscriber; gives an invitation for the first device. */
  addSubscriber(
    name: string,
    addresses: readonly string[],
    recording?: Answers,
  ): Promise<{ invitation: string }>;
  /** An invitation for one more device. */
  invite(name: string): Promise<{ invitation: string }>;
  listSubscribers(): Promise<SubscriberSummary[]>;
  change(name: string, change: SubscriberChange): Promise<SubscriberSummary>;
  /** Makes the tokens of the subscriber's device of this name worthless; gives how many. */
  revoke(name: string, deviceName: string): Promise<number>;
}

export interface SubscriberSummary {
  readonly number: number;
  readonly name: string;
  readonly isSuspended: boolean;
  readonly createdMs: number;
  readonly addresses: readonly string[];
  readonly consents: Consents;
  /** Null: as the configuration says. */
  readonly connections: number | null;
}

/** As many as the proxy can be configured to have in all. */
export const MAX_SUBSCRIBER_CONNECTIONS = 65_535;

/** Where agents find the backup server, for invitations. */
export interface PublicAddress {
  readonly host: string;
  readonly port: number;
  readonly pin: Uint8Array;
}

/** `recording` is the provider's rule for subscribers that are added without one of their own. */
export function createOperator(catalog: Catalog, provider: PublicAddress, recording?: Answers): Operator {
  const { subscribers } = catalog;

  async function invite(name: string): Promise<{ invitation: string }> {
    const subscriber = subscribers.byName(name);
    if (subscriber === undefined)
      throw new WeirError('WEIR_SUBSCRIBER_UNKNOWN', `there is no subscriber "${name}"`);
    return { invitation: encodeInvitation({ ...provider, token: await subscribers.invite(subscriber) }) };
  }

  return {
    async addSubscriber(name, addresses, own) {
      await subscribers.add(name, addresses.map(checkAddress), own ?? recording);
      return invite(name);
    },
    invite,
    listSubscribers: async () => subscribers.list().map(summaryOf),
    async change(name, change) {
      const { addresses, connections } = change;
      if (typeof connections === 'number') checkConnections(connections);
      const canonical = addresses === undefined ? {} : { addresses: addresses.map(checkAddress) };
      return summaryOf(await subscribers.change(name, { ...change, ...canonical }));
    },
    revoke: (name, deviceName) => subscribers.revoke(name, deviceName),
  };
}

function checkAddress(text: string): string {
  const address = canonicalAddress(text);
  if (address === undefined) throw new WeirError('WEIR_USAGE', `"${text}" is not an IP address`);
  return address;
}

function checkConnections(connections: number): void {
  if (Number.isInteger(connections) && connections > 0 && connections <= MAX_SUBSCRIBER_CONNECTIONS) return;
  throw new WeirError('WEIR_USAGE', `a subscriber has 1 to ${MAX_SUBSCRIBER_CONNECTIONS} connections`);
}

function summaryOf(subscriber: Subscriber): SubscriberSummary {
  const { number, name, isSuspended, createdMs, addresses, consents, connections = null } = subscriber;
  return { number, name, isSuspended, createdMs, addresses, consents, connections };
}
