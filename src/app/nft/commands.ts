import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { WeirError } from '../../base/errors.ts';
import type { ProviderFlags } from '../commands/operate.ts';
import { loadConfig } from '../config.ts';
import { createOutput, type Output } from '../output.ts';
import {
  confirmInterception,
  type InterceptionState,
  installInterception,
  interceptionState,
  removeInterception,
} from './interception.ts';
import { routingCommands } from './routing.ts';
import { type Interception, interceptionScript, removalScript } from './rules.ts';

export interface NftFlags extends ProviderFlags {
  readonly interface?: readonly string[];
  readonly via?: string;
  readonly port?: string;
  readonly seconds?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

const DEFAULT_PORT = 3129;
const DEFAULT_SECONDS = 30;
const POLL_MS = 500;

/** Prints what `apply` would put in force. */
export async function showInterception(flags: NftFlags): Promise<void> {
  print(createOutput(flags), await readInterception(flags), secondsOf(flags));
}

/**
 * Puts interception in force and waits to be told, on the terminal or by `weir nft confirm`, that
 * the operator still has his line. WEIR_NFT_UNCONFIRMED, and all is removed again, when not told.
 */
export async function applyInterception(flags: NftFlags): Promise<void> {
  const output = createOutput(flags);
  const interception = await readInterception(flags);
  const seconds = secondsOf(flags);
  if (flags.dryRun === true) return print(output, interception, seconds);
  await installInterception(interception, seconds);
  if (seconds !== undefined) {
    output.note(
      `In force for ${seconds} s. To keep it: weir nft confirm${process.stdin.isTTY ? ', or Enter here' : ''}`,
    );
    if (!(await isConfirmed())) {
      await removeInterception();
      throw new WeirError('WEIR_NFT_UNCONFIRMED', 'not confirmed in time: nothing is intercepted any more');
    }
  }
  output.result('port 80 is intercepted');
  output.json('nft', { state: 'confirmed' });
}

export async function confirm(flags: NftFlags): Promise<void> {
  const output = createOutput(flags);
  await confirmInterception();
  output.result('confirmed');
  output.json('nft', { state: 'confirmed' });
}

export async function remove(flags: NftFlags): Promise<void> {
  const output = createOutput(flags);
  if (flags.dryRun === true) return output.result(removalScript().trimEnd());
  await removeInterception();
  output.result('nothing is intercepted');
  output.json('nft', { state: 'absent' });
}

export async function status(flags: NftFlags): Promise<void> {
  const output = createOutput(flags);
  const state = await interceptionState();
  output.result(wordsFor(state));
  output.json(
    'nft',
    state.kind === 'waiting' ? { state: state.kind, seconds: state.seconds } : { state: state.kind },
  );
}

function print(output: Output, interception: Interception, seconds: number | undefined): void {
  const rules = interceptionScript(interception, seconds);
  const routing = interception.via === 'tproxy' ? routingCommands() : [];
  output.result([rules, ...routing].join('\n').trimEnd());
  output.json('nft', { rules, routing });
}

async function readInterception(flags: NftFlags): Promise<Interception> {
  const { proxy, dial } = await loadConfig(flags.config);
  const { interface: interfaces = [] } = flags;
  if (interfaces.length === 0)
    throw new WeirError('WEIR_USAGE', 'name where the subscribers come in: --interface eth1');
  const via = flags.via ?? proxy.transparent?.via ?? 'tproxy';
  if (via !== 'tproxy' && via !== 'redirect')
    throw new WeirError('WEIR_USAGE', `--via is tproxy or redirect, not ${via}`);
  const port = wholeNumber('--port', flags.port, proxy.transparent?.port ?? DEFAULT_PORT, 65_535);
  return { via, port, interfaces, clients: proxy.clients, dialled: dial.allow };
}

function secondsOf({ yes, seconds }: NftFlags): number | undefined {
  return yes === true ? undefined : wholeNumber('--seconds', seconds, DEFAULT_SECONDS, 3_600);
}

function wholeNumber(flag: string, text: string | undefined, otherwise: number, most: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new WeirError('WEIR_USAGE', `${flag} is a whole number from 1 to ${most}, not ${text}`);
}

/** The kernel knows, whoever confirmed, and when the time is over. */
async function isConfirmed(): Promise<boolean> {
  const terminal = process.stdin.isTTY ? createInterface(process.stdin) : undefined;
  terminal?.once('line', () => {
    confirmInterception().catch(() => {
      // Too late: the state says so.
    });
  });
  try {
    for (;;) {
      const { kind } = await interceptionState();
      if (kind !== 'waiting') return kind === 'confirmed';
      await sleep(POLL_MS);
    }
  } finally {
    terminal?.close();
  }
}

function wordsFor(state: InterceptionState): string {
  switch (state.kind) {
    case 'absent':
      return 'nothing is intercepted';
    case 'expired':
      return 'nothing is intercepted: the rules were not confirmed in time';
    case 'waiting':
      return `port 80 is intercepted for ${state.seconds} s more, unless confirmed`;
    case 'confirmed':
      return 'port 80 is intercepted';
  }
}
