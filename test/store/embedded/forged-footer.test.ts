import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { systemFiles } from '../../../src/base/files.ts';
import { openEmbeddedByteStore } from '../../../src/store/embedded/byte-store.ts';
import {
  encodeFooterEntry,
  encodeTrailer,
  FOOTER_ENTRY_BYTES,
  HEADER_BYTES,
  RECORD_HEADER_BYTES,
} from '../../../src/store/embedded/segment-format.ts';

const KEY = Buffer.alloc(32, 'genuine');
const FORGED_KEY = Buffer.alloc(32, 'forged');

describe('a payload at the end of an open segment', () => {
  it('does not pass for the footer of the segment, whose salt its maker cannot know', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'weir-forged-'));
    const open = () => openEmbeddedByteStore({ directory, files: systemFiles, reserveBytes: 0 });
    const payload = forgedFooter(HEADER_BYTES + RECORD_HEADER_BYTES);
    let store = await open();
    await store.put([{ key: KEY, bytes: payload }], 'kept');
    await store.close();
    store = await open();
    expect(await store.has([KEY, FORGED_KEY])).to.deep.equal([true, false]);
    const [found] = await store.get([KEY]);
    expect(found !== undefined && payload.equals(found)).to.equal(true);
    await store.close();
    await rm(directory, { recursive: true });
  });
});

/** A whole footer that says it starts at `offset` and that the only record has another key. */
function forgedFooter(offset: number): Buffer {
  const footer = Buffer.alloc(FOOTER_ENTRY_BYTES);
  encodeFooterEntry(footer, 0, {
    key: FORGED_KEY,
    offset: HEADER_BYTES,
    codec: 'raw',
    sizeBytes: 0,
    storedBytes: 0,
  });
  return Buffer.concat([footer, encodeTrailer({ number: 1, retention: 'kept', salt: 5n }, offset, footer)]);
}
