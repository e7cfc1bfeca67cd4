import { systemCode, WeirError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';

/**
 * Whether the store may still write. A full disk passes; any other failed write or sync is final
 * until the next start, because what the kernel did with the bytes is then unknown and a second
 * sync that succeeds would prove nothing.
 */
export interface WriteHealth {
  /** Throws WEIR_STORE_FAILED once a write has failed. */
  check(): void;
  /** The error to reject a put with; anything but a full disk ends all writing. */
  failed(error: unknown): WeirError;
  /** Runs a sync: whatever makes it fail ends all writing, a full disk too. */
  sync(work: () => Promise<void>): Promise<void>;
}

const FULL_CODES = new Set(['ENOSPC', 'EDQUOT']);

export function createWriteHealth(log: Log): WriteHealth {
  let failure: WeirError | undefined;

  function stop(cause: unknown): WeirError {
    if (failure === undefined) {
      log.error('store.bytes.failed', { error: String(cause) });
      failure = new WeirError('WEIR_STORE_FAILED', 'a write to the byte store failed', { cause });
    }
    return failure;
  }

  return {
    check() {
      if (failure !== undefined) throw failure;
    },
    failed(error) {
      if (error instanceof WeirError) return error.code === 'WEIR_STORE_FULL' ? error : stop(error);
      if (!FULL_CODES.has(systemCode(error) ?? '')) return stop(error);
      return new WeirError('WEIR_STORE_FULL', 'the disk of the byte store is full', { cause: error });
    },
    async sync(work) {
      try {
        await work();
      } catch (error) {
        throw stop(error);
      }
    },
  };
}
