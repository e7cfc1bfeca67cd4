import { expect } from 'chai';
import { createScope } from '../../src/catalog/scope.ts';
import { findSnapshot, listSnapshots, recordSnapshot } from '../../src/catalog/snapshots.ts';
import { openMemoryRecords } from '../../src/store/memory/records.ts';
import type { Records } from '../../src/store/records.ts';
import { MAX_LISTED_SNAPSHOTS } from '../../src/wire/limits.ts';
import type { Snapshot } from '../../src/wire/snapshots.ts';
import { codeOf, EMBEDDED, MEMORY } from './opened-catalog.ts';

const [one, two] = [createScope(1, Buffer.alloc(32, 1)), createScope(2, Buffer.alloc(32, 2))];

function snapshot(id: string, timeMs: number): Snapshot {
  return {
    id: Buffer.from(id.padEnd(32, '0'), 'hex'),
    deviceName: 'pc',
    timeMs,
    paths: ['/home/\xff'],
    tags: ['täglich'],
    rootAttributesId: Buffer.alloc(32, 3),
    bytes: {
      files: 1,
      totalBytes: 2,
      unchangedBytes: 3,
      knownBytes: 4,
      passedBytes: 5,
      portionBytes: 6,
      uploadedBytes: 7,
    },
  };
}

const hex = ({ id }: Snapshot) => Buffer.from(id).toString('hex').replace(/0+$/, '');

for (const drivers of [MEMORY, EMBEDDED]) {
  describe(`snapshots over ${drivers.name} records`, () => {
    let opened: Awaited<ReturnType<typeof drivers.open>>;
    let records: Records;

    beforeEach(async () => {
      opened = await drivers.open();
      ({ records } = opened.stores);
      await records.write([
        recordSnapshot(one, snapshot('ab12', 3000)),
        recordSnapshot(one, snapshot('ab34', 1000)),
        recordSnapshot(one, snapshot('cd', 2000)),
        recordSnapshot(two, snapshot('ab12', 9000)),
        recordSnapshot(createScope(0x0100, Buffer.alloc(32)), snapshot('ee', 1)),
      ]);
    });
    afterEach(() => opened.remove());

    it('are listed newest first, each scope its own, as they were recorded', async () => {
      ({ records } = await opened.reopen());
      const list = await listSnapshots(records, one);
      expect(list.map(hex)).to.deep.equal(['ab12', 'cd', 'ab34']);
      expect(list[0]).to.deep.equal(snapshot('ab12', 3000));
      expect((await listSnapshots(records, two)).map(({ timeMs }) => timeMs)).to.deep.equal([9000]);
      expect(await listSnapshots(records, createScope(3, Buffer.alloc(32)))).to.deep.equal([]);
    });

    it('are found by the beginning of their id, or as the latest', async () => {
      expect(hex(await findSnapshot(records, one, 'latest'))).to.equal('ab12');
      for (const name of ['c', 'cd', 'cd'.padEnd(32, '0')])
        expect(hex(await findSnapshot(records, one, name))).to.equal('cd');
      expect(hex(await findSnapshot(records, one, 'ab3'))).to.equal('ab34');
      for (const name of ['ab', 'a', '', 'ee', 'x', 'Latest', 'cd'.padEnd(33, '0'), '.*'])
        expect(await codeOf(findSnapshot(records, one, name)), name).to.equal('WEIR_SNAPSHOT_UNKNOWN');
      const nobody = createScope(3, Buffer.alloc(32));
      expect(await codeOf(findSnapshot(records, nobody, 'latest'))).to.equal('WEIR_SNAPSHOT_UNKNOWN');
    });
  });
}

describe('snapshots', () => {
  it('of one time are all kept', async () => {
    const records = openMemoryRecords();
    await records.write(['01', '02', '03'].map((id) => recordSnapshot(one, snapshot(id, 5))));
    expect((await listSnapshots(records, one)).map(hex)).to.deep.equal(['03', '02', '01']);
  });

  it('are listed up to a bound: the newest', async () => {
    const records = openMemoryRecords();
    const count = MAX_LISTED_SNAPSHOTS + 5;
    await records.write(
      Array.from({ length: count }, (_, at) =>
        recordSnapshot(one, snapshot(at.toString(16).padStart(8, '1'), at)),
      ),
    );
    const list = await listSnapshots(records, one);
    expect(list).to.have.length(MAX_LISTED_SNAPSHOTS);
    expect([list[0]?.timeMs, list.at(-1)?.timeMs]).to.deep.equal([count - 1, 5]);
  });
});
