import type { PageFacts, Visitor } from './facts.ts';
import { exportLines, proxyUrl } from './systems.ts';

/** The page for a command line. */
export function plainPage({ site, visitor, proxy }: PageFacts): string {
  const at = site.providerName === undefined ? '' : ` at ${printable(site.providerName)}`;
  return `This is the HTTP proxy of Weir${at}, version ${site.version}.

${visitor.isProxied ? 'This request passed through it' : 'This request came to its port, not through it'}, from ${visitor.address}, ${subscriberOf(visitor)}.
https passes unopened, so nothing of it is kept.

${exportLines(proxy).join('\n')}

${proxyUrl(proxy)}/proxy.pac        the same for a system or a browser
${proxyUrl(proxy)}/                 this page in a browser, with lines for every system
${proxyUrl(proxy)}/weir-heartbeat   answers 204 while the proxy works
`;
}

function subscriberOf({ subscriber }: Visitor): string {
  if (subscriber === 'unknown') return 'an address this provider does not know: nothing is kept for it';
  if (subscriber === 'untold') return 'which http://weir/ tells more about';
  const kept = subscriber.isRecorded ? 'complete downloads over plain http are kept' : 'recording is off';
  return `the address of ${printable(subscriber.name)}: ${kept}`;
}

/** Without what a terminal would obey. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, '\uFFFD');
}
