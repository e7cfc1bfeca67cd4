import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { ByteStore } from '../store/byte-store.ts';
import type { Records } from '../store/records.ts';
import { CACHE_SCOPE_NUMBER, openCacheScope } from './cache-scope.ts';
import { type Captures, openCaptures } from './captures.ts';
import { type Contents, openContents } from './contents.ts';
import { type KeptResponses, openKeptResponses } from './responses.ts';
import type { Scope } from './scope.ts';
import { openSubscribers, type Subscribers } from './subscribers.ts';
import { openWatchList, type WatchList } from './watch-list.ts';

/** What the stores mean: who the subscribers are, what is held for whom, and what is waited for. */
export interface Catalog {
  readonly records: Records;
  readonly subscribers: Subscribers;
  readonly contents: Contents;
  readonly captures: Captures;
  readonly watchList: WatchList;
  readonly responses: KeptResponses;
  /** Of what is held for no subscriber in particular. */
  readonly cacheScope: Scope;
  scopeOf(number: number): Scope | undefined;
}

export async function openCatalog(
  records: Records,
  store: ByteStore,
  clock: Clock,
  random: Random,
): Promise<Catalog> {
  const subscribers = await openSubscribers(records, clock, random);
  const cacheScope = await openCacheScope(records, random);
  const scopeOf = (number: number): Scope | undefined =>
    number === CACHE_SCOPE_NUMBER ? cacheScope : subscribers.scopeOf(number);
  const contents = await openContents(records, store, scopeOf);
  const watchList = await openWatchList(records, scopeOf);
  const captures = openCaptures(records, contents, watchList);
  const responses = await openKeptResponses(records);
  return { records, subscribers, contents, watchList, captures, responses, cacheScope, scopeOf };
}
