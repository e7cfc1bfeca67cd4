import { existsSync } from 'node:fs';
import { z } from 'zod';
import { run } from './programs.ts';
import { MARK } from './rules.ts';

/** The routing table of the marked packets; the number is the mark's. */
const ROUTING_TABLE = String(Number(MARK));
/** After the table of local addresses, before everybody else's rules. */
const PREFERENCE = '100';
const RULE = ['pref', PREFERENCE, 'fwmark', MARK, 'lookup', ROUTING_TABLE];
const ROUTE = ['local', 'default', 'dev', 'lo', 'table', ROUTING_TABLE];

const ruleList = z.array(z.object({ fwmark: z.string().optional(), table: z.string().optional() }));

/** The commands by which marked packets are delivered here, whatever their destination. For people. */
export function routingCommands(): string[] {
  return families().flatMap((family) => [
    ['ip', family, 'rule', 'add', ...RULE].join(' '),
    ['ip', family, 'route', 'replace', ...ROUTE].join(' '),
  ]);
}

/** Idempotent. */
export async function addRouting(): Promise<void> {
  for (const family of families()) {
    await run('ip', [family, 'route', 'replace', ...ROUTE]);
    if (!(await hasRule(family))) await run('ip', [family, 'rule', 'add', ...RULE]);
  }
}

/** Idempotent. */
export async function removeRouting(): Promise<void> {
  for (const family of families()) {
    if (!(await hasRule(family))) continue;
    await run('ip', [family, 'rule', 'del', ...RULE]);
    await run('ip', [family, 'route', 'flush', 'table', ROUTING_TABLE]);
  }
}

async function hasRule(family: string): Promise<boolean> {
  const rules = ruleList.parse(JSON.parse(await run('ip', [family, '-N', '-j', 'rule', 'show'])));
  return rules.some(({ fwmark, table }) => fwmark === MARK && table === ROUTING_TABLE);
}

function families(): string[] {
  return existsSync('/proc/net/if_inet6') ? ['-4', '-6'] : ['-4'];
}
