import { request as httpRequest, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { assert } from '../../src/base/assert.ts';
import type { Dial } from '../../src/base/dial.ts';
import { WeirError } from '../../src/base/errors.ts';
import { refuseConnection } from './answer.ts';
import { headersForClient, headersForOrigin, type RawHeaders, valuesOf } from './headers.ts';
import type { HttpLimits } from './limits.ts';
import { upstreamError } from './origin-fetch.ts';
import type { ForwardRequest } from './request.ts';
import { relayBoth } from './tunnel.ts';

export interface UpgradeSettings {
  readonly dial: Dial;
  readonly limits: HttpLimits;
}

/**
 * Whether a request that asks to upgrade is a WebSocket handshake (RFC 6455 section 4.1). Nothing
 * else is passed on: through h2c, requests would reach an origin that nobody here has read.
 */
export function isWebSocketRequest({ method, httpVersion, rawHeaders }: IncomingMessage): boolean {
  const protocols = valuesOf(rawHeaders, 'upgrade');
  const framing = ['content-length', 'transfer-encoding'].flatMap((name) => valuesOf(rawHeaders, name));
  return (
    method === 'GET' &&
    httpVersion === '1.1' &&
    protocols.length === 1 &&
    protocols[0]?.toLowerCase() === 'websocket' &&
    framing.length === 0
  );
}

/**
 * Gives a request back to its server without its wish to upgrade, to be served like any other; it
 * is the last of its connection. `head` is what followed on the connection, a body perhaps: only
 * the server's parser knows, and that had been taken off.
 */
export function serveWithoutUpgrade(
  server: Server,
  { method, url, httpVersion, rawHeaders }: IncomingMessage,
  socket: Socket,
  head: Buffer,
): void {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  // What else Connection names stays a matter of this connection.
  const options = valuesOf(rawHeaders, 'connection')
    .flatMap((value) => value.split(','))
    .filter((option) => !/keep-alive/i.test(option));
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (!/^(?:upgrade|connection)$/i.test(name)) lines.push(`${name}: ${rawHeaders[at + 1]}`);
  }
  lines.push(`Connection: ${['close', ...options].join(', ')}`, '', '');
  socket.unshift(Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), head]));
  server.emit('connection', socket);
}

/**
 * Passes a WebSocket handshake on, over a connection of its own. When the origin switches, bytes are
 * relayed like a tunnel's; any other answer is passed back and ends the connection: what the client
 * sent ahead is then no message of anybody. Settles when all is over, with the reason when the
 * origin gave no answer.
 */
export async function runUpgrade(
  { dial, limits }: UpgradeSettings,
  believed: Promise<ForwardRequest>,
  req: IncomingMessage,
  client: Socket,
  head: Buffer,
): Promise<WeirError | undefined> {
  // The close that follows an error is where it is dealt with.
  client.on('error', () => {});
  let upstream: Socket | undefined;
  // A client that is gone holds none of its connections any more, so neither may it hold one of ours.
  const abandon = (): void => void upstream?.destroy();
  client.once('close', abandon);
  try {
    const request = await believed;
    const { host, port } = request.origin;
    upstream = await dial(host, port, { allowHalfOpen: true });
    upstream.on('error', () => {});
    if (client.destroyed) abandon();
    const answer = await ask(upstream, request, limits.originIdleMs);
    client.off('close', abandon);
    if (answer.switched === undefined) await passAnswer(req, answer.message, client);
    else {
      client.write(switchingHead(answer.message.rawHeaders), 'latin1');
      client.write(answer.switched);
      upstream.write(head);
      await relayBoth(client, upstream, limits.tunnelIdleMs);
    }
    return undefined;
  } catch (cause) {
    upstream?.destroy();
    const error = upstreamError(cause);
    refuseConnection(client, error);
    return error;
  }
}

interface Answer {
  readonly message: IncomingMessage;
  /** The first bytes of the other protocol, when the origin switched. */
  readonly switched: Buffer | undefined;
}

function ask(socket: Socket, request: ForwardRequest, idleMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({
      method: request.method,
      path: request.path,
      headers: headersForOrigin(request.rawHeaders, {
        Host: request.authority,
        Connection: 'Upgrade',
        Upgrade: 'websocket',
      }),
      createConnection: () => socket,
    });
    // None is dropped: what bounds them is Node.js' limit on the size of headers.
    asked.maxHeadersCount = 0;
    asked.setTimeout(idleMs, () => {
      asked.destroy(new WeirError('WEIR_PROXY_UPSTREAM', `nothing has moved for ${idleMs} ms`));
    });
    asked.on('response', (message) => resolve({ message, switched: undefined }));
    asked.on('upgrade', (message, _socket, switched) => {
      if (message.headers.upgrade?.toLowerCase() === 'websocket') return resolve({ message, switched });
      reject(new WeirError('WEIR_PROXY_UPSTREAM', 'the origin switched to another protocol than asked'));
    });
    asked.on('error', reject);
    asked.end();
  });
}

function switchingHead(raw: RawHeaders): string {
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'];
  const headers = headersForClient(raw);
  for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** The server has let go of the connection, so that the answer needs a ServerResponse of its own. */
async function passAnswer(req: IncomingMessage, answer: IncomingMessage, client: Socket): Promise<void> {
  const { statusCode, rawHeaders } = answer;
  assert(statusCode !== undefined, 'an answer has a status');
  if (valuesOf(rawHeaders, 'transfer-encoding').some((coding) => coding.toLowerCase() !== 'chunked')) {
    throw new WeirError('WEIR_PROXY_UPSTREAM', 'the origin answered in an unclear Transfer-Encoding');
  }
  if (client.destroyed) {
    answer.destroy();
    return;
  }
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(client);
  res.writeHead(statusCode, headersForClient(rawHeaders));
  try {
    await pipeline(answer, res);
  } catch {
    // Whoever broke it off is gone, and the client gets less than its framing says.
  }
  client.destroySoon();
}
