import { expect } from 'chai';
import { ByteWriter } from '../../src/base/binary.ts';
import { WeirError } from '../../src/base/errors.ts';
import { MAX_NAME_BYTES } from '../../src/content/tree.ts';
import { type AnnouncedDirectory, type AnnouncedEntry, announcement } from '../../src/wire/announcement.ts';
import { readCompressed, wireReader, writeCompressed } from '../../src/wire/codec.ts';
import { FRAME_HEADER_BYTES } from '../../src/wire/frame.ts';
import { MAX_BATCH_COLUMN_BYTES, MAX_BATCH_ENTRIES } from '../../src/wire/limits.ts';
import { choice } from '../../src/wire/messages.ts';
import { type Chance, chance } from '../base/seeded.ts';

const attributes = { mode: 0o644, mtimeSeconds: 1_700_000_000, mtimeMicros: 0, uid: 1000, gid: 1000 };

function linkEntry(name: string, mtimeSeconds = attributes.mtimeSeconds): AnnouncedEntry {
  return { kind: 'symlink', name, ...attributes, mtimeSeconds, target: 't' };
}

const SAMPLE: readonly AnnouncedDirectory[] = [
  {
    entries: [
      { kind: 'file', name: 'report-1.txt', ...attributes, sizeBytes: 1234, identifier: 0x0102_0304_0506 },
      {
        kind: 'file',
        name: 'report-2.txt',
        ...attributes,
        mtimeSeconds: 1_699_999_990,
        mtimeMicros: 999_999,
        sizeBytes: 0,
        identifier: 0,
      },
      { kind: 'symlink', name: 'to\xff', ...attributes, mode: 0o777, target: '../\xe9' },
    ],
    isLast: true,
  },
  {
    entries: [{ kind: 'directory', name: 'a', ...attributes, mode: 0o755, known: undefined }],
    isLast: false,
  },
  {
    entries: [
      { kind: 'directory', name: 'b', ...attributes, mode: 0o755, known: 7 },
      { kind: 'directory', name: 'c', ...attributes, mode: 0o755, known: 7 },
      { kind: 'directory', name: 'd', ...attributes, mode: 0o755, known: 0 },
    ],
    isLast: true,
  },
];

/** The columns of the sample, and its identifiers, as the format has them. */
const GOLDEN_COLUMNS =
  '030702071500a403e807e80702ff03e807e80701ed03e807e807070000010202020207000700000000001f7265706f72742d312e74787400322e74787400746fff00610062006300640003d209000b80c49fd50c1314000000000900bf843d0000000000040010020d052e2e2fe900';
const GOLDEN_IDENTIFIERS = '060504030201';
/** The whole payload as one version of brotli made it. Others may pack it otherwise. */
const GOLDEN_PAYLOAD =
  '6f681b6e0000c48073ddba7840ed33285fff3fa6788b37508137f060034e60509d6cc0ddd26dd818db3aba4283e248cec19e7a712f8e1c10f1470e20489224397098dd43e5457e37e9107b77e58014197214a06e02a4e975f5942dbb8980c332a989864e2a8cef076f00060504030201';

const COLUMNS = [
  'shape',
  'classes',
  'class',
  'shared',
  'suffix',
  'size',
  'seconds',
  'micros',
  'known',
  'target',
];

/** A payload by hand, of the columns that are named; the others are empty. */
function payloadOf(columns: Record<string, readonly number[] | Uint8Array>, identifiers = ''): Buffer {
  const joined = new ByteWriter();
  for (const column of COLUMNS) joined.prefixedBytes(Buffer.from(columns[column] ?? []));
  const out = new ByteWriter();
  writeCompressed(out, joined.finish());
  out.bytes(Buffer.from(identifiers, 'hex'));
  return out.finish();
}

/** One link "a" to "b" of mode 0, and what is different about it. */
function link(changes: Record<string, readonly number[] | Uint8Array> = {}, identifiers = ''): Buffer {
  return payloadOf(
    {
      shape: [3],
      classes: [2, 0, 0, 0],
      class: [0],
      shared: [0],
      suffix: [0x61, 0],
      seconds: [0],
      micros: [0],
      target: [0x62, 0],
      ...changes,
    },
    identifiers,
  );
}

function expectMalformed(what: string, payload: Buffer): void {
  expect(() => announcement.decode(payload), what)
    .to.throw(WeirError)
    .with.property('code', 'WEIR_WIRE_MALFORMED');
}

/** Names, sizes and times such as a home directory has: photographs, sources, mail, documents. */
function realisticDirectories({ integer, pick }: Chance, files: number): AnnouncedDirectory[] {
  const words = [
    'report',
    'invoice',
    'draft',
    'index',
    'parser',
    'letter',
    'config',
    'budget',
    'notes',
  ] as const;
  const kinds = [
    (at: number) => `IMG_2024${String(1000 + (at % 1100)).slice(1)}_${100_000 + integer(130_000)}.jpg`,
    () => `${pick(words)}-${pick(words)}-${1 + integer(40)}.${pick(['pdf', 'odt', 'txt', 'ods'])}`,
    () =>
      `${pick(words)}${pick(words)}${pick(['', '.test', '.d'])}${integer(30)}.${pick(['ts', 'js', 'json'])}`,
    (at: number) =>
      `${1_600_000_000 + at * 977}.M${integer(999_999)}P${integer(30_000)}.mail,S=${integer(90_000)}:2,S`,
  ] as const;
  const directories: AnnouncedDirectory[] = [];
  for (let left = files; left > 0; ) {
    const count = Math.min(left, 5 + integer(60));
    const nameOf = kinds[integer(3) + (integer(10) === 0 ? 1 : 0)] ?? kinds[0];
    const names = [...new Set(Array.from({ length: count }, (_, at) => nameOf(at)))].toSorted();
    let seconds = 1_500_000_000 + integer(250_000_000);
    const entries: AnnouncedEntry[] = [];
    for (const name of names) {
      seconds += integer(5000) - 1000;
      entries.push({
        kind: 'file',
        name,
        ...attributes,
        mtimeSeconds: seconds,
        mtimeMicros: integer(1_000_000),
        sizeBytes: Math.floor(Math.exp(4 + integer(1000) / 110)),
        identifier: integer(2 ** 48),
      });
    }
    left -= entries.length;
    directories.push({ entries, isLast: true });
  }
  return directories;
}

describe('announcement', () => {
  it('has the bytes it has always had: they are part of the protocol', () => {
    const from = wireReader(announcement.encode({ directories: SAMPLE }));
    expect(readCompressed(from, MAX_BATCH_COLUMN_BYTES).toString('hex')).to.equal(GOLDEN_COLUMNS);
    expect(from.bytes(from.remaining).toString('hex')).to.equal(GOLDEN_IDENTIFIERS);
    const golden = Buffer.from(GOLDEN_PAYLOAD, 'hex');
    expect(announcement.decode(golden)).to.deep.equal({ directories: SAMPLE });
  });

  it('takes no more than 24 bytes a file, identifier, choice, proof and frames included', () => {
    const directories = realisticDirectories(chance(7), 10_000);
    let sentBytes = 0;
    let files = 0;
    let nameBytes = 0;
    for (let from = 0; from < directories.length; from += 100) {
      const batch = directories.slice(from, from + 100);
      const count = batch.reduce((sum, { entries }) => sum + entries.length, 0);
      sentBytes += FRAME_HEADER_BYTES + announcement.encode({ directories: batch }).length;
      const chosen = Buffer.alloc(count, 1);
      sentBytes +=
        FRAME_HEADER_BYTES + choice.encode({ chosen, proof: Buffer.alloc(32), isThorough: false }).length;
      files += count;
      nameBytes += batch.reduce(
        (sum, { entries }) => sum + entries.reduce((s, { name }) => s + name.length, 0),
        0,
      );
    }
    expect(files).to.be.at.least(10_000);
    expect(nameBytes / files, 'bytes of a name').to.be.greaterThan(12);
    expect(sentBytes / files, 'bytes a file').to.be.lessThan(24);
  });

  it('decodes what the hand writes, and refuses each thing that is wrong with it', () => {
    expect(announcement.decode(link()).directories[0]?.entries).to.deep.equal([
      { kind: 'symlink', name: 'a', mode: 0, mtimeSeconds: 0, mtimeMicros: 0, uid: 0, gid: 0, target: 'b' },
    ]);
    for (const [what, changes] of Object.entries({
      'more entries than columns': { shape: [5] },
      'fewer entries than columns': { shape: [1] },
      'a shape of half a million': { shape: [0x81, 0x80, 0x40] },
      'an unknown class': { class: [1] },
      'no classes': { classes: [] },
      'an unknown kind': { classes: [3, 0, 0, 0] },
      'half a class': { classes: [2, 0, 0] },
      'a mode above 0o7777': { classes: [2, 0x80, 0x20, 0, 0] },
      'a shared prefix of nothing': { shared: [1] },
      'a name that does not end': { suffix: [0x61] },
      'two names': { suffix: [0x61, 0, 0x61, 0] },
      'a name of 256 bytes': { suffix: [...Buffer.alloc(256, 0x61), 0] },
      'no time': { seconds: [] },
      'a million micros': { micros: [0xc0, 0x84, 0x3d] },
      'a size for a link': { size: [1] },
      'a number for a link': { known: [0] },
      'a target that does not end': { target: [0x62] },
      'a target of 4,096 bytes': { target: [...Buffer.alloc(4096, 0x62), 0] },
    })) {
      expectMalformed(what, link(changes));
    }
    expectMalformed('an identifier nobody has', link({}, '000000000000'));
    const number = (known: readonly number[]) => link({ classes: [1, 0, 0, 0], target: [], known });
    expect(announcement.decode(number([2])).directories[0]?.entries[0]).to.include({ known: 0 });
    expectMalformed('a known directory below 0', number([1]));
  });

  it('takes names of 255 bytes that share their beginning, and none longer', () => {
    const name = (last: string) => 'n'.repeat(MAX_NAME_BYTES - 1) + last;
    const entries = ['a', 'b'].map((last) => linkEntry(name(last)));
    const directories = [{ entries, isLast: true }];
    expect(announcement.decode(announcement.encode({ directories }))).to.deep.equal({ directories });
    const two = { shape: [5], class: [0, 0], seconds: [0, 0], micros: [0, 0], target: [0x62, 0, 0x62, 0] };
    const suffix = [...Buffer.alloc(200, 0x61), 0, ...Buffer.alloc(100, 0x61), 0];
    expectMalformed('a shared prefix and a suffix of 300 bytes', link({ ...two, shared: [0, 200], suffix }));
  });

  it('takes as many entries as are allowed, counted over all directories', () => {
    const file = (at: number): AnnouncedEntry => ({
      kind: 'file',
      name: `f${at}`,
      ...attributes,
      sizeBytes: 1,
      identifier: at,
    });
    const directories = (count: number, each: number) =>
      Array.from({ length: count }, () => ({
        entries: Array.from({ length: each }, (_, at) => file(at)),
        isLast: true,
      }));
    const full = announcement.encode({ directories: directories(1, MAX_BATCH_ENTRIES) });
    expect(announcement.decode(full).directories[0]?.entries).to.have.length(MAX_BATCH_ENTRIES);
    expectMalformed(
      'one more in one',
      announcement.encode({ directories: directories(1, MAX_BATCH_ENTRIES + 1) }),
    );
    expectMalformed('more in two', announcement.encode({ directories: directories(3, MAX_BATCH_ENTRIES) }));
    expectMalformed('too many empty ones', announcement.encode({ directories: directories(20_000, 0) }));
  });

  it('does not let a few bytes become millions of classes', () => {
    const classes = Buffer.alloc(MAX_BATCH_COLUMN_BYTES - 100);
    const payload = link({ classes });
    expect(payload.length).to.be.lessThan(1000);
    const before = process.memoryUsage().heapUsed;
    expectMalformed('two million classes', payload);
    expect(process.memoryUsage().heapUsed - before).to.be.lessThan(24 * 1024 * 1024);
  });

  it('keeps far times and refuses those no number holds', () => {
    const times = [0, -(2 ** 40), 2 ** 40, -1, 253_402_300_800];
    const entries = times.map((mtimeSeconds, at) => linkEntry(`${at}`, mtimeSeconds));
    const directories = [{ entries, isLast: true }];
    expect(announcement.decode(announcement.encode({ directories }))).to.deep.equal({ directories });
    const far = Buffer.from('feffffffffffff0f'.repeat(4), 'hex');
    const three = {
      shape: [9],
      class: [0, 0, 0, 0],
      shared: [0, 0, 0, 0],
      suffix: Buffer.from('a\0b\0c\0d\0'),
      micros: [0, 0, 0, 0],
      target: Buffer.from('t\0t\0t\0t\0'),
    };
    expectMalformed('a time beyond 2^53', link({ ...three, seconds: far }));
  });
});
