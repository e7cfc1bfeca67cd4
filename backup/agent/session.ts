import { type CandidateDigest, createCandidateDigest } from '../../src/content/identifier.ts';
import { createPossessionTagger, type PossessionTagger } from '../../src/content/proof.ts';
import { WIRE_VERSION } from '../../src/wire/limits.ts';
import { hello, welcome } from '../../src/wire/messages.ts';
import { type Channel, openChannel, type ProviderAddress } from './channel.ts';

/** What `weir setup` leaves on the device. */
export interface Enrolment extends ProviderAddress {
  readonly token: Uint8Array;
}

/** An open session with the provider. */
export interface AgentSession {
  readonly channel: Channel;
  readonly nonce: Uint8Array;
  readonly tagger: PossessionTagger;
  readonly digestOf: CandidateDigest;
  readonly knowsDirectories: boolean;
  /** Whether the provider is to read all that is chosen. */
  readonly isThorough: boolean;
  readonly subscriberName: string;
  /** Choices sent so far; both sides count them. */
  choices: number;
  /** Directory candidates offered so far; both sides count them. */
  offeredDirectories: number;
  close(): void;
}

/** WEIR_UNREACHABLE, WEIR_SERVER_KEY_MISMATCH, WEIR_TOKEN_REFUSED and the other refusals of a greeting. */
export async function openSession(enrolment: Enrolment): Promise<AgentSession> {
  const channel = await openChannel(enrolment);
  try {
    const greeting = await channel.call(hello, { version: WIRE_VERSION, token: enrolment.token }, welcome);
    const { nonce, salt, knowsDirectories, subscriberName } = greeting;
    return {
      channel,
      nonce,
      tagger: createPossessionTagger(nonce),
      digestOf: createCandidateDigest(salt),
      knowsDirectories,
      isThorough: false,
      subscriberName,
      choices: 0,
      offeredDirectories: 0,
      close: () => channel.close(),
    };
  } catch (error) {
    channel.close();
    throw error;
  }
}
