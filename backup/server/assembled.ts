import { WeirError } from '../../src/base/errors.ts';
import { contentIdHasher } from '../../src/content/content-id.ts';
import { fingerprintHasher } from '../../src/content/fingerprint.ts';
import { identifierOfFile } from '../../src/content/identifier.ts';
import type { PortionList } from '../../src/content/portion-list.ts';
import type { BackupContext } from './context.ts';
import { readPlain } from './read-objects.ts';

/**
 * Holds files that were put together from portions, matched or uploaded. Their ids are computed
 * here from the bytes in the store: nobody's word is taken for them. Returns them in order.
 */
export async function holdAssembled(
  context: BackupContext,
  lists: readonly PortionList[],
): Promise<Buffer[]> {
  const { contents, scope } = context;
  const measured: { contentId: Buffer; fingerprint: bigint }[] = [];
  let id = contentIdHasher();
  let print = fingerprintHasher();
  for await (const group of readPlain(contents, scope, lists)) {
    for (const { place, bytes } of group) {
      if (bytes === undefined) {
        throw new WeirError('WEIR_CONTENT_MISSING', 'a portion is gone that was held a moment ago');
      }
      if (bytes.length !== lists[place.item]?.lengthBytes(place.portion))
        throw new WeirError('WEIR_MANIFEST_FALSE', 'a portion has another length than was announced');
      id.update(bytes);
      print.update(bytes);
      if (!place.isLast) continue;
      measured[place.item] = { contentId: id.digest(), fingerprint: print.digest() };
      id = contentIdHasher();
      print = fingerprintHasher();
    }
  }
  const held = lists.map((portions, index) => {
    const { contentId, fingerprint } = measured[index] ?? emptyFile();
    const identifier = identifierOfFile(fingerprint);
    return {
      level: 'file' as const,
      contentId,
      sizeBytes: portions.sizeBytes,
      identifier,
      isProved: true,
      portions,
    };
  });
  await contents.hold(scope, held);
  return held.map(({ contentId }) => contentId);
}

function emptyFile(): { contentId: Buffer; fingerprint: bigint } {
  return { contentId: contentIdHasher().digest(), fingerprint: fingerprintHasher().digest() };
}
