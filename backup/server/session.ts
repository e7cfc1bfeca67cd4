import type { Clock } from '../../src/base/clock.ts';
import { WeirError } from '../../src/base/errors.ts';
import type { Random } from '../../src/base/random.ts';
import type { Found } from '../../src/catalog/candidates.ts';
import type { Catalog } from '../../src/catalog/catalog.ts';
import { listSnapshots as listRecorded, recordSnapshot } from '../../src/catalog/snapshots.ts';
import type { Device } from '../../src/catalog/subscribers.ts';
import { createCandidateDigest, SALT_BYTES } from '../../src/content/identifier.ts';
import { NONCE_BYTES } from '../../src/content/proof.ts';
import type { DirectoryIds, EncodedDirectory } from '../../src/content/tree.ts';
import { announcement } from '../../src/wire/announcement.ts';
import type { Codec } from '../../src/wire/codec.ts';
import type { Frame } from '../../src/wire/frame.ts';
import { MAX_OFFERED_CANDIDATES } from '../../src/wire/limits.ts';
import * as messages from '../../src/wire/messages.ts';
import * as wire from '../../src/wire/snapshots.ts';
import { Batch } from './batch.ts';
import { newTally, type SessionContext } from './context.ts';
import { holdDirectories, loadIds } from './directories.ts';
import { createDirectoryBuilder, type DirectoryBuilder } from './directory-builder.ts';
import { createOffer, type Offer, toCandidates } from './offer.ts';
import { Reader } from './restore.ts';

/** Sends one message; resolves when the connection has room for more. */
export type Send = <M>(codec: Codec<M>, message: M) => Promise<void>;

/** Wrong proofs a session survives: honest agents have none. */
export const MAX_REFUSED_PROOFS = 3;
/** Directory candidates remembered for `known` references. */
export const MAX_OFFERED_DIRECTORIES = 1_000_000;

export interface SessionOptions {
  readonly catalog: Catalog;
  readonly device: Device;
  /** Asks again whether the device may still work. */
  readonly authenticate: () => Promise<Device>;
  readonly clock: Clock;
  readonly random: Random;
  readonly send: Send;
}

/**
 * One device at work: answers its requests in order. The subscriber comes from the device's token
 * alone, and everything below works in that subscriber's scope.
 */
export class Session {
  readonly #catalog: Catalog;
  readonly #device: Device;
  readonly #authenticate: () => Promise<Device>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #send: Send;
  readonly #context: SessionContext;
  readonly #salt: Buffer;
  readonly #reader: Reader;
  #builder: DirectoryBuilder;
  #offeredDirectories: DirectoryIds[] = [];
  #batch: Batch | undefined;
  #offer:
    | { offer: Offer; accept: (accepted: readonly (Found | undefined)[]) => Promise<void> | void }
    | undefined;
  #choices = 0;
  #refusedProofs = 0;

  constructor({ catalog, device, authenticate, clock, random, send }: SessionOptions) {
    this.#catalog = catalog;
    this.#device = device;
    this.#authenticate = authenticate;
    this.#clock = clock;
    this.#random = random;
    this.#send = send;
    this.#salt = random(SALT_BYTES);
    const { scope } = device.subscriber;
    const { contents, records } = catalog;
    const digestOf = createCandidateDigest(this.#salt);
    this.#context = { contents, scope, nonce: random(NONCE_BYTES), digestOf, tally: newTally() };
    this.#reader = new Reader(records, contents, scope);
    this.#builder = this.#newBuilder();
  }

  async welcome(): Promise<void> {
    const { nonce, scope } = this.#context;
    const knowsDirectories = this.#catalog.contents.hasDirectories(scope);
    const subscriberName = this.#device.subscriber.name;
    await this.#send(messages.welcome, { nonce, salt: this.#salt, knowsDirectories, subscriberName });
  }

  /** Answers one request. Throws what ends the session. */
  async handle({ type, payload }: Frame): Promise<void> {
    switch (type) {
      case messages.askDirectories.type:
        return this.#askDirectories(messages.askDirectories.decode(payload));
      case announcement.type:
        return this.#announce(new Batch(this.#context, announcement.decode(payload).directories));
      case messages.choice.type:
        return this.#choose(messages.choice.decode(payload));
      case messages.askPortions.type:
        return this.#askPortions(messages.askPortions.decode(payload));
      case messages.upload.type:
        await this.#openBatch().takeUpload(messages.upload.decode(payload));
        return this.#done();
      case messages.withdraw.type:
        await this.#openBatch().withdraw(messages.withdraw.decode(payload));
        return this.#done();
      case wire.commit.type:
        return this.#commit(wire.commit.decode(payload));
      case wire.listSnapshots.type:
        return this.#send(wire.snapshots, await listRecorded(this.#catalog.records, this.#context.scope));
      case wire.openPath.type:
        return this.#send(wire.opened, await this.#reader.open(wire.openPath.decode(payload)));
      case wire.listDirectories.type:
        for await (const objects of this.#reader.list()) await this.#send(wire.directory, objects);
        return this.#send(messages.done, null);
      case wire.fetch.type:
        for await (const pieces of this.#reader.fetch(wire.fetch.decode(payload)))
          await this.#send(wire.content, pieces);
        return this.#send(messages.done, null);
      default:
        throw new WeirError('WEIR_WIRE_ORDER', `no request has the type ${type}`);
    }
  }

  async #askDirectories(identifiers: readonly number[]): Promise<void> {
    const { contents, scope } = this.#context;
    const answer: messages.Candidate[][] = [];
    for (const identifier of identifiers) {
      const found = contents.find(scope, 'directory', identifier, 0, MAX_OFFERED_CANDIDATES);
      for (const { contentId } of found)
        this.#offeredDirectories.push({ attributesId: contentId, treeId: NOT_LOADED });
      answer.push(toCandidates(this.#context, found));
    }
    if (this.#offeredDirectories.length > MAX_OFFERED_DIRECTORIES)
      outOfOrder('too many directories were asked for');
    await this.#send(messages.candidates, answer);
  }

  async #announce(batch: Batch): Promise<void> {
    if (this.#batch !== undefined) outOfOrder('a batch is announced before the last was finished');
    await this.#loadKnown(batch);
    this.#batch = batch;
    const offer = createOffer(this.#context, 'file', batch.askedFiles);
    this.#offer = { offer, accept: (accepted) => batch.acceptFiles(accepted) };
    await this.#send(messages.candidates, offer.candidates);
    await this.#finishIfResolved();
  }

  async #askPortions(files: readonly messages.PortionedFile[]): Promise<void> {
    const batch = this.#openBatch();
    const offer = createOffer(this.#context, 'portion', await batch.takePortions(files));
    this.#offer = { offer, accept: (accepted) => batch.acceptPortions(accepted) };
    await this.#send(messages.candidates, offer.candidates);
    await this.#finishIfResolved();
  }

  async #choose(choice: messages.Choice): Promise<void> {
    const waiting = this.#offer ?? outOfOrder('there is nothing to choose from');
    const { verdict, accepted } = await waiting.offer.settle(choice, this.#choices++);
    if (verdict.isAccepted) {
      this.#offer = undefined;
      await waiting.accept(accepted);
      await this.#finishIfResolved();
    } else if (verdict.lost.length === 0 && ++this.#refusedProofs > MAX_REFUSED_PROOFS) {
      throw new WeirError('WEIR_PROOF_REFUSED', `more than ${MAX_REFUSED_PROOFS} proofs were wrong`);
    }
    await this.#send(messages.verdict, verdict);
  }

  async #done(): Promise<void> {
    await this.#finishIfResolved();
    await this.#send(messages.done, null);
  }

  /** Builds and holds the directories of a batch whose files are all resolved. */
  async #finishIfResolved(): Promise<void> {
    const batch = this.#batch;
    if (batch === undefined || !batch.isResolved) return;
    const ended: EncodedDirectory[] = [];
    for (const directory of batch.directories) {
      const encoded = this.#builder.add(directory, (file) => batch.resolve(file));
      if (encoded !== undefined) ended.push(encoded);
    }
    const { contents, scope } = this.#context;
    await holdDirectories(contents, scope, ended);
    this.#batch = undefined;
    this.#offer = undefined;
  }

  async #commit(request: wire.Commit): Promise<void> {
    if (this.#batch !== undefined) outOfOrder('a batch is not finished');
    await this.#authenticate();
    const root = request.known === undefined ? this.#builder.root() : await this.#knownRoot(request.known);
    if (!Buffer.from(root.attributesId).equals(request.rootAttributesId)) {
      throw new WeirError('WEIR_TREE_MISMATCH', 'the two sides built different trees');
    }
    const { scope, tally } = this.#context;
    const matched = tally.knownBytes + tally.passedBytes + tally.portionBytes + tally.uploadedBytes;
    const snapshot: wire.Snapshot = {
      id: this.#random(wire.SNAPSHOT_ID_BYTES),
      deviceName: this.#device.name,
      timeMs: this.#clock.wallMs(),
      paths: request.paths,
      tags: request.tags,
      rootAttributesId: request.rootAttributesId,
      bytes: {
        files: request.files,
        totalBytes: request.totalBytes,
        unchangedBytes: Math.max(0, request.totalBytes - matched),
        ...tally,
      },
    };
    await this.#catalog.records.write([recordSnapshot(scope, snapshot)]);
    this.#reset();
    await this.#send(wire.committed, snapshot);
  }

  /** A session may make several snapshots; each starts afresh. */
  #reset(): void {
    Object.assign(this.#context.tally, newTally());
    this.#builder = this.#newBuilder();
    this.#offeredDirectories = [];
  }

  #newBuilder(): DirectoryBuilder {
    return createDirectoryBuilder((number) => this.#knownDirectory(number));
  }

  #knownDirectory(number: number): DirectoryIds {
    return this.#offeredDirectories[number] ?? outOfOrder('a directory is named that was not offered');
  }

  /** The trees of the known directories that a batch refers to: only now is it worth reading them. */
  async #loadKnown(batch: Batch): Promise<void> {
    const { contents, scope } = this.#context;
    for (const entry of batch.directories.flatMap(({ entries }) => entries)) {
      if (entry.kind !== 'directory' || entry.known === undefined) continue;
      const ids = this.#knownDirectory(entry.known);
      if (ids.treeId === NOT_LOADED)
        this.#offeredDirectories[entry.known] = await loadIds(contents, scope, ids.attributesId);
    }
  }

  /** A known root is not built here, so look that it is there. */
  #knownRoot(number: number): Promise<DirectoryIds> {
    const { contents, scope } = this.#context;
    return loadIds(contents, scope, this.#knownDirectory(number).attributesId);
  }

  #openBatch(): Batch {
    return this.#batch ?? outOfOrder('no batch is open');
  }
}

const NOT_LOADED = new Uint8Array(0);

function outOfOrder(reason: string): never {
  throw new WeirError('WEIR_WIRE_ORDER', reason);
}
