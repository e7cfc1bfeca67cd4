import type { ElsewhereConnections } from '../http/connections.ts';
import type { Link } from './link.ts';
import { connections } from './messages.ts';

/** The owner's count of the connections that each client has to each worker. */
export interface Census {
  /** Listens to a worker; the others hear of what it says. */
  enter(link: Link): void;
  /** The worker is gone, and its connections with it. */
  leave(link: Link): void;
  /** What all but this worker have. */
  elsewhere(link: Link): [client: string, connections: number][];
}

export function createCensus(): Census {
  const counts = new Map<Link, Map<string, number>>();

  function elsewhereOf(client: string, link: Link): number {
    let sum = 0;
    for (const [one, clients] of counts) if (one !== link) sum += clients.get(client) ?? 0;
    return sum;
  }

  function tellOthers(link: Link, clients: readonly string[]): void {
    for (const one of counts.keys()) {
      if (one === link || clients.length === 0) continue;
      one.tell(
        'elsewhere',
        clients.map((client) => [client, elsewhereOf(client, one)]),
      );
    }
  }

  return {
    enter(link) {
      const own = new Map<string, number>();
      counts.set(link, own);
      link.hear('connections', connections, (changes) => {
        for (const [client, connections] of changes) set(own, client, connections);
        tellOthers(
          link,
          changes.map(([client]) => client),
        );
      });
    },
    leave(link) {
      const clients = [...(counts.get(link)?.keys() ?? [])];
      counts.delete(link);
      tellOthers(link, clients);
    },
    elsewhere(link) {
      const clients = new Set<string>();
      for (const own of counts.values()) for (const client of own.keys()) clients.add(client);
      return [...clients].map((client) => [client, elsewhereOf(client, link)]);
    },
  };
}

/** A worker's side: tells the owner once in a turn of the event loop, hears from it of the others. */
export function joinCensus(link: Link): ElsewhereConnections & { learn(all: [string, number][]): void } {
  const elsewhere = new Map<string, number>();
  const changed = new Map<string, number>();

  function learn(all: [string, number][]): void {
    for (const [client, connections] of all) set(elsewhere, client, connections);
  }

  function tellAll(): void {
    link.tell('connections', [...changed]);
    changed.clear();
  }

  link.hear('elsewhere', connections, learn);
  return {
    learn,
    of: (client) => elsewhere.get(client) ?? 0,
    tell(client, connections) {
      if (changed.size === 0) setImmediate(tellAll);
      changed.set(client, connections);
    },
  };
}

function set(counts: Map<string, number>, client: string, connections: number): void {
  if (connections === 0) counts.delete(client);
  else counts.set(client, connections);
}
