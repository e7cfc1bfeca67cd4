/** Thrown when the program itself is wrong. Never thrown for bad input or a failing machine. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/**
 * States what the code relies on. Stays on in production: going on with a broken invariant is
 * what loses data.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}
