import { z } from 'zod';
import { configSchema } from './config-schema.ts';

/** What the owner and a proxy worker say to each other besides what `Keeper` has. */
export const nothing = z.undefined();
export const ready = z.object({ parcelPath: z.string() });
export const start = z.object({ config: configSchema });
export const started = z.object({
  address: z.object({ address: z.string(), family: z.string(), port: z.int() }),
});
export const logged = z.object({
  level: z.enum(['info', 'warn', 'error']),
  event: z.string(),
  facts: z.record(z.string(), z.unknown()),
});

const counters = z.record(z.string(), z.union([z.number(), z.record(z.string(), z.number())]));
export const stats = z.object({ recorder: counters, proxy: counters });
export type WorkerStats = z.infer<typeof stats>;

/** Counters by name; some stand in groups. */
interface Counters {
  readonly [name: string]: number | Counters;
}

/** Each counter summed over all workers. */
export function sumOf(all: readonly WorkerStats[]): Counters {
  return all.reduce<Counters>(plus, {});
}

function plus(one: Counters, other: Counters): Counters {
  const sum: Record<string, number | Counters> = { ...one };
  for (const [name, value] of Object.entries(other)) {
    const before = sum[name];
    if (typeof value === 'number') sum[name] = (typeof before === 'number' ? before : 0) + value;
    else sum[name] = plus(typeof before === 'object' ? before : {}, value);
  }
  return sum;
}
