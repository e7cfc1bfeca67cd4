import { assert } from '../../../src/base/assert.ts';
import { type HostPort, hostPortText, isHost } from './host-port.ts';

/**
 * A proxy auto-configuration file. Plain http goes through the proxy and, when that is gone,
 * directly. What the proxy cannot reach or see into does not go through it at all: private and
 * link-local addresses, names without a dot, ports it refuses, ws, ftp, and https unless
 * `tunnelPorts` names its port.
 *
 * It decides by the text of the URL alone: dnsResolve and its kin hold a browser up at every
 * look-up. Written for the oldest engines (WinHTTP's JScript), which give IPv6 hosts in brackets
 * where others give them bare; isPlainHostName takes such an address for a name.
 */
export function proxyPac(proxy: HostPort, tunnelPorts: readonly number[] = []): string {
  assert(isHost(proxy.host), 'the host of a PAC file needs no quoting');
  return `function FindProxyForURL(url, host) {
  var weir = 'PROXY ${hostPortText(proxy)}; DIRECT';
  var scheme = url.substring(0, url.indexOf(':')).toLowerCase();
  var port = /:(\\d+)$/.exec(url.split('/')[2]);
  port = port ? Number(port[1]) : scheme === 'https' ? 443 : 80;
  host = host.toLowerCase().replace(/^\\[|\\]$/g, '');
  if (scheme === 'http' && host === 'weir') return weir;
  if (isNear(host)) return 'DIRECT';
  if (scheme === 'http') return port === 80 || port >= 1024 ? weir : 'DIRECT';
${httpsRule(tunnelPorts)}  return 'DIRECT';
}

function isNear(host) {
  if (host.indexOf(':') >= 0) return /^(::|f[cd]|fe[89ab])/.test(host);
  if (host.indexOf('.') < 0) return true;
  if (/^\\d+(\\.\\d+){3}$/.test(host))
    return /^(0|10|127|169\\.254|192\\.168|172\\.(1[6-9]|2\\d|3[01])|100\\.(6[4-9]|[7-9]\\d|1[01]\\d|12[0-7]))\\./.test(host);
  return /\\.(local|localhost|lan|internal|home\\.arpa)$/.test(host);
}
`;
}

function httpsRule(ports: readonly number[]): string {
  if (ports.length === 0) return '';
  return `  if (scheme === 'https' && (${ports.map((port) => `port === ${port}`).join(' || ')})) return weir;\n`;
}
