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
  /** Where the candidate stands in the table. */
  readonly ordinal: number;
}

/** What an object is found by. */
export type ObjectName = Pick<NewObject, 'level' | 'identifier' | 'sizeBytes' | 'contentId'>;

const LOW = 0xffff_ffffn;

/** What can be found by identifier, of all scopes, in memory. Derived from the records. */
export class Candidates {
  readonly #table: CandidateTable = createCandidateTable();
  readonly #ordinals = new Uint32Array(MAX_CANDIDATES);
  readonly #withDirectories = new Set<number>();

  /** Makes an object and the portions it lists findable. */
  enter(scope: Scope, object: Omit<NewObject, 'portions'>, portions: PortionList): void {
    const { level, identifier, sizeBytes, contentId, isProved } = object;
    const flags = isProved ? PROVED : 0;
    this.#add(scope.candidateKey(level, identifier, sizeBytes), contentId, flags);
    if (level === 'directory') this.#withDirectories.add(scope.number);
    if (portions.count < 2) return;
    for (let index = 0; index < portions.count; index++) this.#enterPortion(scope, portions.id(index), flags);
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
      found.push({ contentId: this.#table.contentId(ordinal), isProved, ordinal });
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

  markProved(found: readonly Found[]): void {
    for (const { ordinal } of found) this.#table.setFlags(ordinal, this.#table.flags(ordinal) | PROVED);
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

  #enterPortion(scope: Scope, id: Uint8Array, flags: number): void {
    this.#add(scope.candidateKey('portion', identifierOfId(id), 0), id, flags);
  }

  #add(key: bigint, id: Uint8Array, flags: number): void {
    this.#table.add(Number(key >> 32n), Number(key & LOW), id, flags);
  }
}
