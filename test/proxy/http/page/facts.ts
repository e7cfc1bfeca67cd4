import type { PageFacts, PageSite, Visitor } from '../../../../proxy/http/page/facts.ts';

/** The facts of a browser that passes through the proxy as ada, but for what a test changes. */
export function pageFacts(visitor: Partial<Visitor> = {}, site: Partial<PageSite> = {}): PageFacts {
  return {
    site: { version: '1.2.3', ...site },
    visitor: {
      address: '192.0.2.17',
      subscriber: { name: 'ada', isRecorded: true },
      isProxied: true,
      userAgent: 'Mozilla/5.0 (X11; Linux x86_64)',
      acceptsHtml: true,
      ...visitor,
    },
    proxy: { host: 'proxy.example.net', port: 3128 },
  };
}
