import { z } from 'zod';
import { WeirError } from '../../base/errors.ts';
import { run } from './programs.ts';
import { addRouting, removeRouting } from './routing.ts';
import { confirmationScript, type Interception, interceptionScript, removalScript, TABLE } from './rules.ts';

/** What the kernel has of our rules; it is the only place where that is kept. */
export type InterceptionState =
  | { readonly kind: 'absent' }
  /** In force, and removed by the kernel unless confirmed before. */
  | { readonly kind: 'waiting'; readonly seconds: number }
  /** The time to confirm is over: the rules are there and match nothing. */
  | { readonly kind: 'expired' }
  | { readonly kind: 'confirmed' };

const tables = listing(z.object({ table: z.object({ family: z.string(), name: z.string() }).optional() }));
const timedElement = z.object({ elem: z.object({ expires: z.number() }) });
const sets = listing(
  z.object({
    set: z.object({ elem: z.array(z.union([z.number(), timedElement])).optional() }).optional(),
  }),
);

export async function interceptionState(): Promise<InterceptionState> {
  const all = tables.parse(JSON.parse(await run('nft', ['-j', 'list', 'tables']))).nftables;
  if (!all.some(({ table }) => table !== undefined && `${table.family} ${table.name}` === TABLE))
    return { kind: 'absent' };
  const text = await run('nft', ['-j', 'list', 'set', ...TABLE.split(' '), 'ports']);
  const [element] = sets.parse(JSON.parse(text)).nftables.flatMap(({ set }) => set?.elem ?? []);
  if (element === undefined) return { kind: 'expired' };
  if (typeof element === 'number') return { kind: 'confirmed' };
  return { kind: 'waiting', seconds: element.elem.expires };
}

/** Puts the rules in force, for `seconds` unless they are confirmed; for good without. Idempotent. */
export async function installInterception(
  interception: Interception,
  seconds: number | undefined,
): Promise<void> {
  const script = interceptionScript(interception, seconds);
  const before = await interceptionState();
  try {
    if (interception.via === 'tproxy') await addRouting();
    await run('nft', ['-f', '-'], script);
  } catch (error) {
    if (before.kind === 'absent') await removeRouting();
    throw error;
  }
  if (interception.via !== 'tproxy') await removeRouting();
}

/** Keeps what is in force. WEIR_NFT_UNCONFIRMED when nothing is. */
export async function confirmInterception(): Promise<void> {
  const { kind } = await interceptionState();
  if (kind === 'confirmed') return;
  if (kind !== 'waiting')
    throw new WeirError('WEIR_NFT_UNCONFIRMED', 'nothing is in force that could be confirmed');
  await run('nft', ['-f', '-'], confirmationScript());
}

/** Removes the table and the routing of marked packets, and nothing else. Idempotent. */
export async function removeInterception(): Promise<void> {
  await run('nft', ['-f', '-'], removalScript());
  await removeRouting();
}

function listing<T>(item: z.ZodType<T>) {
  return z.object({ nftables: z.array(item) });
}
