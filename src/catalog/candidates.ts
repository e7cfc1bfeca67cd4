import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Identifier, identifierOfId, type Level } from '../content/identifier.ts';
import type { PortionList } from '../content/portion-list.ts';
import { type CandidateTable, createCandidateTable, MAX_CANDIDATES, PROVED } from './candidate-table.ts';
import type { NewObject } from './objects.ts';
import type { Scope } from './scope.ts';

/** An object that an identifier may mean. */
export interface Found {
  readonly contentId: Uint8Array;
  /** The scope's owner gave it or has shown to have it. */
  readonly isProved: boolean;
  /** Under which the table has it. */
  readonly key: bigint;
}

/** What an object is found by. */
export type ObjectName = Pick<NewObject, 'level' | 'identifier' | 'sizeBytes' | 'contentId'>;

const LOW = 0xffff_ffffn;
/** Portions dropped in one go: some 10 ms. */
const DROPPED_AT_ONCE = 4096;

/** What can be found by identifier, of all scopes, in memory. Derived from the records. */
export class Candidates {
  readonly #table: CandidateTable = createCandidateTable();
  readonly #ordinals = new Uint32Array(MAX_CANDIDATES);
  readonly #withDirectories = new Set<number>();

  /** Makes an object and the portions it lists findable. */
  enter(scope: Scope, object: Omit<NewObject, 'portions'>, portions: PortionList): void {
    const { level, identifier, sizeBytes, contentId, isProved } = object;
    const flags = isProved ? PROVED : 0;
    const before = this.#table.entries;
    const ordinal = this.#add(scope.candidateKey(level, identifier, sizeBytes), contentId, flags);
    if (level === 'directory') this.#withDirectories.add(scope.number);
    if (portions.count < 2) return;
    // An object that was there has its portions listed, and only proof can be new.
    const isNew = ordinal !== undefined && this.#table.entries > before;
    for (let index = 0; index < portions.count; index++) {
      const portion = this.#enterPortion(scope, portions.id(index), flags);
      if (isNew && portion !== undefined) this.#table.addListing(portion);
    }
  }

  /**
   * Takes an object out, so that nobody finds it from now on. False when it is not there. Call
   * `dropPortions` once if it was.
   */
  leave(scope: Scope, { level, identifier, sizeBytes, contentId }: ObjectName): boolean {
    return this.#remove(scope.candidateKey(level, identifier, sizeBytes), contentId, () => true);
  }

  /**
   * For portions that an object listed which has left: those that no other object lists and that
   * were not proved are found no more. In pieces, so that others have their turn.
   */
  async dropPortions(scope: Scope, portions: PortionList): Promise<void> {
    if (portions.count < 2) return;
    for (let index = 0; index < portions.count; index++) {
      if (index > 0 && index % DROPPED_AT_ONCE === 0) await nextTurn();
      const id = portions.id(index);
      this.#remove(scope.candidateKey('portion', identifierOfId(id), 0), id, (ordinal) => {
        const table = this.#table;
        // Of a key that was full when the object came, the portion was not entered then.
        const left = table.listings(ordinal) === 0 ? 0 : table.dropListing(ordinal);
        return left === 0 && (table.flags(ordinal) & PROVED) === 0;
      });
    }
  }

  /** Makes a portion findable as one the owner has shown to have. */
  enterProvedPortion(scope: Scope, id: Uint8Array): void {
    this.#enterPortion(scope, id, PROVED);
  }

  find(scope: Scope, level: Level, identifier: Identifier, sizeBytes: number, limit: number): Found[] {
    const key = scope.candidateKey(level, identifier, sizeBytes);
    const count = this.#table.find(Number(key >> 32n), Number(key & LOW), this.#ordinals);
    const found: Found[] = [];
    for (let index = 0; index < count && index < limit; index++) {
      const ordinal = this.#ordinals[index] ?? 0;
      const isProved = (this.#table.flags(ordinal) & PROVED) !== 0;
      // A copy: the place in the table may be another's by the time this is used.
      found.push({ contentId: Buffer.from(this.#table.contentId(ordinal)), isProved, key });
    }
    return found;
  }

  /** Whether the object can be found already, proved if it is to be. */
  has(
    scope: Scope,
    { level, identifier, sizeBytes, contentId, isProved }: ObjectName & Pick<NewObject, 'isProved'>,
  ): boolean {
    const found = this.find(scope, level, identifier, sizeBytes, MAX_CANDIDATES);
    return found.some((one) => (one.isProved || !isProved) && Buffer.from(one.contentId).equals(contentId));
  }

  /** Of objects that are there. */
  markProved(found: readonly Found[]): void {
    for (const { key, contentId } of found) this.#add(key, contentId, PROVED);
  }

  hasDirectories(scope: Scope): boolean {
    return this.#withDirectories.has(scope.number);
  }

  get entries(): number {
    return this.#table.entries;
  }

  get memoryBytes(): number {
    return this.#table.sizeBytes;
  }

  #enterPortion(scope: Scope, id: Uint8Array, flags: number): number | undefined {
    return this.#add(scope.candidateKey('portion', identifierOfId(id), 0), id, flags);
  }

  #add(key: bigint, id: Uint8Array, flags: number): number | undefined {
    return this.#table.add(Number(key >> 32n), Number(key & LOW), id, flags);
  }

  /** Whether it was there and is to go. */
  #remove(key: bigint, id: Uint8Array, isToGo: (ordinal: number) => boolean): boolean {
    const [hi, lo] = [Number(key >> 32n), Number(key & LOW)];
    const ordinal = this.#ordinals
      .subarray(0, this.#table.find(hi, lo, this.#ordinals))
      .find((one) => Buffer.compare(this.#table.contentId(one), id) === 0);
    if (ordinal === undefined || !isToGo(ordinal)) return false;
    this.#table.remove(hi, lo, ordinal);
    return true;
  }
}
