import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../base/clock.ts';
import { WeirError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { type Collection, expectRecord, type Operation, putRecord, type Records } from '../store/records.ts';
import { createScope, SCOPE_KEY_BYTES, type Scope } from './scope.ts';

/** A customer of the provider. Its number never changes and is never given again. */
export interface Subscriber {
  readonly number: number;
  readonly name: string;
  readonly isSuspended: boolean;
  readonly createdMs: number;
  /** Source addresses of its traffic, as net.Socket.remoteAddress gives them without a v4-mapped prefix. */
  readonly addresses: readonly string[];
  readonly scope: Scope;
}

export interface Device {
  readonly subscriber: Subscriber;
  readonly name: string;
}

export interface Subscribers {
  add(name: string, addresses: readonly string[]): Promise<Subscriber>;
  list(): readonly Subscriber[];
  byName(name: string): Subscriber | undefined;
  /** Whose traffic this is. From memory, without waiting. */
  byAddress(address: string): Subscriber | undefined;
  scopeOf(number: number): Scope | undefined;
  /** Suspended subscribers keep everything and can do nothing. */
  suspend(name: string, isSuspended: boolean): Promise<void>;
  /** A token that enrols one device within INVITATION_DAYS days. */
  invite(subscriber: Subscriber): Promise<Buffer>;
  /**
   * Turns an invitation into a device token. The device's address becomes the subscriber's unless
   * it is somebody else's.
   */
  enrol(
    invitation: Uint8Array,
    deviceName: string,
    address: string | undefined,
  ): Promise<{ token: Buffer; subscriber: Subscriber }>;
  /** The device a token belongs to. WEIR_TOKEN_REFUSED, WEIR_SUBSCRIBER_SUSPENDED. */
  authenticate(token: Uint8Array): Promise<Device>;
  /** Makes every token of the subscriber's device of this name worthless. */
  revoke(name: string, deviceName: string): Promise<number>;
}

export const INVITATION_DAYS = 7;
export const MAX_SUBSCRIBER_NAME_BYTES = 64;
const TOKEN_BYTES = 32;
const DAY_MS = 86_400_000;

const subscriberSchema = z.object({
  number: z.number().int(),
  name: z.string(),
  isSuspended: z.boolean(),
  createdMs: z.number(),
  addresses: z.array(z.string()),
  scopeKey: z.string(),
});
type SubscriberRecord = z.infer<typeof subscriberSchema>;

const invitationSchema = z.object({
  subscriber: z.number().int(),
  expiresMs: z.number(),
  isUsed: z.boolean(),
});
const deviceSchema = z.object({
  subscriber: z.number().int(),
  name: z.string(),
  createdMs: z.number(),
  isRevoked: z.boolean(),
});

const subscriberRecords: Collection<SubscriberRecord> = {
  ...json('subscribers', subscriberSchema),
  indexes: [
    { name: 'name', unique: true, keys: ({ name }) => [Buffer.from(name)] },
    {
      name: 'address',
      unique: true,
      keys: ({ addresses }) => addresses.map((address) => Buffer.from(address)),
    },
  ],
};
/** Keyed by SHA-256 of the token, so that the records open no door. */
const invitations = { ...json('invitations', invitationSchema), indexes: [] };
const devices: Collection<z.infer<typeof deviceSchema>> = {
  ...json('devices', deviceSchema),
  indexes: [{ name: 'subscriber', unique: false, keys: ({ subscriber }) => [numberKey(subscriber)] }],
};

/** Opens the subscribers. All are held in memory: a provider has thousands, not millions, behind one appliance. */
export async function openSubscribers(records: Records, clock: Clock, random: Random): Promise<Subscribers> {
  const byNumber = new Map<number, Subscriber>();
  const recordOf = new Map<number, SubscriberRecord>();
  const byAddress = new Map<string, Subscriber>();
  for await (const { value } of records.range(subscriberRecords)) remember(value);

  function remember(record: SubscriberRecord): Subscriber {
    for (const address of byNumber.get(record.number)?.addresses ?? []) byAddress.delete(address);
    const { number, name, isSuspended, createdMs, addresses } = record;
    const scope = byNumber.get(number)?.scope ?? createScope(number, Buffer.from(record.scopeKey, 'base64'));
    const subscriber = { number, name, isSuspended, createdMs, addresses, scope };
    byNumber.set(number, subscriber);
    recordOf.set(number, record);
    for (const address of addresses) byAddress.set(address, subscriber);
    return subscriber;
  }

  function byName(name: string): Subscriber | undefined {
    return [...byNumber.values()].find((subscriber) => subscriber.name === name);
  }

  function recordNamed(name: string): SubscriberRecord {
    const record = recordOf.get(byName(name)?.number ?? -1);
    if (record === undefined)
      throw new WeirError('WEIR_SUBSCRIBER_UNKNOWN', `there is no subscriber "${name}"`);
    return record;
  }

  function change(from: SubscriberRecord, to: SubscriberRecord): Operation[] {
    const key = numberKey(from.number);
    return [expectRecord(subscriberRecords, key, from), putRecord(subscriberRecords, key, to)];
  }

  function checkNew(name: string, addresses: readonly string[]): void {
    if (name === '' || Buffer.byteLength(name) > MAX_SUBSCRIBER_NAME_BYTES) {
      throw new WeirError('WEIR_USAGE', `a subscriber's name has 1 to ${MAX_SUBSCRIBER_NAME_BYTES} bytes`);
    }
    if (byName(name) !== undefined)
      throw new WeirError('WEIR_NAME_TAKEN', `there is a subscriber "${name}" already`);
    for (const address of addresses) {
      const owner = byAddress.get(address);
      if (owner === undefined) continue;
      throw new WeirError('WEIR_ADDRESS_TAKEN', `${address} belongs to ${owner.name}`, {
        facts: { address },
      });
    }
  }

  return {
    async add(name, addresses) {
      checkNew(name, addresses);
      const record: SubscriberRecord = {
        number: Math.max(0, ...byNumber.keys()) + 1,
        name,
        isSuspended: false,
        createdMs: clock.wallMs(),
        addresses: [...addresses],
        scopeKey: random(SCOPE_KEY_BYTES).toString('base64'),
      };
      const key = numberKey(record.number);
      await records.write([
        expectRecord(subscriberRecords, key, undefined),
        putRecord(subscriberRecords, key, record),
      ]);
      return remember(record);
    },
    list: () => [...byNumber.values()],
    byName,
    byAddress: (address) => byAddress.get(address),
    scopeOf: (number) => byNumber.get(number)?.scope,
    async suspend(name, isSuspended) {
      const record = recordNamed(name);
      const changed = { ...record, isSuspended };
      await records.write(change(record, changed));
      remember(changed);
    },
    async invite(subscriber) {
      const token = random(TOKEN_BYTES);
      const expiresMs = clock.wallMs() + INVITATION_DAYS * DAY_MS;
      const invitation = { subscriber: subscriber.number, expiresMs, isUsed: false };
      await records.write([putRecord(invitations, tokenKey(token), invitation)]);
      return token;
    },
    async enrol(invitation, deviceName, address) {
      const key = tokenKey(invitation);
      const [found] = await records.get(invitations, [key]);
      const record = recordOf.get(found?.subscriber ?? -1);
      if (found === undefined || record === undefined || found.isUsed || found.expiresMs < clock.wallMs()) {
        throw new WeirError('WEIR_INVITATION_INVALID', 'the invitation is unknown, used or over');
      }
      const token = random(TOKEN_BYTES);
      const isNew = address !== undefined && !byAddress.has(address);
      const changed = isNew ? { ...record, addresses: [...record.addresses, address] } : record;
      const device = {
        subscriber: record.number,
        name: deviceName,
        createdMs: clock.wallMs(),
        isRevoked: false,
      };
      await records.write([
        expectRecord(invitations, key, found),
        putRecord(invitations, key, { ...found, isUsed: true }),
        putRecord(devices, tokenKey(token), device),
        ...(isNew ? change(record, changed) : []),
      ]);
      return { token, subscriber: remember(changed) };
    },
    async authenticate(token) {
      const [device] = await records.get(devices, [tokenKey(token)]);
      const subscriber = byNumber.get(device?.subscriber ?? -1);
      if (device === undefined || subscriber === undefined || device.isRevoked) {
        throw new WeirError('WEIR_TOKEN_REFUSED', 'the token is unknown or revoked');
      }
      if (subscriber.isSuspended)
        throw new WeirError('WEIR_SUBSCRIBER_SUSPENDED', `${subscriber.name} is suspended`);
      return { subscriber, name: device.name };
    },
    async revoke(name, deviceName) {
      const { number } = recordNamed(name);
      const operations: Operation[] = [];
      const range = { index: 'subscriber', from: numberKey(number), to: numberKey(number + 1) };
      for await (const { key, value } of records.range(devices, range)) {
        if (value.name !== deviceName || value.isRevoked) continue;
        operations.push(putRecord(devices, key, { ...value, isRevoked: true }));
      }
      await records.write(operations);
      return operations.length;
    },
  };
}

function tokenKey(token: Uint8Array): Buffer {
  return createHash('sha256').update(token).digest();
}

function numberKey(number: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32BE(number, 0);
  return key;
}

function json<V>(name: string, schema: z.ZodType<V>): Omit<Collection<V>, 'indexes'> {
  return {
    name,
    encode: (value) => Buffer.from(JSON.stringify(value)),
    decode: (bytes) => schema.parse(JSON.parse(Buffer.from(bytes).toString('utf8'))),
  };
}
