import { ByteReader, ByteWriter } from '../base/binary.ts';
import { WeirError } from '../base/errors.ts';
import type { Identifier } from '../content/identifier.ts';
import { type Collection, deleteRecord, type Operation, putRecord, type Records } from '../store/records.ts';
import { type Scope, scopePrefix } from './scope.ts';
import { versioned } from './versioned.ts';

/**
 * What is wanted and not held: files the taps shall catch when they pass. An entry ends in the
 * same group of records that makes the file held, so it is never both waiting and there.
 */
export interface WatchList {
  /** What to write so that the file is waited for. Call `entered` once it is durable. */
  enter(scope: Scope, wanted: WatchEntry): Operation;
  entered(scope: Scope, wanted: WatchEntry): void;
  /** Whether a file with this identifier is waited for. From memory, without waiting. */
  isWanted(scope: Scope, identifier: Identifier, sizeBytes: number): boolean;
  /** What to write when the file has been caught; nothing when nobody waits. Call `ended` once it is durable. */
  end(scope: Scope, identifier: Identifier, sizeBytes: number): readonly Operation[];
  ended(scope: Scope, identifier: Identifier, sizeBytes: number): void;
  /** The scope's entries, in no order. */
  list(scope: Scope): AsyncIterable<WatchEntry>;
  readonly entries: number;
}

export interface WatchEntry {
  readonly identifier: Identifier;
  readonly sizeBytes: number;
  readonly deadlineMs: number;
  /** Higher goes first. */
  readonly priority: number;
}

interface WatchRecord extends WatchEntry {
  readonly scope: number;
}

/** Keyed by scope and candidate key. */
const watchRecords: Collection<WatchRecord> = {
  ...versioned('watch', encodeWatch, decodeWatch),
  indexes: [],
};

function encodeWatch(value: WatchRecord): Buffer {
  const out = new ByteWriter(32);
  out.varint(value.scope);
  out.u48(value.identifier);
  out.varint(value.sizeBytes);
  out.varint(value.deadlineMs);
  out.varint(value.priority);
  return out.finish();
}

function decodeWatch(bytes: Buffer): WatchRecord {
  const from = new ByteReader(bytes, (reason) => {
    throw new WeirError('WEIR_STORE_CORRUPT', `a watch record cannot be read: ${reason}`);
  });
  const record = {
    scope: from.varint(),
    identifier: from.u48(),
    sizeBytes: from.varint(),
    deadlineMs: from.varint(),
    priority: from.varint(),
  };
  from.end();
  return record;
}

export async function openWatchList(
  records: Records,
  scopeOf: (number: number) => Scope | undefined,
): Promise<WatchList> {
  const wanted = new Set<bigint>();
  for await (const { value } of records.range(watchRecords)) {
    const scope = scopeOf(value.scope);
    if (scope !== undefined) wanted.add(fileKey(scope, value.identifier, value.sizeBytes));
  }
  return {
    enter: (scope, entry) =>
      putRecord(watchRecords, recordKey(scope, entry.identifier, entry.sizeBytes), {
        ...entry,
        scope: scope.number,
      }),
    entered(scope, { identifier, sizeBytes }) {
      wanted.add(fileKey(scope, identifier, sizeBytes));
    },
    isWanted: (scope, identifier, sizeBytes) => wanted.has(fileKey(scope, identifier, sizeBytes)),
    end(scope, identifier, sizeBytes) {
      if (!wanted.has(fileKey(scope, identifier, sizeBytes))) return [];
      return [deleteRecord(watchRecords, recordKey(scope, identifier, sizeBytes))];
    },
    ended(scope, identifier, sizeBytes) {
      wanted.delete(fileKey(scope, identifier, sizeBytes));
    },
    async *list(scope) {
      for await (const { value } of records.range(watchRecords, {
        from: scopePrefix(scope.number),
        to: scopePrefix(scope.number + 1),
      })) {
        yield value;
      }
    },
    get entries() {
      return wanted.size;
    },
  };
}

function fileKey(scope: Scope, identifier: Identifier, sizeBytes: number): bigint {
  return scope.candidateKey('file', identifier, sizeBytes);
}

function recordKey(scope: Scope, identifier: Identifier, sizeBytes: number): Buffer {
  const key = Buffer.alloc(12);
  key.writeUInt32BE(scope.number, 0);
  key.writeBigUInt64BE(fileKey(scope, identifier, sizeBytes), 4);
  return key;
}
