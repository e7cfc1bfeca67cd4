import { WeirError } from '../../src/base/errors.ts';
import type { Found } from '../../src/catalog/candidates.ts';
import type { DirectoryIds, EncodedDirectory } from '../../src/content/tree.ts';
import type { AnnouncedDirectory } from '../../src/wire/announcement.ts';
import { MAX_OFFERED_CANDIDATES } from '../../src/wire/limits.ts';
import type { Candidate, Choice, PortionedFile, Upload, Verdict } from '../../src/wire/messages.ts';
import { Batch } from './batch.ts';
import type { BackupContext, Tally } from './context.ts';
import { holdDirectories, loadIds } from './directories.ts';
import { createDirectoryBuilder, type DirectoryBuilder } from './directory-builder.ts';
import { createOffer, type Offer, toCandidates } from './offer.ts';

/** Directory candidates remembered for `known` references. */
export const MAX_OFFERED_DIRECTORIES = 1_000_000;

type Candidates = readonly (readonly Candidate[])[];

interface OpenOffer {
  readonly offer: Offer;
  readonly accept: (accepted: readonly (Found | undefined)[]) => Promise<void> | void;
}

/** One backup on its way to a root: batches announced, matched, uploaded, and built into directories. */
export class BackupRun {
  readonly #context: BackupContext;
  readonly #builder: DirectoryBuilder;
  readonly #offeredDirectories: DirectoryIds[] = [];
  #batch: Batch | undefined;
  #offer: OpenOffer | undefined;

  constructor(context: BackupContext) {
    this.#context = context;
    this.#builder = createDirectoryBuilder((number) => this.#knownDirectory(number));
  }

  get tally(): Readonly<Tally> {
    return this.#context.tally;
  }

  findDirectories(identifiers: readonly number[]): Candidates {
    const { contents, scope } = this.#context;
    const answer: Candidate[][] = [];
    for (const identifier of identifiers) {
      const found = contents.find(scope, 'directory', identifier, 0, MAX_OFFERED_CANDIDATES);
      for (const { contentId } of found)
        this.#offeredDirectories.push({ attributesId: contentId, treeId: NOT_LOADED });
      answer.push(toCandidates(this.#context, found));
    }
    if (this.#offeredDirectories.length > MAX_OFFERED_DIRECTORIES)
      outOfOrder('too many directories were asked for');
    return answer;
  }

  async announce(directories: readonly AnnouncedDirectory[]): Promise<Candidates> {
    if (this.#batch !== undefined) outOfOrder('a batch is announced before the last was finished');
    await this.#loadKnown(directories);
    const batch = new Batch(this.#context, directories);
    this.#batch = batch;
    const offer = createOffer(this.#context, 'file', batch.askedFiles);
    this.#offer = { offer, accept: (accepted) => batch.acceptFiles(accepted) };
    await this.#finishIfResolved();
    return offer.candidates;
  }

  async takePortions(files: readonly PortionedFile[]): Promise<Candidates> {
    const batch = this.#openBatch();
    const offer = createOffer(this.#context, 'portion', await batch.takePortions(files));
    this.#offer = { offer, accept: (accepted) => batch.acceptPortions(accepted) };
    await this.#finishIfResolved();
    return offer.candidates;
  }

  /** `number` counts the choices of the session. */
  async choose(choice: Choice, number: number): Promise<Verdict> {
    const waiting = this.#offer ?? outOfOrder('there is nothing to choose from');
    const { verdict, accepted } = await waiting.offer.settle(choice, number);
    if (!verdict.isAccepted) return verdict;
    this.#offer = undefined;
    await waiting.accept(accepted);
    await this.#finishIfResolved();
    return verdict;
  }

  async takeUpload(upload: Upload): Promise<void> {
    await this.#openBatch().takeUpload(upload);
    await this.#finishIfResolved();
  }

  async withdraw(file: number): Promise<void> {
    await this.#openBatch().withdraw(file);
    await this.#finishIfResolved();
  }

  /** The root that was built, or the known directory of this number, once it is seen to be there. */
  async root(known: number | undefined): Promise<DirectoryIds> {
    if (this.#batch !== undefined) outOfOrder('a batch is not finished');
    if (known === undefined) return this.#builder.root();
    const { contents, scope } = this.#context;
    return loadIds(contents, scope, this.#knownDirectory(known).attributesId);
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

  /** The trees of the known directories that a batch refers to: only now is it worth reading them. */
  async #loadKnown(directories: readonly AnnouncedDirectory[]): Promise<void> {
    const { contents, scope } = this.#context;
    for (const entry of directories.flatMap(({ entries }) => entries)) {
      if (entry.kind !== 'directory' || entry.known === undefined) continue;
      const ids = this.#knownDirectory(entry.known);
      if (ids.treeId !== NOT_LOADED) continue;
      this.#offeredDirectories[entry.known] = await loadIds(contents, scope, ids.attributesId);
    }
  }

  #knownDirectory(number: number): DirectoryIds {
    return this.#offeredDirectories[number] ?? outOfOrder('a directory is named that was not offered');
  }

  #openBatch(): Batch {
    return this.#batch ?? outOfOrder('no batch is open');
  }
}

const NOT_LOADED = new Uint8Array(0);

function outOfOrder(reason: string): never {
  throw new WeirError('WEIR_WIRE_ORDER', reason);
}
