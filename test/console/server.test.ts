import { once } from 'node:events';
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { expect } from 'chai';
import { type ErrorCode, WeirError } from '../../src/base/errors.ts';
import type { Log } from '../../src/base/log.ts';
import { createOperator, MAX_SUBSCRIBER_CONNECTIONS } from '../../src/console/operator.ts';
import { type ConsoleServer, MAX_API_BODY_BYTES, openConsole } from '../../src/console/server.ts';
import { decodeInvitation } from '../../src/wire/invitation.ts';
import { codeOf, type OpenedCatalog, openTestCatalog } from '../catalog/opened-catalog.ts';

const TOKEN = 'ab'.repeat(32);

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

interface Asked {
  readonly body?: unknown;
  /** Sent as it is, instead of `body`. */
  readonly raw?: string | Buffer;
  readonly headers?: Record<string, string>;
}

describe('console', () => {
  let server: ConsoleServer;
  let opened: OpenedCatalog;
  let errors: string[];
  let stats: () => Record<string, unknown>;

  beforeEach(async () => {
    opened = await openTestCatalog();
    errors = [];
    stats = () => ({ recorder: { recorded: 3 } });
    const log: Log = { info() {}, warn() {}, error: (event) => errors.push(event) };
    const provider = { host: 'backup.test', port: 7400, pin: Buffer.alloc(32, 7) };
    const operator = createOperator(opened.catalog, provider);
    const listen = { host: '127.0.0.1', port: 0 };
    server = await openConsole({ listen, operator, token: TOKEN, stats: () => stats(), log });
  });
  afterEach(async () => {
    await server.close();
    await opened.remove();
  });

  async function ask(method: string, path: string, asked: Asked = {}): Promise<Answer> {
    const body = asked.raw ?? (asked.body === undefined ? undefined : JSON.stringify(asked.body));
    const headers = {
      authorization: `Bearer ${TOKEN}`,
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': `${Buffer.byteLength(body)}` }),
      ...asked.headers,
    };
    const { host, port } = server.address;
    const message = request({ host, port, method, path, headers });
    message.end(body);
    const [response] = await once(message, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    return { status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() };
  }

  function expectError(answer: Answer, status: number, code: ErrorCode): void {
    const told: Record<string, unknown> = JSON.parse(answer.text);
    expect([answer.status, told['code']], answer.text).to.deep.equal([status, code]);
    expect(told['message']).to.be.a('string').that.is.not.equal('');
    expect(told['remedy']).to.be.a('string').that.is.not.equal('');
    expect(Object.keys(told), 'no stack, no cause').to.have.members(['code', 'message', 'remedy']);
  }

  const add = (name: string, addresses?: string[]) =>
    ask('POST', '/api/subscribers', { body: { name, ...(addresses && { addresses }) } });

  it('tells its health to everybody', async () => {
    const headers = { authorization: '' };
    const [health, ready] = [
      await ask('GET', '/healthz', { headers }),
      await ask('GET', '/readyz', { headers }),
    ];
    expect([health.status, health.text, ready.status, ready.text]).to.deep.equal([
      200,
      'ok\n',
      200,
      'ready\n',
    ]);
  });

  it('asks for the token on everything else, before it reads anything', async () => {
    const routes: [string, string][] = [
      ['GET', '/api/stats'],
      ['GET', '/api/subscribers'],
      ['POST', '/api/subscribers'],
      ['POST', '/api/subscribers/ada/invitations'],
      ['PATCH', '/api/subscribers/ada'],
      ['DELETE', '/api/subscribers/ada/devices/pc'],
      ['GET', '/api/nothing'],
      ['GET', '/api'],
      ['GET', '/API/stats'],
      ['GET', '/api/../api/stats'],
      ['POST', '/api/subscribers'],
    ];
    const tokens = [
      '',
      TOKEN,
      'Bearer',
      'Bearer ',
      `Bearer ${TOKEN.slice(0, -1)}`,
      `Bearer ${TOKEN}0`,
      `Bearer ${TOKEN.toUpperCase()}`,
      `Bearer ${'0'.repeat(64)}`,
      `Basic ${TOKEN}`,
      `Bearer ${'é'.repeat(32)}`,
    ];
    for (const [method, path] of routes) {
      const answer = await ask(method, path, { headers: { authorization: 'Bearer wrong' }, raw: '{broken' });
      expectError(answer, 401, 'WEIR_OPERATOR_REFUSED');
    }
    for (const authorization of tokens) {
      const answer = await ask('GET', '/api/stats', {
        headers: { authorization: Buffer.from(authorization).toString('latin1') },
      });
      expectError(answer, 401, 'WEIR_OPERATOR_REFUSED');
    }
    expect(errors).to.deep.equal([]);
  });

  it('adds a subscriber and gives an invitation that enrols a device', async () => {
    const answer = await add('ada', ['10.0.0.1', '2001:0DB8::0001', '::ffff:192.0.2.1']);
    expect(answer.status).to.equal(201);
    const invitation = decodeInvitation(JSON.parse(answer.text).invitation);
    expect([invitation.host, invitation.port]).to.deep.equal(['backup.test', 7400]);
    const { subscriber } = await opened.catalog.subscribers.enrol(invitation.token, 'pc', undefined);
    expect(subscriber.addresses).to.deep.equal(['10.0.0.1', '2001:db8::1', '192.0.2.1']);
    const list = JSON.parse((await ask('GET', '/api/subscribers')).text);
    expect(list).to.deep.equal([
      {
        number: 1,
        name: 'ada',
        isSuspended: false,
        createdMs: opened.clock.wallMs(),
        addresses: subscriber.addresses,
        consents: { http: { isGiven: true, timeMs: opened.clock.wallMs(), by: 'default' } },
        connections: null,
      },
    ]);
  });

  it('refuses subscribers that are taken or malformed', async () => {
    await add('ada', ['10.0.0.1']);
    expectError(await add('ada'), 409, 'WEIR_NAME_TAKEN');
    expectError(await add('bob', ['10.0.0.1']), 409, 'WEIR_ADDRESS_TAKEN');
    for (const address of ['10.0.0', 'localhost', '10.0.0.0/8', '', 'fe80::1%lo', '::1/128', '1.2.3.4 '])
      expectError(await add('bob', [address]), 400, 'WEIR_USAGE');
    for (const body of [
      {},
      [],
      { name: 5 },
      { name: '' },
      { name: 'x'.repeat(65) },
      { name: 'bob', addresses: '10.0.0.1' },
      { name: 'bob', addresses: [5] },
      { name: 'bob', addresses: Array.from({ length: 65 }, () => '10.0.0.2') },
      { name: 'bob', admin: true },
      { addresses: [] },
    ])
      expectError(await ask('POST', '/api/subscribers', { body }), 400, 'WEIR_USAGE');
    expect(opened.catalog.subscribers.list().map(({ name }) => name)).to.deep.equal(['ada']);
  });

  it('refuses a body that is no JSON, too large, of another kind or compressed', async () => {
    const post = (asked: Asked) => ask('POST', '/api/subscribers', asked);
    for (const raw of ['{', '{"name":', 'null', '"x"', '5', '\0', '{"name":"a"}x', ''])
      expectError(await post({ raw }), 400, 'WEIR_USAGE');
    const large = JSON.stringify({ name: 'bob', addresses: ['x'.repeat(MAX_API_BODY_BYTES)] });
    const tooLarge = await post({ raw: large });
    expect(tooLarge.status, 'too large').to.be.within(400, 413);
    expect(JSON.parse(tooLarge.text).code).to.match(/^WEIR_/);
    expectError(
      await post({ raw: '{"name":"bob"}', headers: { 'content-type': 'text/plain' } }),
      400,
      'WEIR_USAGE',
    );
    const foreign = await post({
      raw: '{"name":"bob"}',
      headers: { 'content-type': 'application/json; charset=x-none' },
    });
    expect(foreign.status).to.be.within(400, 415);
    const squeezed = await post({ raw: Buffer.from('rubbish'), headers: { 'content-encoding': 'gzip' } });
    expect(squeezed.status).to.equal(400);
    expect(opened.catalog.subscribers.list()).to.deep.equal([]);
    expect(errors, 'the fault of the caller').to.deep.equal([]);
  });

  it('does not let a name reach into an object', async () => {
    const raw = '{"name":"ada","__proto__":{"addresses":["10.0.0.9"]}}';
    const answer = await ask('POST', '/api/subscribers', { raw });
    expect([201, 400]).to.include(answer.status);
    expect(opened.catalog.subscribers.byAddress('10.0.0.9')).to.equal(undefined);
    expectError(await ask('POST', '/api/subscribers/__proto__/invitations'), 404, 'WEIR_SUBSCRIBER_UNKNOWN');
  });

  it('invites another device, and knows whom it does not know', async () => {
    const name = 'ada / Söhne & co?';
    await add(name);
    const path = `/api/subscribers/${encodeURIComponent(name)}/invitations`;
    const [one, two] = [await ask('POST', path), await ask('POST', path)];
    expect([one.status, two.status]).to.deep.equal([201, 201]);
    expect(one.text).not.to.equal(two.text);
    const { token } = decodeInvitation(JSON.parse(two.text).invitation);
    expect((await opened.catalog.subscribers.enrol(token, 'pc', undefined)).subscriber.name).to.equal(name);
    expectError(await ask('POST', '/api/subscribers/nobody/invitations'), 404, 'WEIR_SUBSCRIBER_UNKNOWN');
    expectError(await ask('POST', '/api/subscribers/%E0%A4%A/invitations'), 400, 'WEIR_USAGE');
  });

  const set = (change: unknown, name = 'ada') => ask('PATCH', `/api/subscribers/${name}`, { body: change });

  it('suspends and resumes', async () => {
    await add('ada');
    const answer = await set({ isSuspended: true });
    expect([answer.status, JSON.parse(answer.text).isSuspended]).to.deep.equal([200, true]);
    expect(opened.catalog.subscribers.byName('ada')?.isSuspended).to.equal(true);
    expect((await set({ isSuspended: false })).status).to.equal(200);
    expect(opened.catalog.subscribers.byName('ada')?.isSuspended).to.equal(false);
    expectError(await set({ isSuspended: true }, 'nobody'), 404, 'WEIR_SUBSCRIBER_UNKNOWN');
  });

  it('changes what is recorded, addresses and connections in one step', async () => {
    await add('ada', ['10.0.0.1']);
    await add('bob', ['10.0.0.2']);
    const changes = {
      recording: { http: false },
      addresses: ['::ffff:10.0.0.3', '2001:DB8::1'],
      connections: 7,
    };
    const answer = await set(changes);
    expect(answer.status).to.equal(200);
    const ada = opened.catalog.subscribers.byAddress('10.0.0.3');
    expect(ada).to.deep.include({ addresses: ['10.0.0.3', '2001:db8::1'], connections: 7 });
    expect(ada?.consents.http).to.deep.include({ isGiven: false, by: 'operator' });
    expect(JSON.parse(answer.text)).to.deep.include({ connections: 7, consents: ada?.consents });
    expectError(await set({ connections: 9, addresses: ['10.0.0.2'] }), 409, 'WEIR_ADDRESS_TAKEN');
    expect(opened.catalog.subscribers.byName('ada')?.connections, 'all or nothing').to.equal(7);
    expect(JSON.parse((await set({ connections: null })).text).connections).to.equal(null);
  });

  it('refuses changes that are none, wrong or unknown', async () => {
    await add('ada', ['10.0.0.1']);
    const before = opened.catalog.subscribers.byName('ada');
    for (const change of [
      {},
      [],
      { isSuspended: 'yes' },
      { isSuspended: 1 },
      { isSuspended: true, name: 'x' },
      { connections: 0 },
      { connections: -1 },
      { connections: 1.5 },
      { connections: MAX_SUBSCRIBER_CONNECTIONS + 1 },
      { addresses: ['10.0.0.0/8'] },
      { addresses: null },
      { recording: true },
      { recording: {} },
      { recording: { http: 'off' } },
      { recording: { smtp: true } },
      { consents: {} },
    ])
      expectError(await set(change), 400, 'WEIR_USAGE');
    expect(opened.catalog.subscribers.byName('ada')).to.deep.equal(before);
  });

  it('adds a subscriber whose downloads are not recorded, by its own rule or the provider’s', async () => {
    await ask('POST', '/api/subscribers', { body: { name: 'ada', recording: { http: false } } });
    expect(opened.catalog.subscribers.byName('ada')?.consents.http?.isGiven).to.equal(false);
    const provider = { host: 'backup.test', port: 7400, pin: Buffer.alloc(32, 7) };
    const strict = createOperator(opened.catalog, provider, { http: false });
    await strict.addSubscriber('bob', []);
    await strict.addSubscriber('cid', [], { http: true });
    const given = opened.catalog.subscribers.list().map(({ consents }) => consents.http?.isGiven);
    expect(given).to.deep.equal([false, false, true]);
  });

  it('revokes the tokens of a device', async () => {
    const { subscribers } = opened.catalog;
    const ada = await subscribers.add('ada', []);
    const { token } = await subscribers.enrol(await subscribers.invite(ada), 'my/pc', undefined);
    const revoke = (device: string) =>
      ask('DELETE', `/api/subscribers/ada/devices/${encodeURIComponent(device)}`);
    expect((await revoke('other')).text).to.equal('{"revoked":0}');
    expect((await revoke('my/pc')).text).to.equal('{"revoked":1}');
    expect(await codeOf(subscribers.authenticate(token))).to.equal('WEIR_TOKEN_REFUSED');
    expectError(await ask('DELETE', '/api/subscribers/nobody/devices/pc'), 404, 'WEIR_SUBSCRIBER_UNKNOWN');
  });

  it('tells the counters, and hides what went wrong inside', async () => {
    expect(JSON.parse((await ask('GET', '/api/stats')).text)).to.deep.equal({ recorder: { recorded: 3 } });
    stats = () => {
      throw new TypeError('secret detail');
    };
    const answer = await ask('GET', '/api/stats');
    expectError(answer, 500, 'WEIR_INTERNAL');
    expect(errors).to.deep.equal(['console.request_failed']);
    stats = () => {
      throw new WeirError('WEIR_STORE_CLOSED', 'the store is shutting down');
    };
    expectError(await ask('GET', '/api/stats'), 503, 'WEIR_STORE_CLOSED');
  });

  it('has nothing anywhere else, and does not say what it is made of', async () => {
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/api/nothing'],
      ['PUT', '/api/subscribers'],
      ['DELETE', '/api/subscribers/ada'],
      ['POST', '/healthz'],
      ['GET', '/%2e%2e/etc/passwd'],
      ['GET', '/api/subscribers/ada'],
    ] as const) {
      const answer = await ask(method, path);
      expect(answer.status, `${method} ${path}`).to.equal(404);
      expect(answer.headers['content-type']).to.match(/^application\/json/);
      expect(answer.headers).not.to.have.property('x-powered-by');
    }
    for (const path of ['/healthz', '/api/stats', '/api/subscribers']) {
      const { headers } = await ask('GET', path);
      expect(headers).not.to.have.any.keys('x-powered-by', 'server', 'access-control-allow-origin');
    }
  });

  it('closes with connections open, and says when its port is taken', async () => {
    const { host, port } = server.address;
    const socket = connect(port, host);
    await once(socket, 'connect');
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n');
    const closed = new Promise((resolve) => socket.on('error', () => undefined).on('close', resolve));
    const again = openConsole({
      listen: { host, port },
      operator: createOperator(opened.catalog, { host, port, pin: Buffer.alloc(32) }),
      token: TOKEN,
      stats: () => ({}),
      log: { info() {}, warn() {}, error() {} },
    });
    expect(await codeOf(again)).to.equal('WEIR_PORT_UNAVAILABLE');
    await server.close();
    await closed;
  });
});
