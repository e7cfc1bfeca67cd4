import { WeirError } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';

/** Refuses what would leave less than the reserve free on the disk. */
export interface SpaceReserve {
  /** Rejects with WEIR_STORE_FULL when `sizeBytes` more may not be written. */
  admit(sizeBytes: number): Promise<void>;
}

const GIB = 1024 ** 3;
const LEAST_BYTES = 2 * GIB;
const SHARE = 0.05;
/** A twentieth of a large array is more than journal, sweep and deletion ever need. */
const MOST_BYTES = 64 * GIB;

/** `reserveBytes`: what to keep free; by default 5 % of the disk, but 2 GiB at least and 64 at most. */
export function createSpaceReserve(files: Files, directory: string, reserveBytes?: number): SpaceReserve {
  return {
    async admit(sizeBytes) {
      const { freeBytes, totalBytes } = await files.space(directory);
      const kept = reserveBytes ?? Math.min(Math.max(LEAST_BYTES, totalBytes * SHARE), MOST_BYTES);
      if (freeBytes - sizeBytes >= kept) return;
      throw new WeirError(
        'WEIR_STORE_FULL',
        `${directory} has ${freeBytes} bytes free, of which ${kept} are kept`,
        {
          facts: { directory, freeBytes, reserveBytes: kept, wantedBytes: sizeBytes },
        },
      );
    },
  };
}
