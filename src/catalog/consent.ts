import { z } from 'zod';

/** Protocols whose traffic can be recorded. Consent is given for each by itself. */
export const PROTOCOLS = ['http', 'ftp', 'smtp', 'pop3', 'imap'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

const consent = z.object({
  isGiven: z.boolean(),
  timeMs: z.number(),
  /** `default`: the provider's rule for new subscribers, which enrolment accepts. */
  by: z.enum(['default', 'operator', 'subscriber']),
});
/** Whether a subscriber's traffic may be recorded, since when, and who said so. */
export type Consent = Readonly<z.infer<typeof consent>>;

export const consentsSchema = z.partialRecord(z.enum(PROTOCOLS), consent);
/** A protocol that is not named is not recorded. */
export type Consents = Readonly<Partial<Record<Protocol, Consent>>>;

/** Whether traffic of a protocol may be recorded. */
export type Answers = Readonly<Partial<Record<Protocol, boolean>>>;

/** The same answer from the same side keeps its first time. */
export function withAnswers(
  consents: Consents,
  answers: Answers,
  by: Consent['by'],
  timeMs: number,
): Consents {
  const changed: Partial<Record<Protocol, Consent>> = { ...consents };
  for (const protocol of PROTOCOLS) {
    const isGiven = answers[protocol];
    const before = consents[protocol];
    if (isGiven === undefined || (before?.isGiven === isGiven && before.by === by)) continue;
    changed[protocol] = { isGiven, timeMs, by };
  }
  return changed;
}
