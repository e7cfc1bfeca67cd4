import { randomBytes, randomInt } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { newTally } from '../../backup/server/context.ts';
import { createOffer } from '../../backup/server/offer.ts';
import { contentId } from '../../src/content/content-id.ts';
import { fingerprint } from '../../src/content/fingerprint.ts';
import { createCandidateDigest, identifierOfFile, identifierOfId } from '../../src/content/identifier.ts';
import { batchProof, createPossessionTagger, NONCE_BYTES } from '../../src/content/proof.ts';
import { type AnnouncedEntry, announcement } from '../../src/wire/announcement.ts';
import * as messages from '../../src/wire/messages.ts';
import * as wire from '../../src/wire/snapshots.ts';
import { codeOf, testDevice } from './device.ts';
import { openProvider, type TestProvider, temporaryDirectory } from './provider.ts';
import { openRawAgent, type RawAgent } from './raw-agent.ts';

const PAIRS = process.env['WEIR_REQUIRE_PEERS'] === '1' ? 10_000 : 500;
const FALSE_PROOFS = 10_000;
const ADA = '127.0.0.21';

describe('possession and privacy', function () {
  this.timeout(60_000);
  let directory: { path: string } & AsyncDisposable;
  let provider: TestProvider;
  let held: Buffer[];
  let adasHome: string;

  before(async () => {
    directory = await temporaryDirectory();
    // Every session gets the same nonce and salt, so that answers can be compared to the byte.
    provider = await openProvider(join(directory.path, 'provider'), {
      random: (size) => Buffer.alloc(size, 7),
    });
    await provider.add('ada', ADA);
    held = Array.from({ length: PAIRS }, () => randomBytes(randomInt(1000, 3000)));
    for (const [at, bytes] of held.entries()) await provider.pass(ADA, `http://origin/${at}`, bytes);
    adasHome = join(directory.path, 'ada');
    mkdirSync(adasHome);
    writeFileSync(join(adasHome, 'secret'), randomBytes(500_000));
    await testDevice(await provider.enrol('ada'), directory.path, [adasHome]).backup();
  });

  after(async () => {
    await provider[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  async function sessionOf(name: string): Promise<RawAgent> {
    const { token } = await provider.enrol(name);
    const agent = await openRawAgent(provider.port);
    await agent.greet(token);
    return agent;
  }

  /** Every frame a subscriber is answered who asks for each of these contents in every way there is. */
  async function answersAbout(name: string, contents: readonly Buffer[]): Promise<string[]> {
    await using agent = await sessionOf(name);
    const frames: string[] = [];
    const hear = async () => {
      const frame = await agent.next();
      frames.push(frame === undefined ? 'end' : `${frame.type} ${frame.payload.toString('hex')}`);
    };
    for (const bytes of contents) {
      const identifier = identifierOfId(contentId(bytes));
      agent.send(announcement, { directories: [{ entries: [fileOf(bytes)], isLast: true }] });
      await hear();
      const portions = [{ sizeBytes: bytes.length, identifier }];
      agent.send(messages.askPortions, [
        { file: 0, isLast: true, isAsked: true, changed: undefined, portions },
      ]);
      await hear();
      agent.send(messages.withdraw, 0);
      await hear();
      agent.send(messages.askDirectories, [identifier]);
      await hear();
    }
    return frames;
  }

  it(`answers the same to the byte whether another subscriber holds it or nobody (${PAIRS} pairs)`, async () => {
    const nobodys = held.map((bytes) => randomBytes(bytes.length));
    const aboutHeld = await answersAbout('bob', held);
    const aboutNobodys = await answersAbout('bob', nobodys);
    expect(aboutHeld.length).to.equal(4 * PAIRS);
    expect(aboutHeld.filter((frame, at) => frame !== aboutNobodys[at])).to.deep.equal([]);
    const [aboutOwn] = await answersAbout('ada', held.slice(0, 1));
    expect(aboutOwn, 'the owner is answered otherwise').not.to.equal(aboutHeld[0]);
  });

  it('offers nothing of what another subscriber backed up, and takes no choice of it', async () => {
    const secret = randomBytes(2000);
    writeFileSync(join(adasHome, 'another'), secret);
    await testDevice(await provider.enrol('ada'), directory.path, [adasHome]).backup();
    await using bob = await sessionOf('bob');
    const directories = [{ entries: [fileOf(secret)], isLast: true }];
    expect(await bob.call(announcement, { directories }, messages.candidates)).to.deep.equal([[]]);
    const choice = { chosen: Buffer.from([1]), proof: proofOf(7, 0, secret), isThorough: false };
    expect(await codeOf(bob.call(messages.choice, choice, messages.verdict))).to.equal('WEIR_WIRE_MALFORMED');
  });

  it("records no snapshot of another subscriber's root, though its id is known", async () => {
    const ada = provider.catalog.subscribers.byName('ada')?.scope ?? expect.fail();
    const { snapshot } = await testDevice(await provider.enrol('ada'), directory.path, [adasHome]).backup();
    expect(
      provider.catalog.contents.find(ada, 'directory', identifierOfId(snapshot.rootAttributesId), 0, 4),
    ).to.have.length(1);
    await using bob = await sessionOf('bob');
    const asked = await bob.call(
      messages.askDirectories,
      [identifierOfId(snapshot.rootAttributesId)],
      messages.candidates,
    );
    expect(asked).to.deep.equal([[]]);
    const { rootAttributesId } = snapshot;
    const commit = { known: 0, rootAttributesId, paths: [], tags: [], files: 1, totalBytes: 1 };
    expect(await codeOf(bob.call(wire.commit, commit, wire.committed))).to.equal('WEIR_WIRE_ORDER');
  });

  it('takes no proof but that of all bytes, in this session, for this choice', async () => {
    const bytes = held[0] ?? expect.fail();
    const { scope } = provider.catalog.subscribers.byName('ada') ?? expect.fail();
    const { contents } = provider.catalog;
    const nonce = Buffer.alloc(NONCE_BYTES, 9);
    const context = {
      contents,
      scope,
      nonce,
      digestOf: createCandidateDigest(Buffer.alloc(16)),
      tally: newTally(),
    };
    const offer = createOffer(context, 'file', [
      { identifier: fileOf(bytes).identifier, sizeBytes: bytes.length },
    ]);
    const chosen = Buffer.from([1]);
    const isTaken = async (proof: Buffer | undefined, number: number) =>
      (await offer.settle({ chosen, proof, isThorough: false }, number)).verdict.isAccepted;
    const almost = Buffer.from(bytes);
    almost[bytes.length - 1] = (almost.at(-1) ?? 0) ^ 1;
    const idAlone = createPossessionTagger(nonce).tag(contentId(bytes));
    const clever: readonly [Buffer | undefined, number][] = [
      [undefined, 0],
      [Buffer.alloc(0), 0],
      [proofOf(9, 1, bytes), 0],
      [proofOf(9, 0, bytes), 1],
      [proofOf(8, 0, bytes), 0],
      [proofOf(9, 0, bytes.subarray(0, -1)), 0],
      [proofOf(9, 0, almost), 0],
      [proofOf(9, 0, contentId(bytes)), 0],
      [batchProof(nonce, 0, [idAlone]), 0],
      [batchProof(nonce, 0, [contentId(bytes)]), 0],
      [batchProof(nonce, 0, []), 0],
      [createPossessionTagger(nonce).tag(bytes), 0],
    ];
    for (const [proof, number] of clever)
      expect(await isTaken(proof, number), proof?.toString('hex')).to.equal(false);
    let taken = 0;
    for (let round = 0; round < FALSE_PROOFS; round += 100) {
      const outcomes = await Promise.all(Array.from({ length: 100 }, () => isTaken(randomBytes(32), 0)));
      taken += outcomes.filter(Boolean).length;
    }
    expect(taken).to.equal(0);
    expect(await isTaken(proofOf(9, 0, bytes), 0), 'the true proof is taken').to.equal(true);
  });

  it('ends a session that proves falsely, also when it replays the proof of another session', async () => {
    const [, bytes = expect.fail()] = held;
    await using agent = await sessionOf('ada');
    const directories = [{ entries: [fileOf(bytes)], isLast: true }];
    const [offered = []] = await agent.call(announcement, { directories }, messages.candidates);
    expect(offered).to.have.length(1);
    const choose = (proof: Buffer) =>
      agent.call(messages.choice, { chosen: Buffer.from([1]), proof, isThorough: false }, messages.verdict);
    // Of another session; of the first choice, when it is the second; of fewer bytes.
    for (const proof of [proofOf(3, 0, bytes), proofOf(7, 0, bytes), proofOf(7, 2, bytes.subarray(1))])
      expect(await choose(proof)).to.deep.equal({ isAccepted: false, lost: [] });
    expect(await codeOf(choose(randomBytes(32)))).to.equal('WEIR_PROOF_REFUSED');
  });

  it('knows no request but those of docs/wire.md, and none that takes an id and gives bytes', async () => {
    const requests = new Map<number, string>([
      [announcement.type, 'identifiers'],
      [messages.askDirectories.type, 'identifiers'],
      [messages.choice.type, 'numbers of what was offered'],
      [messages.askPortions.type, 'identifiers'],
      [messages.upload.type, 'bytes'],
      [messages.withdraw.type, 'a number of the batch'],
      [wire.commit.type, 'an id to be compared with what the provider built'],
      [wire.listSnapshots.type, 'nothing'],
      [wire.openPath.type, 'a snapshot of the subscriber and a path'],
      [wire.listDirectories.type, 'nothing'],
      [wire.fetch.type, 'numbers of what was listed'],
    ]);
    const { token } = await provider.enrol('ada');
    for (let type = 0; type < 256; type++) {
      // Passed over without an answer.
      if (type === messages.working.type) continue;
      await using agent = await openRawAgent(provider.port);
      await agent.greet(token);
      agent.sendFrame(type, Buffer.alloc(0));
      const frame = await agent.next();
      const isUnknown =
        frame?.type === messages.failure.type &&
        messages.failure.decode(frame.payload).message.includes('no request has the type');
      expect(isUnknown, `type ${type}`).to.equal(!requests.has(type));
    }
  });
});

function fileOf(bytes: Buffer): Extract<AnnouncedEntry, { kind: 'file' }> {
  const identifier = identifierOfFile(fingerprint(bytes));
  const about = { mode: 0o644, mtimeSeconds: 0, mtimeMicros: 0, uid: 0, gid: 0 };
  return { kind: 'file', name: 'f', ...about, sizeBytes: bytes.length, identifier };
}

/** The proof of one content under the nonce of 32 times this byte. */
function proofOf(nonceByte: number, number: number, bytes: Uint8Array): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES, nonceByte);
  return batchProof(nonce, number, [createPossessionTagger(nonce).tag(bytes)]);
}
