import pino from 'pino';
import { WeirError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { openAppliance } from '../appliance.ts';
import { loadConfig } from '../config.ts';
import type { ProviderFlags } from './operate.ts';

/** Runs the appliance until SIGINT or SIGTERM. */
export async function serve(flags: ProviderFlags): Promise<void> {
  const config = await loadConfig(flags.config);
  const log = pino({ base: null }, pino.destination({ dest: 2, sync: true }));
  const appliance = await openAppliance(config, asLog(log));
  log.info({ event: 'serve.ready', addresses: appliance.addresses, dataDirectory: config.dataDirectory });
  for (const [role, { host, port }] of Object.entries(appliance.addresses)) {
    process.stdout.write(`${role.padEnd(8)} ${host}:${port}\n`);
  }
  process.stdout.write('ready\n');
  const signal = new Promise<string>((resolve) => {
    process.once('SIGINT', () => resolve('SIGINT'));
    process.once('SIGTERM', () => resolve('SIGTERM'));
  });
  const end = await Promise.race([signal, appliance.failure]);
  log.info({ event: 'serve.stopping', reason: end instanceof WeirError ? end.message : end });
  await appliance[Symbol.asyncDispose]();
  if (end instanceof WeirError) throw end;
}

function asLog(log: pino.Logger): Log {
  return {
    info: (event, facts) => log.info({ event, ...facts }),
    warn: (event, facts) => log.warn({ event, ...facts }),
    error: (event, facts) => log.error({ event, ...facts }),
  };
}
