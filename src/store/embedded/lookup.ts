import { assert } from '../../base/assert.ts';
import { WeirError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Location, PortionIndex } from './portion-index.ts';
import type { Segments } from './segment.ts';
import { decodeRecord, RECORD_HEADER_BYTES, recordKey, type StoredRecord } from './segment-format.ts';
import type { Extent, SegmentReader } from './segment-reader.ts';

/** From keys to records: index, disk, and the proof that the disk gave back what was written. */
export interface Lookup {
  has(keys: readonly Uint8Array[]): Promise<boolean[]>;
  /**
   * What `take` makes of each record, undefined where there is none. Rejects with
   * WEIR_STORE_CORRUPT when a key has records and all are corrupt; corrupt ones leave the index.
   */
  read<T>(keys: readonly Uint8Array[], take: Take<T>): Promise<(T | undefined)[]>;
  /** Whether each key has a good record in another segment than this. Reads the whole records. */
  isElsewhere(keys: readonly Uint8Array[], slot: number): Promise<boolean[]>;
  /** Takes a record out of the index so that a later put replaces it, and says so in the log. */
  quarantine(key: Uint8Array, place: Place, reason: string): void;
}

type Place = Pick<Location, 'segment' | 'offset'>;

/** Undefined says that the record is corrupt. To keep the payload it must be copied if `isShared`. */
export type Take<T> = (record: StoredRecord, isShared: boolean) => T | undefined;

/** Records this near to each other are fetched by one read: 16 KiB cost less than a system call. */
const MAX_GAP_BYTES = 16 * 1024;

interface Candidate extends Extent {
  readonly key: Uint8Array;
  /** Which of the keys asked for. */
  readonly at: number;
}

export function createLookup(
  index: PortionIndex,
  segments: Segments,
  reader: SegmentReader,
  log: Log,
): Lookup {
  async function has(keys: readonly Uint8Array[]): Promise<boolean[]> {
    const found = new Array<boolean>(keys.length).fill(false);
    const locations = keys.map((key) => index.candidates(key));
    for (let nth = 0; ; nth++) {
      const round = candidatesOf(keys, locations, nth, (at) => found[at] === true, RECORD_HEADER_BYTES);
      if (round.length === 0) return found;
      await reader.read(round, MAX_GAP_BYTES, ({ key, at }, bytes) => {
        if (bytes?.length === RECORD_HEADER_BYTES && recordKey(bytes).equals(key)) found[at] = true;
      });
    }
  }

  async function read<T>(keys: readonly Uint8Array[], take: Take<T>): Promise<(T | undefined)[]> {
    const { found, corrupt } = await readAt(keys, keys.map(index.candidates), take);
    const lost = [...corrupt].filter((at) => found[at] === undefined);
    if (lost.length === 0) return found;
    throw corrupted(lost.map((at) => keyText(keys[at])));
  }

  async function isElsewhere(keys: readonly Uint8Array[], slot: number): Promise<boolean[]> {
    const locations = keys.map((key) => index.candidates(key).filter(({ segment }) => segment !== slot));
    return (await readAt(keys, locations, () => true)).found.map((isFound) => isFound === true);
  }

  async function readAt<T>(
    keys: readonly Uint8Array[],
    locations: readonly (readonly Location[])[],
    take: Take<T>,
  ): Promise<{ found: (T | undefined)[]; corrupt: ReadonlySet<number> }> {
    const found = new Array<T | undefined>(keys.length).fill(undefined);
    const corrupt = new Set<number>();
    for (let nth = 0; ; nth++) {
      const round = candidatesOf(keys, locations, nth, (at) => found[at] !== undefined);
      if (round.length === 0) return { found, corrupt };
      await reader.read(round, MAX_GAP_BYTES, (candidate, bytes, isShared) => {
        const taken = takeRecord(candidate, bytes, isShared, take);
        if (taken === 'corrupt') corrupt.add(candidate.at);
        else if (taken !== undefined) found[candidate.at] = taken.value;
      });
    }
  }

  function takeRecord<T>(
    candidate: Candidate,
    bytes: Buffer | undefined,
    isShared: boolean,
    take: Take<T>,
  ): { readonly value: T } | 'corrupt' | undefined {
    const segment = segments.get(candidate.segment);
    assert(segment !== undefined, 'the index names known segments only');
    const decoded = bytes === undefined ? undefined : decodeRecord(bytes, 0, segment.identity.salt);
    if (decoded?.ok !== true) {
      quarantine(candidate.key, candidate, decoded?.fault ?? 'unreadable');
      return 'corrupt';
    }
    if (Buffer.compare(decoded.value.key, candidate.key) !== 0) return undefined;
    const value = take(decoded.value, isShared);
    if (value !== undefined) return { value };
    quarantine(candidate.key, candidate, 'frame');
    return 'corrupt';
  }

  function quarantine(key: Uint8Array, { segment, offset }: Place, reason: string) {
    if (!index.remove(key, segment, offset)) return;
    const path = segments.get(segment)?.path;
    log.error('store.bytes.record.corrupt', { key: keyText(key), path, offset, reason });
  }

  return { has, read, isElsewhere, quarantine };
}

/**
 * The `nth` place to look for each key not found so far. A second place is rare: two keys share a
 * fragment, or a key was put again after it was corrupt.
 */
function candidatesOf(
  keys: readonly Uint8Array[],
  locations: readonly (readonly Location[])[],
  nth: number,
  isFound: (at: number) => boolean,
  lengthBytes?: number,
): Candidate[] {
  const round: Candidate[] = [];
  for (const [at, key] of keys.entries()) {
    const location = locations[at]?.[nth];
    if (location === undefined || isFound(at)) continue;
    const { segment, offset, lengthBoundBytes } = location;
    round.push({ segment, offset, lengthBytes: lengthBytes ?? lengthBoundBytes, key, at });
  }
  return round;
}

function corrupted(lost: readonly string[]): WeirError {
  const message = `the bytes under ${lost[0]} are not those that were written`;
  return new WeirError('WEIR_STORE_CORRUPT', message, { facts: { keys: lost } });
}

function keyText(key: Uint8Array | undefined): string {
  return key === undefined ? '' : Buffer.from(key).toString('hex');
}
