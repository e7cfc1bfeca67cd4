import type { Clock } from '../../src/base/clock.ts';
import { WeirError } from '../../src/base/errors.ts';
import type { Random } from '../../src/base/random.ts';
import type { Catalog } from '../../src/catalog/catalog.ts';
import { listSnapshots, recordSnapshot } from '../../src/catalog/snapshots.ts';
import type { Device } from '../../src/catalog/subscribers.ts';
import { createCandidateDigest, SALT_BYTES } from '../../src/content/identifier.ts';
import { NONCE_BYTES } from '../../src/content/proof.ts';
import { announcement } from '../../src/wire/announcement.ts';
import type { Codec } from '../../src/wire/codec.ts';
import type { Frame } from '../../src/wire/frame.ts';
import * as messages from '../../src/wire/messages.ts';
import * as wire from '../../src/wire/snapshots.ts';
import { BackupRun } from './backup-run.ts';
import { newTally } from './context.ts';
import { Reader } from './restore.ts';

/** Sends one message; resolves when the connection has room for more. */
export type Send = <M>(codec: Codec<M>, message: M) => Promise<void>;

/** Wrong proofs a session survives: honest agents have none. */
export const MAX_REFUSED_PROOFS = 3;

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
  readonly #options: SessionOptions;
  readonly #salt: Buffer;
  readonly #nonce: Buffer;
  readonly #reader: Reader;
  #run: BackupRun;
  #choices = 0;
  #refusedProofs = 0;

  constructor(options: SessionOptions) {
    const { catalog, device, random } = options;
    this.#options = options;
    this.#salt = random(SALT_BYTES);
    this.#nonce = random(NONCE_BYTES);
    this.#reader = new Reader(catalog.records, catalog.contents, device.subscriber.scope);
    this.#run = this.#newRun();
  }

  async welcome(): Promise<void> {
    const { catalog, device, send } = this.#options;
    const { scope, name: subscriberName } = device.subscriber;
    const knowsDirectories = catalog.contents.hasDirectories(scope);
    await send(messages.welcome, { nonce: this.#nonce, salt: this.#salt, knowsDirectories, subscriberName });
  }

  /** Answers one request. Throws what ends the session. */
  async handle({ type, payload }: Frame): Promise<void> {
    const { catalog, device, send } = this.#options;
    switch (type) {
      case messages.askDirectories.type:
        return send(messages.candidates, this.#run.findDirectories(messages.askDirectories.decode(payload)));
      case announcement.type:
        return send(messages.candidates, await this.#run.announce(announcement.decode(payload).directories));
      case messages.choice.type:
        return this.#choose(messages.choice.decode(payload));
      case messages.askPortions.type:
        return send(messages.candidates, await this.#run.takePortions(messages.askPortions.decode(payload)));
      case messages.upload.type:
        await this.#run.takeUpload(messages.upload.decode(payload));
        return send(messages.done, null);
      case messages.withdraw.type:
        await this.#run.withdraw(messages.withdraw.decode(payload));
        return send(messages.done, null);
      case wire.commit.type:
        return this.#commit(wire.commit.decode(payload));
      case wire.listSnapshots.type:
        return send(wire.snapshots, await listSnapshots(catalog.records, device.subscriber.scope));
      case wire.openPath.type:
        return send(wire.opened, await this.#reader.open(wire.openPath.decode(payload)));
      case wire.listDirectories.type:
        for await (const directories of this.#reader.list()) await send(wire.directories, directories);
        return send(messages.done, null);
      case wire.fetch.type:
        for await (const pieces of this.#reader.fetch(wire.fetch.decode(payload)))
          await send(wire.content, pieces);
        return send(messages.done, null);
      default:
        throw new WeirError('WEIR_WIRE_ORDER', `no request has the type ${type}`);
    }
  }

  async #choose(choice: messages.Choice): Promise<void> {
    const verdict = await this.#run.choose(choice, this.#choices++);
    const isWrong = !verdict.isAccepted && verdict.lost.length === 0;
    if (isWrong && ++this.#refusedProofs > MAX_REFUSED_PROOFS) {
      throw new WeirError('WEIR_PROOF_REFUSED', `more than ${MAX_REFUSED_PROOFS} proofs were wrong`);
    }
    await this.#options.send(messages.verdict, verdict);
  }

  /** The one commit point: everything the snapshot refers to is durable before its record is written. */
  async #commit(request: wire.Commit): Promise<void> {
    const { catalog, device, authenticate, clock, random, send } = this.#options;
    await authenticate();
    const root = await this.#run.root(request.known);
    if (!Buffer.from(root.attributesId).equals(request.rootAttributesId)) {
      throw new WeirError('WEIR_TREE_MISMATCH', 'the two sides built different trees');
    }
    const { tally } = this.#run;
    const matched = tally.knownBytes + tally.passedBytes + tally.portionBytes + tally.uploadedBytes;
    const { paths, tags, files, totalBytes, rootAttributesId } = request;
    const snapshot: wire.Snapshot = {
      id: random(wire.SNAPSHOT_ID_BYTES),
      deviceName: device.name,
      timeMs: clock.wallMs(),
      paths,
      tags,
      rootAttributesId,
      bytes: { files, totalBytes, unchangedBytes: Math.max(0, totalBytes - matched), ...tally },
    };
    await catalog.records.write([recordSnapshot(device.subscriber.scope, snapshot)]);
    // A session may make several snapshots; each starts afresh.
    this.#run = this.#newRun();
    await send(wire.committed, snapshot);
  }

  #newRun(): BackupRun {
    const { catalog, device } = this.#options;
    return new BackupRun({
      contents: catalog.contents,
      scope: device.subscriber.scope,
      nonce: this.#nonce,
      digestOf: createCandidateDigest(this.#salt),
      tally: newTally(),
    });
  }
}
