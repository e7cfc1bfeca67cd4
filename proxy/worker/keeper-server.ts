import { LRUCache } from 'lru-cache';
import type { Portion } from '../../src/catalog/contents.ts';
import type { Subscriber, Subscribers } from '../../src/catalog/subscribers.ts';
import type { Keeper, KeptOfUrl, UrlChange } from '../record/keeper.ts';
import { createCensus } from './census.ts';
import type { Link } from './link.ts';
import * as messages from './messages.ts';
import type { ParcelReceiver } from './parcels.ts';

/** The owner's side: gives each worker what `Keeper` has, and tells every worker what the others did. */
export interface KeeperServer {
  serve(link: Link, parcels: ParcelReceiver): void;
  /** The worker is gone. */
  leave(link: Link): void;
  /** An object is held no longer. */
  left(scope: number, contentId: Uint8Array): void;
}

/**
 * Answers asked for before their URL was invalidated are refused when they come to be kept. A worker
 * hears of it and keeps none by itself: this is for what was on its way meanwhile.
 */
const MAX_INVALIDATED = 10_000;
const INVALIDATED_MS = 60_000;

/** `openKeeper` gives each worker one of its own, so that what it was recording is released when it is gone. */
export function createKeeperServer(openKeeper: () => Keeper, subscribers: Subscribers): KeeperServer {
  const links = new Set<Link>();
  const keepers = new Map<Link, Keeper>();
  const census = createCensus();
  const invalidated = new LRUCache<string, number>({ max: MAX_INVALIDATED, ttl: INVALIDATED_MS });
  subscribers.watch((subscriber) => tellOthers(undefined, 'subscribers', [told(subscriber)]));

  function tellOthers(teller: Link | undefined, name: string, value: unknown): void {
    for (const link of links) if (link !== teller) link.tell(name, value);
  }

  function tellChange(teller: Link, change: UrlChange): void {
    tellOthers(teller, 'changed', change);
  }

  function stillValid({ url, responses }: KeptOfUrl): KeptOfUrl {
    const sinceMs = invalidated.get(url);
    if (sinceMs === undefined) return { url, responses };
    return { url, responses: responses.filter(({ requestMs }) => requestMs > sinceMs) };
  }

  function hearOfAnswers(link: Link, keeper: Keeper): void {
    link.hear('find', messages.find, (url) => keeper.find(url));
    link.hear('replace', messages.replace, async (kept) => {
      await keeper.replace(stillValid(kept));
      tellChange(link, { url: kept.url, isInvalidated: false });
    });
    link.hear('announce', messages.announced, ({ timeMs, ...change }) => {
      if (change.isInvalidated) invalidated.set(change.url, timeMs);
      tellChange(link, change);
    });
  }

  function hearOfContents(link: Link, keeper: Keeper, parcels: ParcelReceiver): void {
    link.hear('release', messages.release, (recording) => keeper.release(recording));
    link.hear('use', messages.use, ({ body, servedBytes }) => keeper.noteUse(body, servedBytes));
    link.hear('putPortions', messages.putPortions, ({ recording, scope, parcel, portions }) => {
      const sizeBytes = portions.reduce((sum, portion) => sum + portion.sizeBytes, 0);
      return parcels.take(parcel, sizeBytes, (bytes) =>
        keeper.putPortions(recording, scope, cut(bytes, portions)),
      );
    });
    link.hear('record', messages.record, async ({ recording, scope, object, capture, kept }) => {
      const recorded = await keeper.record(recording, scope, object, capture, kept && stillValid(kept));
      if (kept !== undefined) tellChange(link, { url: kept.url, isInvalidated: false });
      return recorded;
    });
    link.hear('portionsOf', messages.portionsOf, async (body) => (await keeper.portionsOf(body))?.packed);
    link.hear('readPortions', messages.readPortions, ({ scope, ids }) => keeper.readPortions(scope, ids));
  }

  return {
    serve(link, parcels) {
      census.enter(link);
      const keeper = openKeeper();
      keepers.set(link, keeper);
      hearOfAnswers(link, keeper);
      hearOfContents(link, keeper, parcels);
      link.hear('join', messages.nothing, () => {
        links.add(link);
        return { subscribers: subscribers.list().map(told), elsewhere: census.elsewhere(link) };
      });
    },
    leave(link) {
      links.delete(link);
      keepers.get(link)?.close();
      keepers.delete(link);
      census.leave(link);
    },
    left(scope, contentId) {
      tellOthers(undefined, 'left', { scope, contentId });
    },
  };
}

function cut(bytes: Buffer, portions: readonly { id: Uint8Array; sizeBytes: number }[]): Portion[] {
  let at = 0;
  return portions.map(({ id, sizeBytes }) => ({ id, bytes: bytes.subarray(at, (at += sizeBytes)) }));
}

/** All but the key of the scope. */
function told(subscriber: Subscriber): messages.ToldSubscriber {
  const { number, name, isSuspended, consents, connections, addresses } = subscriber;
  return { number, name, isSuspended, consents, connections, addresses: [...addresses] };
}
