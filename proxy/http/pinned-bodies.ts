import type { ServerResponse } from 'node:http';

/**
 * Bodies in memory while clients are being sent them: a client that does not read keeps its body
 * there although the cache has let it go. Each body counts once, however many clients it has.
 */
export interface PinnedBodies {
  /** Whether `res` may be sent the bytes from memory. If so they count until it is closed. */
  pin(bytes: Buffer, res: ServerResponse): boolean;
  /** Whether a body of this size could be pinned now. */
  hasRoom(sizeBytes: number): boolean;
}

export const MAX_PINNED_BYTES = 128 * 1024 * 1024;
/** Smaller ones are bounded by the number of connections. */
const UNCOUNTED_BYTES = 64 * 1024;

export function createPinnedBodies(): PinnedBodies {
  const clients = new Map<Buffer, number>();
  let pinnedBytes = 0;

  function hasRoom(sizeBytes: number): boolean {
    return sizeBytes <= UNCOUNTED_BYTES || pinnedBytes + sizeBytes <= MAX_PINNED_BYTES;
  }

  function release(bytes: Buffer): void {
    const count = (clients.get(bytes) ?? 1) - 1;
    if (count > 0) clients.set(bytes, count);
    else {
      clients.delete(bytes);
      pinnedBytes -= bytes.length;
    }
  }

  return {
    hasRoom,
    pin(bytes, res) {
      if (bytes.length <= UNCOUNTED_BYTES) return true;
      const count = clients.get(bytes) ?? 0;
      if (res.destroyed || (count === 0 && !hasRoom(bytes.length))) return false;
      if (count === 0) pinnedBytes += bytes.length;
      clients.set(bytes, count + 1);
      res.once('close', () => release(bytes));
      return true;
    },
  };
}
