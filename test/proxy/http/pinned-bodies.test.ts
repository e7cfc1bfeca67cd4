import { EventEmitter } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { expect } from 'chai';
import { createArrivingMemory, MAX_ARRIVING_BYTES } from '../../../proxy/http/arriving-memory.ts';
import { createPinnedBodies, MAX_PINNED_BYTES } from '../../../proxy/http/pinned-bodies.ts';
import { rawClient } from './harness.ts';

const MIB = 1024 * 1024;

describe('bodies in memory', () => {
  it('count once while clients are being sent them, and no more when those have gone', async () => {
    const responses: ServerResponse[] = [];
    const arrivals = new EventEmitter();
    const server = createServer((_req, res) => {
      responses.push(res);
      arrivals.emit('response');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const clients = [0, 1, 2].map(() => rawClient(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    while (responses.length < 3) await new Promise((resolve) => arrivals.once('response', resolve));
    const [first, second, third] = responses;
    if (first === undefined || second === undefined || third === undefined) throw new Error('no response');

    const pinned = createPinnedBodies();
    const most = Buffer.alloc(MAX_PINNED_BYTES);
    expect(pinned.pin(most, first)).to.equal(true);
    expect(pinned.pin(most, second), 'the same again').to.equal(true);
    expect(pinned.pin(Buffer.alloc(MIB), third), 'beyond').to.equal(false);
    expect(pinned.hasRoom(MIB)).to.equal(false);
    expect(pinned.pin(Buffer.alloc(1000), third), 'a small one').to.equal(true);
    clients[0]?.socket.destroy();
    await new Promise((resolve) => first.once('close', resolve));
    expect(pinned.hasRoom(MIB), 'one is left').to.equal(false);
    clients[1]?.socket.destroy();
    await new Promise((resolve) => second.once('close', resolve));
    expect(pinned.hasRoom(MAX_PINNED_BYTES)).to.equal(true);
    expect(pinned.pin(Buffer.alloc(MIB), first), 'gone already').to.equal(false);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('have a bound together while they arrive', () => {
    const memory = createArrivingMemory(16 * MIB);
    const reserve = (sizeBytes: number | undefined, isRecorded: boolean) =>
      memory.reserve({ sizeBytes, isRecorded });
    expect(reserve(17 * MIB, false).memory, 'too large, and nowhere to read it back').to.deep.equal({
      wholeBytes: 0,
      joinBytes: 0,
    });
    const held = Array.from({ length: MAX_ARRIVING_BYTES / MIB / 16 }, () => reserve(16 * MIB, false));
    expect(held.every(({ memory: { wholeBytes } }) => wholeBytes === 16 * MIB)).to.equal(true);
    expect(reserve(1000, true).memory.wholeBytes, 'beyond').to.equal(0);
    held[0]?.giveBack();
    held[0]?.giveBack();
    expect(reserve(1000, true).memory.wholeBytes).to.equal(1000);
    expect(reserve(100 * MIB, true).memory.joinBytes).to.be.greaterThan(0);
    expect(reserve(15 * MIB, false).memory.wholeBytes, 'given back once only').to.equal(0);
  });
});
