import { isIPv4 } from 'node:net';
import { canonicalAddress } from '../../base/address-ranges.ts';
import { SPECIAL_PURPOSE } from '../../base/dial-policy.ts';
import { WeirError } from '../../base/errors.ts';

/** Which connections the kernel is to bring to the proxy, and how. */
export interface Interception {
  readonly via: 'tproxy' | 'redirect';
  /** Where the proxy listens for them. */
  readonly port: number;
  /** Where subscribers' packets come in. */
  readonly interfaces: readonly string[];
  /** CIDR ranges of the subscribers. */
  readonly clients: readonly string[];
  /** CIDR ranges the proxy dials although they are special-purpose. */
  readonly dialled: readonly string[];
}

export const TABLE = 'inet weir';
/** "weir": a mark and a routing table that nobody else uses by accident. */
export const MARK = '0x77656972';
const INTERCEPTED_PORT = 80;

/**
 * The script for `nft -f`: replaces the table, in one transaction. What is intercepted stands in the
 * set `ports`; with `seconds`, its element ends by itself. So an operator who locks himself out, or
 * whose session dies, needs no process to rescue him: the kernel does.
 */
export function interceptionScript(interception: Interception, seconds: number | undefined): string {
  const element = `${INTERCEPTED_PORT}${seconds === undefined ? '' : ` timeout ${seconds}s`}`;
  const { clients, dialled } = interception;
  return [
    `table ${TABLE}`,
    `delete table ${TABLE}`,
    `table ${TABLE} {`,
    `  set ports { type inet_service; flags timeout; elements = { ${element} }; }`,
    ...addressSets('clients', clients),
    ...addressSets('special', SPECIAL_PURPOSE),
    ...addressSets('dialled', dialled),
    '  chain intercept {',
    ...rules(interception).map((rule) => `    ${rule}`),
    '  }',
    '}',
    '',
  ].join('\n');
}

/** Makes what `interceptionScript` has put in force for a while stay. */
export function confirmationScript(): string {
  return `flush set ${TABLE} ports\nadd element ${TABLE} ports { ${INTERCEPTED_PORT} }\n`;
}

export function removalScript(): string {
  return `table ${TABLE}\ndelete table ${TABLE}\n`;
}

/** What the proxy sends passes no prerouting hook, and so none of these. */
function rules({ via, port, interfaces }: Interception): string[] {
  const isTproxy = via === 'tproxy';
  const hook = isTproxy ? 'filter hook prerouting priority mangle' : 'nat hook prerouting priority dstnat';
  const mark = `meta mark set ${MARK} accept`;
  const catches = (family: string): string =>
    isTproxy ? `tproxy ${family} to :${port} ${mark}` : `redirect to :${port}`;
  return [
    `type ${hook}; policy accept;`,
    `iifname != { ${interfaces.map(quotedInterface).join(', ')} } accept`,
    'meta l4proto != tcp accept',
    // Connections the proxy has already stay its own, also when no new ones are intercepted.
    ...(isTproxy ? [`socket transparent 1 socket wildcard 0 ${mark}`] : []),
    'fib daddr type local accept',
    // The proxy would refuse to dial these.
    'ip daddr @special4 ip daddr != @dialled4 accept',
    'ip6 daddr @special6 ip6 daddr != @dialled6 accept',
    `ip saddr @clients4 tcp dport @ports ${catches('ip')}`,
    `ip6 saddr @clients6 tcp dport @ports ${catches('ip6')}`,
  ];
}

function addressSets(name: string, ranges: readonly string[]): string[] {
  const canonical = ranges.map((range) => {
    const [address = '', prefix] = range.split('/');
    return [canonicalAddress(address) ?? address, ...(prefix === undefined ? [] : [prefix])].join('/');
  });
  const isV4 = (range: string): boolean => isIPv4(range.split('/')[0] ?? '');
  return [
    addressSet(`${name}4`, 'ipv4_addr', canonical.filter(isV4)),
    addressSet(
      `${name}6`,
      'ipv6_addr',
      canonical.filter((range) => !isV4(range)),
    ),
  ];
}

function addressSet(name: string, type: string, elements: readonly string[]): string {
  const listed = elements.length === 0 ? '' : ` elements = { ${elements.join(', ')} };`;
  return `  set ${name} { type ${type}; flags interval; auto-merge;${listed} }`;
}

function quotedInterface(name: string): string {
  if (/^[\w.@-]{1,15}$/.test(name)) return `"${name}"`;
  throw new WeirError('WEIR_USAGE', `'${name}' is not the name of a network interface`);
}
