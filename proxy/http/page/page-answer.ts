import { CONTENT_SECURITY_POLICY, ICON, notFoundPage, onboardingPage } from './document.ts';
import type { PageAnswer, PageFacts } from './facts.ts';
import { plainPage } from './plain-text.ts';
import { proxyPac } from './proxy-pac.ts';

/**
 * What the proxy answers for itself to GET of this path (origin-form, with or without a query): at
 * its own port, and for the hosts `weir` and `wpad` through it. Pure; knows no socket.
 */
export function pageAnswer(path: string, facts: PageFacts): PageAnswer {
  const [name = ''] = path.split('?');
  if (isTestDownload(name)) return testDownload(name);
  switch (name) {
    case '/':
      return page(200, facts, onboardingPage, plainPage);
    case '/proxy.pac':
    case '/wpad.dat':
      return {
        status: 200,
        headers: { ...PRIVATE, 'Content-Type': 'application/x-ns-proxy-autoconfig' },
        body: proxyPac(facts.proxy, facts.site.pacTunnelPorts),
      };
    case '/weir-heartbeat':
      return { status: 204, headers: { ...PRIVATE, 'X-Weir': facts.site.version }, body: '' };
    case '/favicon.svg':
      return { status: 200, headers: { ...LASTING, 'Content-Type': 'image/svg+xml' }, body: ICON };
    case '/robots.txt':
      return { status: 200, headers: { ...LASTING, ...TEXT }, body: 'User-agent: *\nDisallow: /\n' };
    default:
      return page(404, facts, notFoundPage, () => 'There is nothing here.\n');
  }
}

/** Whether the answer to this path is for the cache to keep, so that the page can show a hit. */
export function isTestDownload(path: string): boolean {
  return /^\/test\/[a-z0-9-]{1,64}$/i.test(path);
}

const TEXT = { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' };
const PRIVATE = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };
const LASTING = { 'Cache-Control': 'max-age=86400', 'X-Content-Type-Options': 'nosniff' };

/**
 * Fresh for the proxy's cache and not for the browser's own: without a validator the browser asks
 * again, with a request that says nothing against a cached answer. Tells nothing about anybody, so
 * every page may read it: that of the proxy's own port has to.
 */
export function testDownload(path: string): PageAnswer {
  const headers = {
    ...TEXT,
    'Cache-Control': 'max-age=0, s-maxage=60',
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': 'Cache-Status',
  };
  return { status: 200, headers, body: `Weir test download ${path.slice('/test/'.length)}\n` };
}

function page(
  status: number,
  facts: PageFacts,
  asHtml: (facts: PageFacts) => string,
  asText: (facts: PageFacts) => string,
): PageAnswer {
  const shared = { ...PRIVATE, Vary: 'Accept' };
  if (!facts.visitor.acceptsHtml) return { status, headers: { ...shared, ...TEXT }, body: asText(facts) };
  const headers = {
    ...shared,
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': CONTENT_SECURITY_POLICY,
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
  };
  return { status, headers, body: asHtml(facts) };
}
