import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import {
  openParcelSender,
  type ParcelReceiver,
  type ParcelSender,
  receiveParcels,
} from '../../../proxy/worker/parcels.ts';
import type { WeirError } from '../../../src/base/errors.ts';
import { MAX_PUT_BYTES } from '../../../src/store/byte-store.ts';
import { temporaryDirectory } from '../../backup/provider.ts';

describe('parcels between a proxy worker and its owner', () => {
  let faults: WeirError[];
  let sender: ParcelSender;
  let receiver: ParcelReceiver;
  const onFault = (error: WeirError) => void faults.push(error);

  beforeEach(async () => {
    faults = [];
    sender = await openParcelSender(onFault);
    receiver = receiveParcels(sender.path, onFault);
    await sender.connected;
  });
  afterEach(() => receiver.close());

  const take = (number: number, sizeBytes: number) =>
    receiver.take(number, sizeBytes, async (bytes) => Buffer.from(bytes));

  it('arrive as they were sent, whatever their sizes, asked for before or after', async () => {
    for (let round = 0; round < 5; round++) {
      const sent = Array.from({ length: 20 }, () =>
        Array.from({ length: randomInt(1, 5) }, () => randomBytes(randomInt(1, 100_000))),
      );
      const sizes = sent.map((parts) => Buffer.concat(parts).length);
      const first = round * sent.length;
      const early = sizes.slice(0, 10).map((size, index) => take(first + index, size));
      for (const [index, parts] of sent.entries()) expect(sender.send(parts)).to.equal(first + index);
      const last = await take(first + 19, sizes[19] ?? 0);
      const late = await Promise.all(
        sizes.slice(10, 19).map((size, index) => take(first + 10 + index, size)),
      );
      const got = [...(await Promise.all(early)), ...late, last];
      for (const [index, parts] of sent.entries()) {
        expect(got[index]?.equals(Buffer.concat(parts)), `parcel ${index}`).to.equal(true);
      }
    }
    expect(faults).to.deep.equal([]);
  });

  it('leave no path behind once the owner has come', async () => {
    sender.send([Buffer.alloc(1)]);
    await take(0, 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(existsSync(dirname(sender.path))).to.equal(false);
  });

  it('are refused when they have another size than was said', async () => {
    sender.send([Buffer.alloc(10)]);
    expect(await failure(take(0, 11))).to.equal('WEIR_WIRE_MALFORMED');
  });

  it('that will not come are told of when the worker is gone', async () => {
    const waiting = failure(take(0, 10));
    receiver.close();
    expect(await waiting).to.equal('WEIR_WORKER_LOST');
    expect(await failure(take(1, 10))).to.equal('WEIR_WORKER_LOST');
  });

  it('that are too large, or too many that nobody asks for, are a fault', async () => {
    await using directory = await temporaryDirectory();
    const server = createServer();
    server.listen(join(directory.path, 'raw'));
    for (const [sizeBytes, bytes] of [
      [MAX_PUT_BYTES + 1, 0],
      [MAX_PUT_BYTES, 3 * MAX_PUT_BYTES],
    ] as const) {
      const connected = once(server, 'connection');
      const raw = receiveParcels(join(directory.path, 'raw'), onFault);
      const [socket] = (await connected) as [Socket];
      socket.on('error', () => {});
      const head = Buffer.alloc(4);
      head.writeUInt32LE(sizeBytes);
      for (let sent = 0; sent <= bytes && faults.length === 0; sent += sizeBytes) {
        socket.write(head);
        if (bytes > 0) await new Promise((resolve) => socket.write(Buffer.alloc(sizeBytes), resolve));
      }
      while (faults.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(faults.splice(0).map(({ code }) => code)).to.include('WEIR_WIRE_MALFORMED');
      raw.close();
    }
    server.close();
  });
});

async function failure(taking: Promise<unknown>): Promise<unknown> {
  return taking.then(
    () => 'no error',
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  );
}
