/** How much the cache keeps where, and whom it listens to. */
export interface CacheSettings {
  readonly isEnabled: boolean;
  /** For answers that are asked for often, with their bodies. */
  readonly memoryBytes: number;
  /** Larger bodies are served from the store. */
  readonly memoryBodyBytes: number;
  /** Names of targeted fields that are meant for this cache (RFC 9213), the first counting most. */
  readonly targetedFields: readonly string[];
}

export const DEFAULT_CACHE: CacheSettings = {
  isEnabled: true,
  memoryBytes: 256 * 1024 * 1024,
  memoryBodyBytes: 16 * 1024 * 1024,
  targetedFields: [],
};
