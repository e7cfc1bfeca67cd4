import { createCipheriv, randomInt } from 'node:crypto';

/** Choices that a seed repeats. */
export interface Chance {
  /** From 0 up to `below`, exclusive. */
  integer(below: number): number;
  bytes(sizeBytes: number): Buffer;
  pick<T>(list: readonly [T, ...T[]]): T;
}

/** AES-256-CTR under the seed: the same on every machine, and fast. */
export function chance(seed: number): Chance {
  const key = Buffer.alloc(32);
  key.writeDoubleLE(seed, 0);
  const stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  let pool = Buffer.alloc(0);
  function take(sizeBytes: number): Buffer {
    if (sizeBytes > 4096) return stream.update(Buffer.alloc(sizeBytes));
    if (pool.length < sizeBytes) pool = stream.update(Buffer.alloc(65_536));
    const taken = Buffer.from(pool.subarray(0, sizeBytes));
    pool = pool.subarray(sizeBytes);
    return taken;
  }
  return {
    integer: (below) => Math.floor((take(6).readUIntLE(0, 6) / 2 ** 48) * below),
    bytes: take,
    pick(list) {
      return list[Math.floor((take(6).readUIntLE(0, 6) / 2 ** 48) * list.length)] ?? list[0];
    },
  };
}

/** Runs `body` under a new seed; a failure names the seed, and WEIR_SEED replays it. */
export function underSeed(body: (chance: Chance) => void): void {
  const seed = Number(process.env['WEIR_SEED'] ?? randomInt(2 ** 32));
  try {
    body(chance(seed));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${reason} (WEIR_SEED=${seed} replays it)`, { cause });
  }
}

const TELLING = [0, 1, 2, 0x7f, 0x80, 0x81, 0xfe, 0xff] as const;

/** The bytes with one to three things wrong: flipped, overwritten, cut, doubled, enlarged or shortened. */
export function mutated(original: Uint8Array, { integer, bytes, pick }: Chance): Buffer {
  let mutant = Buffer.from(original);
  for (let rounds = 1 + integer(3); rounds > 0; rounds--) {
    const at = integer(mutant.length + 1);
    const length = integer(Math.min(16, mutant.length - at + 1));
    const [head, body, tail] = [
      mutant.subarray(0, at),
      mutant.subarray(at, at + length),
      mutant.subarray(at + length),
    ];
    switch (integer(7)) {
      case 0:
        if (at < mutant.length) mutant[at] = (mutant[at] ?? 0) ^ (1 << integer(8));
        break;
      case 1:
        if (at < mutant.length) mutant[at] = pick(TELLING);
        break;
      case 2:
        mutant = Buffer.concat([head, tail]);
        break;
      case 3:
        mutant = Buffer.concat([head, body, body, tail]);
        break;
      case 4:
        mutant = Buffer.concat([head, bytes(1 + integer(8)), tail]);
        break;
      case 5:
        mutant = Buffer.concat([head, Buffer.alloc(1 + integer(9), 0xff), tail]);
        break;
      default:
        mutant = Buffer.from(head);
    }
  }
  return mutant;
}
