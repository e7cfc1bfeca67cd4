/**
 * A process that serves the proxy's port beside others. It has a parser, a cache and a recorder of its
 * own; what they keep goes to the process that started this one, which alone has the stores open.
 */
import { createLink, type Link } from '../../proxy/worker/link.ts';
import { openParcelSender } from '../../proxy/worker/parcels.ts';
import { openRemoteKeeper } from '../../proxy/worker/remote-keeper.ts';
import { systemClock } from '../base/clock.ts';
import type { WeirError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { openProxyRole } from './proxy-role.ts';
import { nothing, start } from './worker-messages.ts';

async function main(): Promise<void> {
  const link = createLink({ send: (message, sent) => void process.send?.(message, sent), onFault });
  const parcels = await openParcelSender(onFault);
  link.hear('start', start, async ({ config }) => {
    await parcels.connected;
    const keeper = await openRemoteKeeper(link, parcels, systemClock);
    const proxy = await openProxyRole(config, logTo(link), keeper, keeper.elsewhere);
    link.hear('stats', nothing, () => proxy.stats());
    link.hear('settle', nothing, () => proxy.settle());
    link.hear('close', nothing, async () => {
      await proxy.close();
      process.exit();
    });
    return { address: proxy.address };
  });
  process.on('message', (message) => link.receive(message));
  // Without the owner there is nobody to keep anything, nor to say when to end.
  process.once('disconnect', () => process.exit());
  // The signals of a terminal and of systemd reach every process; the owner says when its turn has come.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
  link.tell('ready', { parcelPath: parcels.path });
}

function onFault(error: WeirError): never {
  throw error;
}

function logTo(link: Link): Log {
  return {
    info: (event, facts) => link.tell('log', { level: 'info', event, facts }),
    warn: (event, facts) => link.tell('log', { level: 'warn', event, facts }),
    error: (event, facts) => link.tell('log', { level: 'error', event, facts }),
  };
}

await main();
