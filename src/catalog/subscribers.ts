import type { Clock } from '../base/clock.ts';
import { WeirError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { expectRecord, type Operation, putRecord, type Records } from '../store/records.ts';
import { type Answers, type Consents, withAnswers } from './consent.ts';
import { createScope, SCOPE_KEY_BYTES, type Scope, scopePrefix } from './scope.ts';
import {
  changeSubscriber,
  devices,
  invitations,
  type SubscriberRecord,
  subscriberRecords,
  tokenKey,
} from './subscriber-records.ts';

/** A customer of the provider. Its number never changes and is never given again. */
export interface Subscriber {
  readonly number: number;
  readonly name: string;
  readonly isSuspended: boolean;
  readonly createdMs: number;
  /** Source addresses of its traffic, as net.Socket.remoteAddress gives them without a v4-mapped prefix. */
  readonly addresses: readonly string[];
  readonly consents: Consents;
  /** Open connections of all its addresses together; undefined leaves it to the configuration. */
  readonly connections: number | undefined;
  readonly scope: Scope;
}

/** What the provider changes of a subscriber. What is not named stays. */
export interface SubscriberChange {
  /** Suspended subscribers keep everything and can do nothing. */
  readonly isSuspended?: boolean;
  /** All of them; canonical. */
  readonly addresses?: readonly string[];
  readonly recording?: Answers;
  /** Null leaves it to the configuration again. */
  readonly connections?: number | null;
}

export interface Device {
  readonly subscriber: Subscriber;
  readonly name: string;
}

export interface Subscribers {
  /** `recording` is the provider's rule for new subscribers. */
  add(name: string, addresses: readonly string[], recording?: Answers): Promise<Subscriber>;
  list(): readonly Subscriber[];
  byName(name: string): Subscriber | undefined;
  /** Whose traffic this is. From memory, without waiting. */
  byAddress(address: string): Subscriber | undefined;
  scopeOf(number: number): Scope | undefined;
  /**
   * Changes a subscriber in one step. WEIR_SUBSCRIBER_UNKNOWN, WEIR_ADDRESS_TAKEN. Withdrawn consent
   * holds for what begins to pass from then on; what was recorded stays, since snapshots may refer to it.
   */
  change(name: string, change: SubscriberChange): Promise<Subscriber>;
  /** A token that enrols one device within INVITATION_DAYS days. */
  invite(subscriber: Subscriber): Promise<Buffer>;
  /**
   * Turns an invitation into a device token. A subscriber without an address gets that of the device,
   * unless it is somebody else's.
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
  /** Calls `listener` with each subscriber that is new or has changed, once that is durable. */
  watch(listener: (subscriber: Subscriber) => void): void;
}

export const INVITATION_DAYS = 7;
export const MAX_SUBSCRIBER_NAME_BYTES = 64;
const TOKEN_BYTES = 32;
const DAY_MS = 86_400_000;
/** A subscriber enrols so that downloads are recorded. Mail takes a consent of its own. */
const RECORDED_FROM_THE_START: Answers = { http: true };

/** Opens the subscribers. All are held in memory: a provider has thousands, not millions, behind one appliance. */
export async function openSubscribers(records: Records, clock: Clock, random: Random): Promise<Subscribers> {
  const known: SubscriberRecord[] = [];
  for await (const { value } of records.range(subscriberRecords)) known.push(value);
  return new StoredSubscribers(records, clock, random, known);
}

class StoredSubscribers implements Subscribers {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #byNumber = new Map<number, { subscriber: Subscriber; record: SubscriberRecord }>();
  readonly #byAddress = new Map<string, Subscriber>();
  readonly #listeners: ((subscriber: Subscriber) => void)[] = [];

  constructor(records: Records, clock: Clock, random: Random, known: readonly SubscriberRecord[]) {
    this.#records = records;
    this.#clock = clock;
    this.#random = random;
    for (const record of known) this.#remember(record);
  }

  async add(name: string, addresses: readonly string[], recording?: Answers): Promise<Subscriber> {
    this.#checkName(name);
    this.#checkAddresses(addresses, undefined);
    const createdMs = this.#clock.wallMs();
    const record: SubscriberRecord = {
      number: Math.max(0, ...this.#byNumber.keys()) + 1,
      name,
      isSuspended: false,
      createdMs,
      addresses: [...new Set(addresses)],
      scopeKey: this.#random(SCOPE_KEY_BYTES).toString('base64'),
      consents: withAnswers({}, recording ?? RECORDED_FROM_THE_START, 'default', createdMs),
    };
    const key = scopePrefix(record.number);
    await this.#records.write([
      expectRecord(subscriberRecords, key, undefined),
      putRecord(subscriberRecords, key, record),
    ]);
    return this.#remember(record);
  }

  list(): readonly Subscriber[] {
    return [...this.#byNumber.values()].map(({ subscriber }) => subscriber);
  }

  byName(name: string): Subscriber | undefined {
    return this.list().find((subscriber) => subscriber.name === name);
  }

  byAddress(address: string): Subscriber | undefined {
    return this.#byAddress.get(address);
  }

  scopeOf(number: number): Scope | undefined {
    return this.#byNumber.get(number)?.subscriber.scope;
  }

  async change(name: string, change: SubscriberChange): Promise<Subscriber> {
    const record = this.#recordNamed(name);
    const { isSuspended = record.isSuspended, addresses = record.addresses, recording = {} } = change;
    const { connections = record.connections ?? null } = change;
    this.#checkAddresses(addresses, record.number);
    const changed = {
      ...record,
      isSuspended,
      addresses: [...new Set(addresses)],
      consents: withAnswers(consentsOf(record), recording, 'operator', this.#clock.wallMs()),
      connections: connections ?? undefined,
    };
    await this.#records.write(changeSubscriber(record, changed));
    return this.#remember(changed);
  }

  async invite(subscriber: Subscriber): Promise<Buffer> {
    const token = this.#random(TOKEN_BYTES);
    const expiresMs = this.#clock.wallMs() + INVITATION_DAYS * DAY_MS;
    const invitation = { subscriber: subscriber.number, expiresMs, isUsed: false };
    await this.#records.write([putRecord(invitations, tokenKey(token), invitation)]);
    return token;
  }

  async enrol(
    invitation: Uint8Array,
    deviceName: string,
    address: string | undefined,
  ): Promise<{ token: Buffer; subscriber: Subscriber }> {
    const key = tokenKey(invitation);
    const [found] = await this.#records.get(invitations, [key]);
    const record = this.#byNumber.get(found?.subscriber ?? -1)?.record;
    if (
      found === undefined ||
      record === undefined ||
      found.isUsed ||
      found.expiresMs < this.#clock.wallMs()
    ) {
      throw new WeirError('WEIR_INVITATION_INVALID', 'the invitation is unknown, used or over');
    }
    if (record.isSuspended) refuseSuspended(record.name);
    const token = this.#random(TOKEN_BYTES);
    // Only a subscriber without an address learns one: behind a shared address others may pass too.
    const isNew = address !== undefined && record.addresses.length === 0 && !this.#byAddress.has(address);
    const changed = isNew ? { ...record, addresses: [...record.addresses, address] } : record;
    const device = {
      subscriber: record.number,
      name: deviceName,
      createdMs: this.#clock.wallMs(),
      isRevoked: false,
    };
    await this.#records.write([
      expectRecord(invitations, key, found),
      putRecord(invitations, key, { ...found, isUsed: true }),
      putRecord(devices, tokenKey(token), device),
      ...changeSubscriber(record, changed),
    ]);
    return { token, subscriber: this.#remember(changed) };
  }

  async authenticate(token: Uint8Array): Promise<Device> {
    const [device] = await this.#records.get(devices, [tokenKey(token)]);
    const subscriber = this.#byNumber.get(device?.subscriber ?? -1)?.subscriber;
    if (device === undefined || subscriber === undefined || device.isRevoked) {
      throw new WeirError('WEIR_TOKEN_REFUSED', 'the token is unknown or revoked');
    }
    if (subscriber.isSuspended) refuseSuspended(subscriber.name);
    return { subscriber, name: device.name };
  }

  async revoke(name: string, deviceName: string): Promise<number> {
    const { number } = this.#recordNamed(name);
    const operations: Operation[] = [];
    const range = { index: 'subscriber', from: scopePrefix(number), to: scopePrefix(number + 1) };
    for await (const { key, value } of this.#records.range(devices, range)) {
      if (value.name !== deviceName || value.isRevoked) continue;
      operations.push(putRecord(devices, key, { ...value, isRevoked: true }));
    }
    await this.#records.write(operations);
    return operations.length;
  }

  watch(listener: (subscriber: Subscriber) => void): void {
    this.#listeners.push(listener);
  }

  #remember(record: SubscriberRecord): Subscriber {
    const { number, name, isSuspended, createdMs, addresses, connections } = record;
    const consents = consentsOf(record);
    const before = this.#byNumber.get(number)?.subscriber;
    for (const address of before?.addresses ?? []) this.#byAddress.delete(address);
    const scope = before?.scope ?? createScope(number, Buffer.from(record.scopeKey, 'base64'));
    const subscriber = { number, name, isSuspended, createdMs, addresses, consents, connections, scope };
    this.#byNumber.set(number, { subscriber, record });
    for (const address of addresses) this.#byAddress.set(address, subscriber);
    for (const listener of this.#listeners) listener(subscriber);
    return subscriber;
  }

  #recordNamed(name: string): SubscriberRecord {
    const record = this.#byNumber.get(this.byName(name)?.number ?? -1)?.record;
    if (record === undefined)
      throw new WeirError('WEIR_SUBSCRIBER_UNKNOWN', `there is no subscriber "${name}"`);
    return record;
  }

  #checkName(name: string): void {
    if (name === '' || Buffer.byteLength(name) > MAX_SUBSCRIBER_NAME_BYTES) {
      throw new WeirError('WEIR_USAGE', `a subscriber's name has 1 to ${MAX_SUBSCRIBER_NAME_BYTES} bytes`);
    }
    if (this.byName(name) !== undefined)
      throw new WeirError('WEIR_NAME_TAKEN', `there is a subscriber "${name}" already`);
  }

  #checkAddresses(addresses: readonly string[], number: number | undefined): void {
    for (const address of addresses) {
      const owner = this.#byAddress.get(address);
      if (owner === undefined || owner.number === number) continue;
      throw new WeirError('WEIR_ADDRESS_TAKEN', `${address} belongs to ${owner.name}`, {
        facts: { address },
      });
    }
  }
}

/** A record without consents is of a time when to enrol was to be recorded. */
function consentsOf({ consents, createdMs }: SubscriberRecord): Consents {
  return consents ?? withAnswers({}, RECORDED_FROM_THE_START, 'default', createdMs);
}

function refuseSuspended(name: string): never {
  throw new WeirError('WEIR_SUBSCRIBER_SUSPENDED', `${name} is suspended`);
}
