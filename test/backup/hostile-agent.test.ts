import { spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { enrolDevice } from '../../backup/agent/enrol.ts';
import { openSession } from '../../backup/agent/session.ts';
import { zstdCompress } from '../../src/base/compress.ts';
import { contentId } from '../../src/content/content-id.ts';
import { identifierOfId } from '../../src/content/identifier.ts';
import { type AnnouncedEntry, announcement } from '../../src/wire/announcement.ts';
import { decodeInvitation } from '../../src/wire/invitation.ts';
import { MAX_REQUEST_BYTES } from '../../src/wire/limits.ts';
import * as messages from '../../src/wire/messages.ts';
import * as wire from '../../src/wire/snapshots.ts';
import { codeOf } from './device.ts';
import { WEIR, weir } from './program.ts';
import { openProvider, type TestProvider, temporaryDirectory } from './provider.ts';
import { openRawAgent, type RawAgent } from './raw-agent.ts';

const MIB = 1024 * 1024;

describe('an agent that lies', function () {
  this.timeout(30_000);
  let directory: { path: string } & AsyncDisposable;
  let provider: TestProvider;
  let token: Uint8Array;
  let agent: RawAgent;

  before(async () => {
    directory = await temporaryDirectory();
    provider = await openProvider(join(directory.path, 'provider'));
    token = (await provider.enrol('ada')).token;
  });

  after(async () => {
    await provider[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    agent = await openRawAgent(provider.port);
    await agent.greet(token);
  });

  afterEach(() => agent[Symbol.asyncDispose]());

  /** Announces one file, and its portions with the sizes given. */
  async function announceFile(
    sizeBytes: number,
    portions: readonly number[],
    isAsked = false,
  ): Promise<void> {
    const entries = [file('f', sizeBytes)];
    await agent.call(announcement, { directories: [{ entries, isLast: true }] }, messages.candidates);
    const asked = portions.map((size) => ({ sizeBytes: size, identifier: randomInt(2 ** 47) }));
    const about = { file: 0, isLast: true, isAsked, changed: undefined, portions: asked };
    await agent.call(messages.askPortions, [about], messages.candidates);
  }

  function upload(bytes: Uint8Array, portions = 1, isCompressed = false): Promise<null> {
    return agent.call(messages.upload, { portions, isCompressed, bytes }, messages.done);
  }

  describe('about sizes is refused', () => {
    const announced: readonly [string, number, number[]][] = [
      ['portions of less than the file', 100_000, [50_000]],
      ['portions of more than the file', 100, [50_000, 60_000]],
      ['a portion above the largest', 300 * 1024, [300 * 1024]],
      ['a portion of nothing', 100, [100, 0]],
      ['a file above the largest', 2 ** 45, [100]],
    ];
    for (const [what, sizeBytes, portions] of announced) {
      it(what, async () => {
        const told = announceFile(sizeBytes, portions).then(() =>
          upload(randomBytes(portions.reduce((sum, size) => sum + size, 0)), portions.length),
        );
        expect(await codeOf(told)).to.equal('WEIR_MANIFEST_FALSE');
        expect(await agent.next()).to.equal(undefined);
      });
    }

    const uploads: readonly [string, () => Uint8Array, boolean][] = [
      ['fewer bytes', () => randomBytes(99_999), false],
      ['more bytes', () => randomBytes(100_001), false],
      ['no bytes', () => Buffer.alloc(0), false],
      ['a frame of fewer bytes', () => zstdCompress(randomBytes(99_999), 1), true],
      ['a frame of more bytes', () => zstdCompress(randomBytes(100_001), 1), true],
      ['a frame of very many bytes', () => zstdCompress(Buffer.alloc(256 * MIB), 1), true],
      [
        'two frames',
        () => Buffer.concat([zstdCompress(Buffer.alloc(100_000), 1), zstdCompress(Buffer.alloc(9), 1)]),
        true,
      ],
      ['a frame that hides its size', () => hidingItsSize(Buffer.alloc(100_000)), true],
      ['a frame cut short', () => zstdCompress(randomBytes(100_000), 1).subarray(0, -7), true],
      ['garbage for a frame', () => randomBytes(100_000), true],
    ];
    for (const [what, bytes, isCompressed] of uploads) {
      it(`uploading ${what}`, async () => {
        await announceFile(100_000, [100_000]);
        expect(await codeOf(upload(bytes(), 1, isCompressed))).to.equal('WEIR_MANIFEST_FALSE');
      });
    }

    it('of a portion the provider holds', async () => {
      const bytes = randomBytes(150_000);
      await announceFile(bytes.length, [100_000, 50_000]);
      await upload(bytes, 2);
      const held = identifierOfId(contentId(bytes.subarray(0, 100_000)));
      await agent.call(
        announcement,
        { directories: [{ entries: [file('g', 9)], isLast: true }] },
        messages.candidates,
      );
      const portions = [{ sizeBytes: 9, identifier: held }];
      const asked = [{ file: 0, isLast: true, isAsked: true, changed: undefined, portions }];
      const [offered] = await agent.call(messages.askPortions, asked, messages.candidates);
      expect(offered).to.have.length(1);
      const choice = { chosen: Buffer.from([1]), proof: undefined, isThorough: false };
      expect(await codeOf(agent.call(messages.choice, choice, messages.verdict))).to.equal(
        'WEIR_MANIFEST_FALSE',
      );
    });

    it('of portions uploaded that nobody waits for', async () => {
      await announceFile(100, [100]);
      expect(await codeOf(upload(randomBytes(100), 2))).to.equal('WEIR_WIRE_ORDER');
    });
  });

  describe('out of order is refused', () => {
    const commit = {
      known: undefined,
      rootAttributesId: Buffer.alloc(32),
      paths: [],
      tags: [],
      files: 0,
      totalBytes: 0,
    };
    const steps: readonly [string, () => void, string][] = [
      ['a second greeting', () => agent.send(messages.hello, { version: 1, token }), 'WEIR_WIRE_ORDER'],
      [
        'an enrolment in a session',
        () => agent.send(messages.enrol, { version: 1, invitation: token, deviceName: 'x' }),
        'WEIR_WIRE_ORDER',
      ],
      [
        'a choice of nothing offered',
        () => agent.send(messages.choice, { chosen: Buffer.alloc(1), proof: undefined, isThorough: false }),
        'WEIR_WIRE_ORDER',
      ],
      ['portions of no batch', () => agent.send(messages.askPortions, []), 'WEIR_WIRE_ORDER'],
      [
        'an upload of no batch',
        () => agent.send(messages.upload, { portions: 1, isCompressed: false, bytes: Buffer.alloc(1) }),
        'WEIR_WIRE_ORDER',
      ],
      ['a withdrawal of no batch', () => agent.send(messages.withdraw, 0), 'WEIR_WIRE_ORDER'],
      ['a commit of nothing', () => agent.send(wire.commit, commit), 'WEIR_WIRE_ORDER'],
      [
        'a commit of a directory never offered',
        () => agent.send(wire.commit, { ...commit, known: 7 }),
        'WEIR_WIRE_ORDER',
      ],
      ['a list of nothing opened', () => agent.send(wire.listDirectories, null), 'WEIR_WIRE_ORDER'],
      ['a fetch of nothing listed', () => agent.send(wire.fetch, [0]), 'WEIR_WIRE_ORDER'],
      ['an answer for a request', () => agent.send(messages.done, null), 'WEIR_WIRE_ORDER'],
      ['an unknown type', () => agent.sendFrame(200, Buffer.alloc(3)), 'WEIR_WIRE_ORDER'],
      [
        'a frame above the bound',
        () => agent.socket.write(header(MAX_REQUEST_BYTES + 1, 3)),
        'WEIR_WIRE_TOO_LARGE',
      ],
      [
        'a directory never offered',
        () =>
          agent.send(announcement, {
            directories: [{ entries: [{ ...named('d'), kind: 'directory', known: 3 }], isLast: true }],
          }),
        'WEIR_WIRE_ORDER',
      ],
      [
        'names out of order',
        () =>
          agent.send(announcement, {
            directories: [{ entries: [file('b', 0), file('a', 0)], isLast: true }],
          }),
        'WEIR_TREE_INVALID',
      ],
      [
        'a name that leaves',
        () => agent.send(announcement, { directories: [{ entries: [file('..', 0)], isLast: true }] }),
        'WEIR_TREE_INVALID',
      ],
    ];
    for (const [what, step, code] of steps) {
      it(what, async () => {
        step();
        let frame = await agent.next();
        while (frame !== undefined && frame.type !== messages.failure.type) frame = await agent.next();
        expect(frame && messages.failure.decode(frame.payload)).to.include({ code });
        expect(await agent.next()).to.equal(undefined);
      });
    }
  });

  it('about the root records no snapshot', async () => {
    await agent.call(announcement, { directories: [{ entries: [], isLast: true }] }, messages.candidates);
    const commit = {
      known: undefined,
      rootAttributesId: randomBytes(32),
      paths: [],
      tags: [],
      files: 0,
      totalBytes: 0,
    };
    expect(await codeOf(agent.call(wire.commit, commit, wire.committed))).to.equal('WEIR_TREE_MISMATCH');
    await using other = await openRawAgent(provider.port);
    await other.greet(token);
    expect(await other.call(wire.listSnapshots, null, wire.snapshots)).to.deep.equal([]);
  });

  it('about directories too deep is refused', async () => {
    const inner = { entries: [], isLast: true };
    const outer = {
      entries: [{ ...named('d'), kind: 'directory' as const, known: undefined }],
      isLast: true,
    };
    const directories = [inner, ...Array.from({ length: 300 }, () => outer)];
    agent.send(announcement, { directories });
    const frame = await agent.next();
    expect(frame && messages.failure.decode(frame.payload)).to.include({ code: 'WEIR_TREE_TOO_DEEP' });
  });

  it('is not given back a directory too large to be listed: it is refused when it is announced', async () => {
    const target = 'x'.repeat(4000);
    const links = 13_000;
    const ended = (async () => {
      for (let from = 0; from < links; from += 1000) {
        const entries = Array.from({ length: 1000 }, (_, at) => ({
          ...named(`${from + at}`.padStart(8, '0')),
          kind: 'symlink' as const,
          target,
        }));
        await agent.call(
          announcement,
          { directories: [{ entries, isLast: from + 1000 === links }] },
          messages.candidates,
        );
      }
      // The answer to the last announcement goes out before the directory is built.
      await agent.call(wire.listSnapshots, null, wire.snapshots);
    })();
    expect(await codeOf(ended)).to.equal('WEIR_TREE_INVALID');
  });
});

describe('a provider among noise', function () {
  this.timeout(40_000);

  it('serves on, and holds little memory', async function () {
    if (!existsSync('/proc/self/status')) return this.skip();
    await using directory = await temporaryDirectory();
    const config = join(directory.path, 'weir.yaml');
    await writeFile(config, configuration(directory.path));
    const { stdout } = await weir(['subscriber', 'add', 'ada', '--config', config]);
    const child = spawn(process.execPath, [WEIR, 'serve', '--config', config], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      const port = await portOf(child.stdout);
      const { enrolment } = await enrolDevice({ ...decodeInvitation(stdout), port }, 'laptop');
      const before = residentMib(child.pid ?? 0);
      await makeNoise(port);
      await makeGreetedNoise(port, enrolment.token);
      expect(residentMib(child.pid ?? 0) - before).to.be.below(200);
      const session = await openSession(enrolment);
      expect(session.subscriberName).to.equal('ada');
      session.close();
      expect(child.exitCode).to.equal(null);
    } finally {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  });
});

/** Random bytes before TLS, and within it before a greeting. */
async function makeNoise(port: number): Promise<void> {
  for (let round = 0; round < 18; round++) {
    await Promise.all(Array.from({ length: 100 }, () => plainNoise(port, randomBytes(randomInt(1, 3000)))));
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        await using agent = await openRawAgent(port);
        agent.socket.write(randomBytes(randomInt(1, 10_000)));
        if (randomInt(2) === 0) agent.socket.end();
        else agent.socket.destroy();
      }),
    );
  }
}

function plainNoise(port: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.resume();
    socket.end(bytes);
  });
}

const REQUEST_TYPES = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];

/** Frames of every type with random payloads, and such that claim to unpack to much, from an enrolled device. */
async function makeGreetedNoise(port: number, token: Uint8Array): Promise<void> {
  for (let round = 0; round < 150; round++) {
    await using agent = await openRawAgent(port);
    await agent.greet(token);
    const type = REQUEST_TYPES[round % REQUEST_TYPES.length] ?? 3;
    agent.sendFrame(type, randomBytes(randomInt(0, 2000)));
    // Told to expect 16 MiB, given none of it.
    agent.socket.write(header(MAX_REQUEST_BYTES, type));
    if (round % 3 === 0) await agent.next();
  }
}

function named(name: string) {
  return { name, mode: 0o644, mtimeSeconds: 0, mtimeMicros: 0, uid: 0, gid: 0 };
}

function file(name: string, sizeBytes: number): AnnouncedEntry {
  return {
    ...named(name),
    kind: 'file',
    sizeBytes,
    identifier: identifierOfId(contentId(Buffer.from(name))),
  };
}

function header(length: number, type: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt8(type, 4);
  return bytes;
}

/** A frame by hand (RFC 8878): no content size, one RLE block after another. */
function hidingItsSize(bytes: Buffer): Buffer {
  const block = Buffer.alloc(4);
  block.writeUIntLE(1 | (1 << 1) | (bytes.length << 3), 0, 3);
  return Buffer.concat([Buffer.from('28b52ffd0058', 'hex'), block]);
}

function configuration(directory: string): string {
  return [
    `dataDirectory: ${join(directory, 'data')}`,
    'roles: [backup]',
    'backup: { host: 127.0.0.1, port: 0, publicHost: 127.0.0.1, publicPort: 1 }',
    'store: { reserveBytes: 0 }',
    '',
  ].join('\n');
}

async function portOf(stdout: AsyncIterable<Buffer>): Promise<number> {
  let text = '';
  for await (const bytes of stdout) {
    text += String(bytes);
    if (text.includes('ready\n')) break;
  }
  return Number(/^backup\s+\S+:(\d+)$/m.exec(text)?.[1]);
}

function residentMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
