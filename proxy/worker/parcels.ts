import { once } from 'node:events';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from '../../src/base/assert.ts';
import { WeirError } from '../../src/base/errors.ts';
import { MAX_PUT_BYTES } from '../../src/store/byte-store.ts';
import { createSlabs } from '../record/slabs.ts';

/**
 * Bytes on their way from a worker to the owner, beside the link. The channel of Node.js between
 * processes takes 59 µs of CPU for 64 KiB, and new memory on the way; a Unix socket that is read
 * into memory which is used again takes 39, and leaves nothing to collect.
 *
 * A parcel is its length and its bytes. Both sides count them from 0.
 */
export interface ParcelSender {
  /** Where the owner finds the worker. Only its own user can get there. */
  readonly path: string;
  /** Resolves when the owner has come. */
  readonly connected: Promise<void>;
  /** Gives the parcel's number. The bytes must stay as they are until the owner has said that it has it. */
  send(parts: readonly Uint8Array[]): number;
}

export interface ParcelReceiver {
  /**
   * The parcel, once it is there, for `use`, which may not keep it. WEIR_WIRE_MALFORMED when it has
   * another size, WEIR_WORKER_LOST when it will never be there.
   */
  take<T>(parcel: number, sizeBytes: number, use: (bytes: Buffer) => Promise<T>): Promise<T>;
  close(): void;
}

const LENGTH_BYTES = 4;
const READ_BYTES = 64 * 1024;
/** Arrived, and not asked for yet. */
const MAX_UNCLAIMED_BYTES = 64 * 1024 * 1024;

/** Opens the worker's end. `onFault` when the socket fails, and with it the owner. */
export async function openParcelSender(onFault: (error: WeirError) => void): Promise<ParcelSender> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-worker-'));
  const path = join(directory, 'parcels');
  const server = createServer();
  let owner: Socket | undefined;
  let sent = 0;
  const connected = new Promise<void>((resolve) => {
    server.once('connection', (socket) => {
      owner = socket;
      socket.on('error', (cause) => onFault(lost(cause)));
      socket.resume();
      // Takes the path away too.
      server.close();
      rmdir(directory).catch((cause: unknown) => onFault(lost(cause)));
      resolve();
    });
  });
  // Not one of those that node:cluster shares.
  server.listen({ path, exclusive: true });
  await once(server, 'listening');
  return {
    path,
    connected,
    send(parts) {
      assert(owner !== undefined, 'the owner has come');
      const length = Buffer.allocUnsafe(LENGTH_BYTES);
      length.writeUInt32LE(parts.reduce((sum, part) => sum + part.length, 0));
      owner.cork();
      owner.write(length);
      for (const part of parts) owner.write(part);
      owner.uncork();
      return sent++;
    },
  };
}

interface Parcel {
  readonly slab: Buffer;
  readonly bytes: Buffer;
}

/** Opens the owner's end. `onFault` when the worker sends what no worker would. */
export function receiveParcels(path: string, onFault: (error: WeirError) => void): ParcelReceiver {
  const slabs = createSlabs();
  const arrived = new Map<number, Parcel>();
  const claims = new Map<number, (parcel: Parcel | undefined) => void>();
  let count = 0;
  let unclaimedBytes = 0;
  let isClosed = false;

  function arrive(parcel: Parcel): void {
    const number = count++;
    const claim = claims.get(number);
    claims.delete(number);
    if (claim !== undefined) return claim(parcel);
    arrived.set(number, parcel);
    unclaimedBytes += parcel.slab.length;
    if (unclaimedBytes > MAX_UNCLAIMED_BYTES) onFault(malformed('parcels that nobody asks for'));
  }

  const read = parcelReader(slabs.take, arrive, onFault);
  const socket = connect({ path, onread: { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback: read } });
  socket.on('error', (cause) => onFault(lost(cause)));
  socket.once('close', close);

  function close(): void {
    isClosed = true;
    socket.destroy();
    for (const claim of claims.values()) claim(undefined);
    claims.clear();
  }

  function claim(number: number): Promise<Parcel | undefined> {
    const parcel = arrived.get(number);
    if (arrived.delete(number)) unclaimedBytes -= parcel?.slab.length ?? 0;
    if (parcel !== undefined || isClosed) return Promise.resolve(parcel);
    return new Promise((resolve) => claims.set(number, resolve));
  }

  return {
    async take(number, sizeBytes, use) {
      const parcel = await claim(number);
      if (parcel === undefined) throw lost();
      try {
        if (parcel.bytes.length !== sizeBytes) throw malformed('a parcel of another size');
        return await use(parcel.bytes);
      } finally {
        slabs.giveBack(parcel.slab);
      }
    },
    close,
  };
}

/** Takes the stream apart. What it gives is a callback of `onread`: whether to read on. */
function parcelReader(
  take: (sizeBytes: number) => Buffer,
  arrive: (parcel: Parcel) => void,
  onFault: (error: WeirError) => void,
): (filledBytes: number, chunk: Uint8Array) => boolean {
  const length = Buffer.alloc(LENGTH_BYTES);
  let lengthBytes = 0;
  let parcel: Parcel | undefined;
  let filled = 0;

  function begin(): boolean {
    const sizeBytes = length.readUInt32LE();
    if (sizeBytes > MAX_PUT_BYTES) {
      onFault(malformed('a parcel that is too large'));
      return false;
    }
    const slab = take(sizeBytes);
    parcel = { slab, bytes: slab.subarray(0, sizeBytes) };
    filled = 0;
    return true;
  }

  return (chunkBytes, chunk) => {
    for (let at = 0; at < chunkBytes; ) {
      if (parcel === undefined) {
        length[lengthBytes++] = chunk[at++] ?? 0;
        if (lengthBytes < LENGTH_BYTES) continue;
        lengthBytes = 0;
        if (!begin()) return false;
      } else {
        const end = Math.min(chunkBytes, at + parcel.bytes.length - filled);
        parcel.bytes.set(chunk.subarray(at, end), filled);
        filled += end - at;
        at = end;
      }
      if (parcel === undefined || filled < parcel.bytes.length) continue;
      arrive(parcel);
      parcel = undefined;
    }
    return true;
  };
}

function lost(cause?: unknown): WeirError {
  return new WeirError('WEIR_WORKER_LOST', 'the way of the bytes to the other process has ended', { cause });
}

function malformed(reason: string): WeirError {
  return new WeirError('WEIR_WIRE_MALFORMED', reason);
}
