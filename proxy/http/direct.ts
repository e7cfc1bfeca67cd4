import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { canonicalAddress } from '../../src/base/address-ranges.ts';
import { answerText } from './answer.ts';
import type { KnownSubscriber, PageFacts, PageSite, Visitor } from './page/facts.ts';
import { type HostPort, readHostPort } from './page/host-port.ts';
import { pageAnswer } from './page/page-answer.ts';

export interface DirectSettings {
  readonly site: PageSite;
  /** Whose traffic comes from this canonical address. */
  subscriberAt(address: string): KnownSubscriber | undefined;
}

/** A request addressed to the proxy itself: at its port, or through it to what `isOwn`. */
export interface DirectRequest {
  readonly req: IncomingMessage;
  /** Origin-form, or `*`. */
  readonly path: string;
  readonly isProxied: boolean;
}

const OWN_HOSTS: ReadonlySet<string> = new Set(['weir', 'wpad']);
const HTTP_PORT = 80;

const PROXY_METHODS = 'GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE, CONNECT';
const PAGE_METHODS = 'GET, HEAD, OPTIONS';

/** Whether the proxy answers for this origin itself instead of dialling: http://weir/ and http://wpad/. */
export function isOwn({ host, port }: HostPort): boolean {
  return OWN_HOSTS.has(host) && port === HTTP_PORT;
}

/** Whether a proxied request is for the very port it came to: a browser set by hand asks for the page so. */
export function isThisPort(
  origin: HostPort,
  { localAddress = '', localPort }: Socket,
  site: PageSite,
): boolean {
  const { host, port } = origin;
  if (host === site.publicAddress?.host.toLowerCase() && port === site.publicAddress.port) return true;
  return port === localPort && canonicalAddress(host) === canonicalAddress(localAddress);
}

/** Answers a request addressed to the proxy itself. */
export function answerItself(request: DirectRequest, res: ServerResponse, settings: DirectSettings): void {
  const { req, path } = request;
  if (req.method === 'OPTIONS') {
    res.writeHead(204, { Allow: path === '*' ? PROXY_METHODS : PAGE_METHODS }).end();
  } else if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.setHeader('Allow', PAGE_METHODS);
    answerText(res, 405, 'This is the proxy itself. It is asked by GET.\n');
  } else {
    const { status, headers, body } = pageAnswer(path, factsOf(request, settings));
    const length = status === 204 ? {} : { 'Content-Length': Buffer.byteLength(body) };
    res.writeHead(status, { ...headers, ...length }).end(body);
  }
}

/** What the answer to a request depends on. */
function factsOf(request: DirectRequest, { site, subscriberAt }: DirectSettings): PageFacts {
  const { req, isProxied } = request;
  const { headers, socket } = req;
  const address = canonicalAddress(socket.remoteAddress ?? '') ?? socket.remoteAddress ?? '';
  const named = readHostPort(headers.host);
  const subscriber: Visitor['subscriber'] =
    isProxied || mayTell(headers.host, named, site) ? (subscriberAt(address) ?? 'unknown') : 'untold';
  const visitor = {
    address,
    subscriber,
    isProxied,
    userAgent: headers['user-agent'] ?? '',
    acceptsHtml: /\btext\/html\b/i.test(headers.accept ?? ''),
  };
  // Of a proxy it goes through, a client sees an address that only its socket tells.
  const seen = isProxied || named === undefined || OWN_HOSTS.has(named.host) ? boundAddress(req) : named;
  return { site, visitor, proxy: site.publicAddress ?? seen };
}

/**
 * A name nobody vouches for may be a stranger's, pointed at this proxy so that the stranger's
 * script in the visitor's browser reads the page as its own (DNS rebinding).
 */
function mayTell(
  host: string | undefined,
  named: HostPort | undefined,
  { publicAddress }: PageSite,
): boolean {
  if (host === undefined) return true;
  if (named === undefined) return false;
  const isAddress = canonicalAddress(named.host) !== undefined;
  return isAddress || !named.host.includes('.') || named.host === publicAddress?.host.toLowerCase();
}

function boundAddress({ socket }: IncomingMessage): HostPort {
  const [local = ''] = (socket.localAddress ?? '').split('%');
  return { host: canonicalAddress(local) ?? 'localhost', port: socket.localPort ?? 0 };
}
