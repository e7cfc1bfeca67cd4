import type { HostPort } from './host-port.ts';

/** What an answer of the page depends on besides the path. Names may be hostile: nothing in here is markup. */
export interface PageFacts {
  readonly site: PageSite;
  readonly visitor: Visitor;
  /** The proxy as this visitor reaches it. */
  readonly proxy: HostPort;
}

/** What the provider says about itself; the same for every visitor. */
export interface PageSite {
  readonly version: string;
  /** Shown as "Weir at …". */
  readonly providerName?: string;
  /** How to reach the provider: a sentence, an address, a telephone number. */
  readonly contact?: string;
  /** How long what passed is kept: a whole sentence. */
  readonly retention?: string;
  /** Where the agent is to be had: an http or https URL. */
  readonly agentUrl?: string;
  /** The proxy's public name or address. Without it a visitor is told the address it came to. */
  readonly publicAddress?: HostPort;
  /** Ports to which the PAC file sends https through the proxy. Empty: https goes directly. */
  readonly pacTunnelPorts?: readonly number[];
}

export interface Visitor {
  /** Canonical, as src/base/address-ranges.ts writes addresses. */
  readonly address: string;
  /** Whose address that is: a subscriber, nobody the provider knows, or not to be told here. */
  readonly subscriber: KnownSubscriber | 'unknown' | 'untold';
  /** Whether the request came through the proxy, or as a plain request to its port. */
  readonly isProxied: boolean;
  readonly userAgent: string;
  /** Browsers say so; programs on a command line get plain text. */
  readonly acceptsHtml: boolean;
}

export interface KnownSubscriber {
  readonly name: string;
  /** Whether what passes is recorded for it. */
  readonly isRecorded: boolean;
}

/** An answer, not yet written to anybody. */
export interface PageAnswer {
  readonly status: number;
  /** Content-Type, Cache-Control and whatever else; neither Content-Length nor Date. */
  readonly headers: Readonly<Record<string, string>>;
  /** Empty for 204. */
  readonly body: string;
}
