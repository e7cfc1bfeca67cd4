import { z } from 'zod';
import { consentsSchema } from '../../src/catalog/consent.ts';
import { MAX_VARIANTS } from '../../src/catalog/responses.ts';
import { CONTENT_ID_BYTES } from '../../src/content/content-id.ts';
import { PACKED_PORTION_BYTES, type PortionList, portionList } from '../../src/content/portion-list.ts';

/**
 * What a proxy worker and the owner of the store say to each other, as `Keeper` has it. Both are the
 * same program, so there is no version; but nothing that comes from a process is believed unseen.
 */
const count = z.int().min(0);
const bytes = z.instanceof(Uint8Array);
const contentId = bytes.refine((id) => id.length === CONTENT_ID_BYTES, 'is no content id');
const maybeText = z.custom<string | undefined>((text) => text === undefined || typeof text === 'string');
const portions = bytes
  .refine((packed) => packed.length % PACKED_PORTION_BYTES === 0, 'is no list of portions')
  .transform(({ buffer, byteOffset, length }): PortionList => {
    return portionList(Buffer.from(buffer, byteOffset, length));
  });

export const nothing = z.undefined();

const heldBody = z.object({ scope: count, contentId, sizeBytes: count });
const keptResponse = z.object({
  status: count,
  reason: z.string(),
  headers: z.array(z.string()),
  selecting: z.array(z.string()),
  requestMs: z.number(),
  responseMs: z.number(),
  body: heldBody,
});
const keptResponses = z.array(keptResponse).max(MAX_VARIANTS + 1);
const keptOfUrl = z.object({ url: z.string(), responses: keptResponses });

const knownSubscriber = z.object({
  number: count,
  name: z.string(),
  isSuspended: z.boolean(),
  consents: consentsSchema,
  connections: z.custom<number | undefined>(isCountOrNothing),
  addresses: z.array(z.string()),
});
export const knownSubscribers = z.array(knownSubscriber);
export type ToldSubscriber = z.infer<typeof knownSubscriber>;

/** Connections by client. */
export const connections = z.array(z.tuple([z.string(), count]));
export const join = z.object({ subscribers: knownSubscribers, elsewhere: connections });

export const urlChange = z.object({ url: z.string(), isInvalidated: z.boolean() });
/** `timeMs`: when, by the wall clock that both have. */
export const announced = urlChange.extend({ timeMs: z.number() });
export const departed = z.object({ scope: count, contentId });

/** The bytes of the portions, one after another, come as a parcel. */
const portion = z.object({ id: contentId, sizeBytes: count });
export const putPortions = z.object({
  recording: count,
  scope: count,
  parcel: count,
  portions: z.array(portion),
});
export const record = z.object({
  recording: count,
  scope: count,
  object: z.object({
    level: z.enum(['file', 'directory', 'portion']),
    contentId,
    sizeBytes: count,
    identifier: count,
    isProved: z.boolean(),
    portions,
  }),
  capture: z.object({
    url: z.string(),
    contentId,
    sizeBytes: count,
    etag: maybeText,
    lastModified: maybeText,
    timeMs: z.number(),
  }),
  kept: z.union([keptOfUrl, z.undefined()]),
});
export const release = count;
export const use = z.object({ body: heldBody, servedBytes: count });
export const recorded = z.object({ wasWanted: z.boolean() });
export const find = z.string();
export const found = keptResponses;
export const replace = keptOfUrl;
export const portionsOf = heldBody;
export const portionsFound = z.union([portions, z.undefined()]);
export const readPortions = z.object({ scope: count, ids: z.array(contentId) });
export const portionsRead = z.array(z.union([bytes, z.undefined()]));

function isCountOrNothing(value: unknown): boolean {
  return value === undefined || (Number.isSafeInteger(value) && Number(value) > 0);
}
