import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { ByteStore } from '../store/byte-store.ts';
import type { Records } from '../store/records.ts';
import { type Captures, openCaptures } from './captures.ts';
import { type Contents, openContents } from './contents.ts';
import { openSubscribers, type Subscribers } from './subscribers.ts';
import { openWatchList, type WatchList } from './watch-list.ts';

/** What the stores mean: who the subscribers are, what is held for whom, and what is waited for. */
export interface Catalog {
  readonly records: Records;
  readonly subscribers: Subscribers;
  readonly contents: Contents;
  readonly captures: Captures;
  readonly watchList: WatchList;
}

export async function openCatalog(
  records: Records,
  store: ByteStore,
  clock: Clock,
  random: Random,
): Promise<Catalog> {
  const subscribers = await openSubscribers(records, clock, random);
  const contents = await openContents(records, store, (number) => subscribers.scopeOf(number));
  const watchList = await openWatchList(records, (number) => subscribers.scopeOf(number));
  return { records, subscribers, contents, watchList, captures: openCaptures(records, contents, watchList) };
}
