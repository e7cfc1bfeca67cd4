import { LRUCache } from 'lru-cache';
import type { Clock } from '../../src/base/clock.ts';
import type { ElsewhereConnections } from '../http/connections.ts';
import type { Keeper, KeptOfUrl, UrlChange } from '../record/keeper.ts';
import { MAX_RECENT_BODIES } from '../record/recent-bodies.ts';
import { joinCensus } from './census.ts';
import { createGate } from './gate.ts';
import type { Link } from './link.ts';
import * as messages from './messages.ts';
import type { ParcelSender } from './parcels.ts';

/** A keeper in another process than the store's owner, who is at the other end of a link. */
export interface RemoteKeeper extends Keeper {
  readonly elsewhere: ElsewhereConnections;
}

/**
 * Bytes on their way to the owner and not durable yet. More wait here: look-ups, for which traffic
 * waits, would queue behind them.
 */
const MAX_WRITING_BYTES = 8 * 1024 * 1024;
/** What is sent with the bytes weighs something too. */
const MESSAGE_BYTES = 1024;
/** Reads under way, each of some 1 MiB. */
const MAX_READS = 64;

/** Resolves when the owner has told what it must know to serve. */
export async function openRemoteKeeper(
  link: Link,
  parcels: ParcelSender,
  clock: Clock,
): Promise<RemoteKeeper> {
  const census = joinCensus(link);
  const known = knowSubscribers();
  link.hear('subscribers', messages.knownSubscribers, known.learn);
  const listeners: ((change: UrlChange) => void)[] = [];
  link.hear('changed', messages.urlChange, (change) => {
    for (const listener of listeners) listener(change);
  });
  const held = new LRUCache<string, true>({ max: MAX_RECENT_BODIES });
  link.hear('left', messages.departed, ({ scope, contentId }) => held.delete(heldKey(scope, contentId)));
  const writes = createGate(MAX_WRITING_BYTES);
  const reads = createGate(MAX_READS);
  const { subscribers, elsewhere } = await link.call('join', undefined, messages.join);
  known.learn(subscribers);
  census.learn(elsewhere);

  return {
    elsewhere: census,
    subscriberAt: known.at,
    // What this process has recorded: it asks about nothing else, and may record again what it has forgotten.
    isHeld: (scope, { contentId }) => held.get(heldKey(scope, contentId)) === true,
    putPortions(recording, scope, portions) {
      const bytes = portions.map((portion) => portion.bytes);
      const told = portions.map(({ id, bytes: { length } }) => ({ id, sizeBytes: length }));
      const weight = bytes.reduce((sum, { length }) => sum + length, MESSAGE_BYTES);
      return writes.pass(weight, () => {
        const value = { recording, scope, parcel: parcels.send(bytes), portions: told };
        return link.call('putPortions', value, messages.nothing);
      });
    },
    async record(recording, scope, { portions, ...object }, capture, kept) {
      const value = { recording, scope, object: { ...object, portions: portions.packed }, capture, kept };
      const recorded = await writes.pass(portions.packed.length + MESSAGE_BYTES, () =>
        link.call('record', value, messages.recorded),
      );
      held.set(heldKey(scope, object.contentId), true);
      return recorded;
    },
    release: (recording) => link.tell('release', recording),
    noteUse: (body, servedBytes) => link.tell('use', { body, servedBytes }),
    find: (url) => link.call('find', url, messages.found),
    replace: (kept: KeptOfUrl) =>
      writes.pass(MESSAGE_BYTES, () => link.call('replace', kept, messages.nothing)),
    portionsOf: (body) => reads.pass(1, () => link.call('portionsOf', body, messages.portionsFound)),
    readPortions: (scope, ids) =>
      reads.pass(1, () => link.call('readPortions', { scope, ids }, messages.portionsRead)),
    announce: (change) => link.tell('announce', { ...change, timeMs: clock.wallMs() }),
    watch: (listener) => void listeners.push(listener),
    // The owner releases what a worker had when the link ends.
    close: () => {},
  };
}

/** The subscribers as the owner has told of them, each again when it changes. */
function knowSubscribers() {
  const byNumber = new Map<number, messages.ToldSubscriber>();
  const byAddress = new Map<string, messages.ToldSubscriber>();
  return {
    at: (address: string) => byAddress.get(address),
    learn(subscribers: readonly messages.ToldSubscriber[]): void {
      for (const subscriber of subscribers) {
        for (const address of byNumber.get(subscriber.number)?.addresses ?? []) byAddress.delete(address);
        byNumber.set(subscriber.number, subscriber);
        for (const address of subscriber.addresses) byAddress.set(address, subscriber);
      }
    },
  };
}

function heldKey(scope: number, contentId: Uint8Array): string {
  return `${scope} ${Buffer.from(contentId).toString('latin1')}`;
}
