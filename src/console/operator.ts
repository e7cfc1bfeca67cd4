import { canonicalAddress } from '../base/address-ranges.ts';
import { WeirError } from '../base/errors.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { encodeInvitation } from '../wire/invitation.ts';

/** What an operator does, whether in this process or through the console's API. */
export interface Operator {
  /** Adds a subscriber; gives an invitation for the first device. */
  addSubscriber(name: string, addresses: readonly string[]): Promise<{ invitation: string }>;
  /** An invitation for one more device. */
  invite(name: string): Promise<{ invitation: string }>;
  listSubscribers(): Promise<SubscriberSummary[]>;
  suspend(name: string, isSuspended: boolean): Promise<void>;
  /** Makes the tokens of the subscriber's device of this name worthless; gives how many. */
  revoke(name: string, deviceName: string): Promise<number>;
}

export interface SubscriberSummary {
  readonly number: number;
  readonly name: string;
  readonly isSuspended: boolean;
  readonly createdMs: number;
  readonly addresses: readonly string[];
}

/** Where agents find the backup server, for invitations. */
export interface PublicAddress {
  readonly host: string;
  readonly port: number;
  readonly pin: Uint8Array;
}

export function createOperator(catalog: Catalog, provider: PublicAddress): Operator {
  const { subscribers } = catalog;

  async function invite(name: string): Promise<{ invitation: string }> {
    const subscriber = subscribers.byName(name);
    if (subscriber === undefined)
      throw new WeirError('WEIR_SUBSCRIBER_UNKNOWN', `there is no subscriber "${name}"`);
    return { invitation: encodeInvitation({ ...provider, token: await subscribers.invite(subscriber) }) };
  }

  return {
    async addSubscriber(name, addresses) {
      await subscribers.add(name, addresses.map(checkAddress));
      return invite(name);
    },
    invite,
    listSubscribers: async () =>
      subscribers.list().map(({ number, name, isSuspended, createdMs, addresses }) => ({
        number,
        name,
        isSuspended,
        createdMs,
        addresses,
      })),
    suspend: (name, isSuspended) => subscribers.suspend(name, isSuspended),
    revoke: (name, deviceName) => subscribers.revoke(name, deviceName),
  };
}

function checkAddress(text: string): string {
  const address = canonicalAddress(text);
  if (address === undefined) throw new WeirError('WEIR_USAGE', `"${text}" is not an IP address`);
  return address;
}
