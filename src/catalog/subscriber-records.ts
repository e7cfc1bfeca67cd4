import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type Collection, expectRecord, type Operation, putRecord } from '../store/records.ts';
import { consentsSchema } from './consent.ts';
import { scopePrefix } from './scope.ts';

/** What is optional is missing from records that were written before it existed. */
const subscriberSchema = z.object({
  number: z.number().int(),
  name: z.string(),
  isSuspended: z.boolean(),
  createdMs: z.number(),
  addresses: z.array(z.string()),
  scopeKey: z.string(),
  consents: consentsSchema.optional(),
  connections: z.number().int().optional(),
});
export type SubscriberRecord = z.infer<typeof subscriberSchema>;

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

export const subscriberRecords: Collection<SubscriberRecord> = {
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
export const invitations: Collection<z.infer<typeof invitationSchema>> = {
  ...json('invitations', invitationSchema),
  indexes: [],
};
export const devices: Collection<z.infer<typeof deviceSchema>> = {
  ...json('devices', deviceSchema),
  indexes: [{ name: 'subscriber', unique: false, keys: ({ subscriber }) => [scopePrefix(subscriber)] }],
};

/** Replaces a subscriber's record if it is still the one that is known. */
export function changeSubscriber(from: SubscriberRecord, to: SubscriberRecord): Operation[] {
  const key = scopePrefix(from.number);
  return [expectRecord(subscriberRecords, key, from), putRecord(subscriberRecords, key, to)];
}

export function tokenKey(token: Uint8Array): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Encodes what the schema makes of the value: in the order of its keys, as `expectRecord` compares bytes. */
function json<V>(name: string, schema: z.ZodType<V>): Omit<Collection<V>, 'indexes'> {
  return {
    name,
    encode: (value) => Buffer.from(JSON.stringify(schema.parse(value))),
    decode: (bytes) => schema.parse(JSON.parse(Buffer.from(bytes).toString('utf8'))),
  };
}
