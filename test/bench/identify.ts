import { strict as assert } from 'node:assert';
import { createCipheriv, createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Batch } from '../../backup/server/batch.ts';
import { type BackupContext, newTally } from '../../backup/server/context.ts';
import { createOffer } from '../../backup/server/offer.ts';
import { type Contents, openContents } from '../../src/catalog/contents.ts';
import { objects } from '../../src/catalog/objects.ts';
import { createScope, type Scope } from '../../src/catalog/scope.ts';
import { CONTENT_ID_BYTES } from '../../src/content/content-id.ts';
import { createCandidateDigest, DIGEST_BYTES, SALT_BYTES } from '../../src/content/identifier.ts';
import { portionList } from '../../src/content/portion-list.ts';
import { NONCE_BYTES } from '../../src/content/proof.ts';
import { openMemoryByteStore } from '../../src/store/memory/byte-store.ts';
import { openMemoryRecords } from '../../src/store/memory/records.ts';
import type { Collection } from '../../src/store/records.ts';
import { type AnnouncedDirectory, type AnnouncedEntry, announcement } from '../../src/wire/announcement.ts';
import { candidates } from '../../src/wire/messages.ts';
import { cpuMs } from './cpu-time.ts';
import { alignedTable, comparisonTable, type TableRow } from './table.ts';
import { seededRandom } from './trees.ts';

const SEED = 20_261_120;
const HOLDINGS = 1_000_000;
const DIRECTORIES = 400;
const FILES_PER_DIRECTORY = 19;
const BATCHES = 12;
const ROUNDS = 5;
const FILES_PER_BATCH = DIRECTORIES * FILES_PER_DIRECTORY;
const MUST_PER_SECOND = 200_000;
const STAGES = ['decode', 'find and digest', 'encode', 'all'] as const;
const WORDS = ['index', 'invoice', 'IMG', 'main', 'notes', 'report', 'scan', 'session', 'table', 'view'];
const ENDINGS = ['jpg', 'js', 'json', 'md', 'pdf', 'ts'];

/**
 * What a backup server does for a batch of announced files, without the network: decodes the
 * announcement, finds candidates for every identifier, encodes them. A million files are held in the
 * scope that asks, and as many in a stranger's.
 */
export async function runIdentify(): Promise<void> {
  console.log(`seed ${SEED}; ${HOLDINGS} files held in each of two scopes`);
  const own = population(1);
  const strange = population(2);
  const unknown = population(3);
  const rssBefore = residentBytes();
  const contents = await openHeld([own, strange]);
  console.log(memoryTable(contents, residentBytes() - rssBefore));

  const context = sessionOf(contents, own.scope);
  const cases = [
    { name: 'held', asked: batchesOf(own), isHeld: true },
    { name: 'held by a stranger', asked: batchesOf(strange), isHeld: false },
    { name: 'held by nobody', asked: batchesOf(unknown), isHeld: false },
  ];
  const rows = cases.map(({ name }): TableRow & { samples: Record<string, number[]> } => ({
    name,
    samples: Object.fromEntries(STAGES.map((stage) => [stage, []])),
  }));
  // The first round warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [index, { asked, isHeld }] of cases.entries()) {
      const rates = identify(context, asked, isHeld);
      if (round === 0) continue;
      for (const [at, stage] of STAGES.entries()) rows[index]?.samples[stage]?.push(rates[at] ?? 0);
    }
  }
  console.log(`thousand identifiers per CPU second; the must is ${MUST_PER_SECOND / 1000} in all`);
  console.log(comparisonTable(STAGES, rows));
}

interface Population {
  readonly scope: Scope;
  /** Content ids of HOLDINGS files. */
  readonly ids: Buffer;
}

function population(number: number): Population {
  const key = createHash('sha256').update(`${SEED} ${number}`).digest();
  const ids = createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(
    Buffer.alloc(HOLDINGS * CONTENT_ID_BYTES),
  );
  return { scope: createScope(number, key), ids };
}

/** Opens contents the way a restart does, from records that are made as they are read. */
function openHeld(populations: readonly Population[]): Promise<Contents> {
  const portions = portionList(Buffer.alloc(0));
  async function* range<V>(collection: Collection<V>) {
    if (collection.name !== objects.name) return;
    for (const { scope, ids } of populations) {
      for (let index = 0; index < HOLDINGS; index++) {
        const file = fileOf(ids, index);
        const held = {
          scope: scope.number,
          level: 'file' as const,
          ...file,
          isProved: false,
          portions,
          pages: 0,
        };
        yield { key: file.contentId, value: collection.decode(objects.encode(held)) };
      }
    }
  }
  const scopeOf = (number: number) => populations.find(({ scope }) => scope.number === number)?.scope;
  return openContents({ ...openMemoryRecords(), range }, openMemoryByteStore(), scopeOf);
}

function fileOf(ids: Buffer, index: number) {
  const at = index * CONTENT_ID_BYTES;
  const contentId = ids.subarray(at, at + CONTENT_ID_BYTES);
  // Any 48 bits of a made-up id serve as its fingerprint.
  return {
    contentId,
    identifier: contentId.readUIntLE(8, 6),
    sizeBytes: 1 + (contentId.readUInt32LE(16) >>> 8),
  };
}

function sessionOf(contents: Contents, scope: Scope): BackupContext {
  const digestOf = createCandidateDigest(Buffer.alloc(SALT_BYTES, 1));
  return { contents, scope, nonce: Buffer.alloc(NONCE_BYTES), digestOf, tally: newTally() };
}

/** Announcements of files chosen by chance, as full as an agent makes them. */
function batchesOf({ ids }: Population): Buffer[] {
  const random = seededRandom(SEED);
  const below = (limit: number) => Math.floor(random() * limit);
  const named = (): AnnouncedEntry => {
    const { identifier, sizeBytes } = fileOf(ids, below(HOLDINGS));
    const name = `${WORDS[below(WORDS.length)]}-${WORDS[below(WORDS.length)]}${below(100)}.${ENDINGS[below(ENDINGS.length)]}`;
    const times = { mtimeSeconds: 1_700_000_000 + below(50_000_000), mtimeMicros: below(1_000_000) };
    return { kind: 'file', name, mode: 0o644, uid: 1000, gid: 1000, ...times, sizeBytes, identifier };
  };
  const directory = (): AnnouncedDirectory => ({
    entries: Array.from({ length: FILES_PER_DIRECTORY }, named).sort((a, b) => (a.name < b.name ? -1 : 1)),
    isLast: true,
  });
  return Array.from({ length: BATCHES }, () =>
    announcement.encode({ directories: Array.from({ length: DIRECTORIES }, directory) }),
  );
}

/** Thousand identifiers per CPU second in each of STAGES. */
function identify(context: BackupContext, asked: readonly Buffer[], isHeld: boolean): number[] {
  const spentMs = [0, 0, 0];
  for (const payload of asked) {
    const startMs = cpuMs();
    const batch = new Batch(context, announcement.decode(payload).directories);
    const decodedMs = cpuMs();
    const offer = createOffer(context, 'file', batch.askedFiles);
    const foundMs = cpuMs();
    const answer = candidates.encode(offer.candidates);
    const endMs = cpuMs();
    [decodedMs - startMs, foundMs - decodedMs, endMs - foundMs].forEach((ms, stage) => {
      spentMs[stage] = (spentMs[stage] ?? 0) + ms;
    });
    assert(answer.length > FILES_PER_BATCH * (isHeld ? DIGEST_BYTES : 0));
    assert(offer.candidates.every((found) => found.length > 0 === isHeld));
  }
  const total = spentMs.reduce((sum, ms) => sum + ms, 0);
  return [...spentMs, total].map((ms) => (asked.length * FILES_PER_BATCH) / ms);
}

function memoryTable(contents: Contents, residentBytes: number): string {
  const row = (name: string, bytes: number) => [
    name,
    (bytes / 1e6).toFixed(0),
    (bytes / contents.entries).toFixed(1),
  ];
  return alignedTable(
    [`${contents.entries} entries`, 'MB', 'bytes an entry'],
    [row('candidate table', contents.memoryBytes), row('growth of the process', residentBytes)],
  );
}

/** What is resident once garbage is collected. */
function residentBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().rss;
}
