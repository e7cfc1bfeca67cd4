import { assert } from '../../base/assert.ts';
import type { OpenFile } from '../../base/files.ts';
import type { Log } from '../../base/log.ts';
import type { Segment } from './segment.ts';
import {
  type Decoded,
  decodeFooter,
  decodeFooterEntry,
  decodeTrailer,
  FOOTER_ENTRY_BYTES,
  type FooterEntry,
  HEADER_BYTES,
  type SegmentIdentity,
  TRAILER_BYTES,
} from './segment-format.ts';
import type { SegmentReader } from './segment-reader.ts';
import { type ScanResult, scanSegment } from './segment-scan.ts';

/**
 * All records that a segment has, those included that are in the index no more. The keys may be
 * views that are good until the next append to the segment.
 */
export async function allEntries(
  { reader, log }: { readonly reader: SegmentReader; readonly log: Log },
  segment: Segment,
): Promise<readonly FooterEntry[]> {
  if (segment.footer !== undefined) return entriesIn(segment.footer.bytes());
  return reader.use(segment, async (file) => {
    const sealed = await readSealed(file);
    if (sealed.ok) return sealed.value.entries;
    log.error('store.bytes.footer.damaged', { path: segment.path, reason: sealed.fault });
    return (await scanEntries(file, segment.identity)).entries;
  });
}

function entriesIn(footer: Buffer): FooterEntry[] {
  const entries: FooterEntry[] = [];
  for (let at = 0; at < footer.length; at += FOOTER_ENTRY_BYTES) {
    const entry = decodeFooterEntry(footer, at);
    assert(entry !== undefined, 'a footer in memory is well-formed');
    entries.push(entry);
  }
  return entries;
}

export interface Sealed {
  readonly identity: SegmentIdentity;
  readonly entries: readonly FooterEntry[];
  readonly endBytes: number;
}

/** The footer of a sealed segment; a fault when there is none, or none that is whole. */
export async function readSealed(file: OpenFile): Promise<Decoded<Sealed>> {
  const fileBytes = await file.sizeBytes();
  const trailerBytes = Buffer.alloc(TRAILER_BYTES);
  if (fileBytes < HEADER_BYTES + TRAILER_BYTES) return { ok: false, fault: 'short' };
  await file.read(trailerBytes, fileBytes - TRAILER_BYTES);
  const trailer = decodeTrailer(trailerBytes, fileBytes);
  if (!trailer.ok) return trailer;
  const { footerOffset, identity } = trailer.value;
  const footerBytes = Buffer.allocUnsafe(fileBytes - footerOffset);
  const footer = decodeFooter(
    footerBytes.subarray(0, await file.read(footerBytes, footerOffset)),
    trailer.value,
  );
  if (!footer.ok) return footer;
  return { ok: true, value: { identity, entries: footer.value, endBytes: footerOffset } };
}

/** The records of a segment found without its footer. */
export async function scanEntries(
  file: OpenFile,
  identity: SegmentIdentity,
): Promise<ScanResult & { readonly entries: readonly FooterEntry[] }> {
  const entries: FooterEntry[] = [];
  const result = await scanSegment(file, identity.salt, (offset, { key, codec, sizeBytes, storedBytes }) => {
    entries.push({ key: Buffer.from(key), offset, codec, sizeBytes, storedBytes });
  });
  return { ...result, entries };
}
