/** What was opened and must be closed again, last first. */
export interface Closers {
  defer(close: () => Promise<void>): void;
  /**
   * Closes everything, also when some closing fails; then throws the first failure. Idempotent:
   * resolves when all is closed, also for one who asks again in between.
   */
  closeAll(): Promise<void>;
}

export function createClosers(): Closers {
  const closers: (() => Promise<void>)[] = [];
  let closing: Promise<void> | undefined;

  async function closeEach(): Promise<void> {
    const failures: unknown[] = [];
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  return {
    defer(close) {
      closers.push(close);
    },
    closeAll: () => (closing ??= closeEach()),
  };
}
