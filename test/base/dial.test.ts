import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { createDial, createDialer, type Resolve } from '../../src/base/dial.ts';
import { dialPolicy } from '../../src/base/dial-policy.ts';
import { WeirError } from '../../src/base/errors.ts';

/** Ways to write an address that must not be dialled, or to make a name lead to one. */
const DENIED_SPELLINGS = [
  ...['127.0.0.1', '127.1', '127.0.1', '0177.0.0.1', '0x7f.0.0.1', '0x7f.1', '0x7f000001', '2130706433'],
  ...['017700000001', '127.255.255.254', '0', '0.0.0.0', '0x0', '00000000000'],
  ...['localhost', 'LOCALHOST', 'LocalHost', '10.0.0.1', '10.255.255.255', '0xa.1', '012.1', '167772161'],
  ...[
    '172.16.0.1',
    '172.31.255.255',
    '0xac.0x10.0.1',
    '192.168.0.1',
    '192.168.1.1',
    '0xc0a80001',
    '3232235521',
  ],
  ...['169.254.169.254', '0xa9fea9fe', '2852039166', '0251.0376.0251.0376', '169.254.1', '100.64.0.1'],
  ...['100.127.255.255', '100.100.100.200', '168.63.129.16', '192.0.0.192', '198.18.0.1', '224.0.0.1'],
  ...['239.255.255.250', '240.0.0.1', '255.255.255.255', '::', '::1', '0:0:0:0:0:0:0:1', '0000::0001'],
  ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:10.0.0.1', '0:0:0:0:0:ffff:c0a8:1', '::127.0.0.1'],
  ...['::ffff:169.254.169.254', '64:ff9b::127.0.0.1', '64:ff9b::a9fe:a9fe', '64:ff9b:1::1', '2002:7f00:1::'],
  ...['2002:a00:1::1', '2001::1', 'fc00::1', 'fd00:ec2::254', 'fe80::1', 'fe80::1%lo', 'fec0::1', 'ff02::1'],
];

const PUBLIC = [
  '93.184.216.34',
  '8.8.8.8',
  '172.32.0.1',
  '100.128.0.1',
  '2606:4700::1111',
  '::ffff:8.8.8.8',
  '64:ff9a::1',
];

describe('dial', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  /** A listener that counts who reached it. */
  async function listener(host: string, port = 0): Promise<{ port: number; reached: Socket[] }> {
    const reached: Socket[] = [];
    const server = createServer((socket) => reached.push(socket.destroy()));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(port, host, resolve));
    return { port: (server.address() as AddressInfo).port, reached };
  }

  it(`refuses ${DENIED_SPELLINGS.length} spellings of special-purpose addresses`, async () => {
    expect(DENIED_SPELLINGS.length).to.be.at.least(60);
    const dial = createDial({ allow: [], timeoutMs: 2_000 });
    for (const host of DENIED_SPELLINGS) {
      expect(await codeOf(dial(host, 80)), host).to.equal('WEIR_DIAL_REFUSED');
    }
  });

  it('lets public addresses through the check', () => {
    const isDialable = dialPolicy({ allow: [] });
    for (const address of PUBLIC) expect(isDialable(address), address).to.equal(true);
  });

  it('refuses an answer with one denied address among good ones', async () => {
    const { port, reached } = await listener('127.0.0.1');
    const dial = createDial({ allow: ['127.0.0.1'], resolve: async () => ['127.0.0.1', '10.0.0.1'] });
    expect(await codeOf(dial('name.test', port))).to.equal('WEIR_DIAL_REFUSED');
    expect(reached).to.have.length(0);
  });

  it('dials the address it checked when the name changes its answer', async () => {
    const good = await listener('127.0.0.2');
    const canary = await listener('127.0.0.1', good.port);
    const answers = [['127.0.0.2'], ['127.0.0.1']];
    let asked = 0;
    const resolve: Resolve = async () => answers[Math.min(asked++, 1)] ?? [];
    const dial = createDial({ allow: ['127.0.0.2/32'], resolve, answerTtlMs: 50 });
    (await dial('rebinding.test', good.port)).destroy();
    (await dial('Rebinding.test', good.port)).destroy();
    expect(asked, 'the second dial uses the kept answer').to.equal(1);
    await new Promise((done) => setTimeout(done, 100));
    expect(await codeOf(dial('rebinding.test', good.port))).to.equal('WEIR_DIAL_REFUSED');
    expect(asked).to.equal(2);
    expect(canary.reached).to.have.length(0);
  });

  it('tries the next address when one does not answer', async () => {
    const { port } = await listener('127.0.0.3');
    const dial = createDial({ allow: ['127.0.0.0/8'], resolve: async () => ['127.0.0.2', '127.0.0.3'] });
    const socket = await dial('name.test', port);
    expect(socket.remoteAddress).to.equal('127.0.0.3');
    socket.destroy();
  });

  it('allows what is configured, mapped or not, and lets deny win', async () => {
    const { port } = await listener('127.0.0.1');
    const dial = createDial({ allow: ['127.0.0.0/8'], deny: ['127.0.0.9'] });
    for (const host of ['127.0.0.1', 'localhost', '::ffff:127.0.0.1']) (await dial(host, port)).destroy();
    expect(await codeOf(dial('127.0.0.9', port))).to.equal('WEIR_DIAL_REFUSED');
  });

  it('fails when a name has no address, does not resolve in time, or the port is closed', async () => {
    const empty = createDial({ allow: [], resolve: async () => [] });
    expect(await codeOf(empty('name.test', 80))).to.equal('WEIR_DIAL_FAILED');
    const silent = createDial({ allow: [], resolve: () => new Promise(() => {}), timeoutMs: 50 });
    expect(await codeOf(silent('name.test', 80))).to.equal('WEIR_DIAL_FAILED');
    const { port } = await listener('127.0.0.1');
    const dial = createDial({ allow: ['127.0.0.0/8'] });
    expect(await codeOf(dial('127.0.0.2', port))).to.equal('WEIR_DIAL_FAILED');
  });

  it('asks again after a failed lookup, and once for concurrent dials', async () => {
    const { port } = await listener('127.0.0.1');
    let asked = 0;
    const resolve: Resolve = async () => {
      asked += 1;
      if (asked === 1) throw new Error('no such name');
      return ['127.0.0.1'];
    };
    const dial = createDial({ allow: ['127.0.0.1'], resolve });
    expect(await codeOf(dial('name.test', port))).to.equal('WEIR_DIAL_FAILED');
    for (const socket of await Promise.all([dial('name.test', port), dial('name.test', port)]))
      socket.destroy();
    expect(asked).to.equal(2);
  });

  it('tells the addresses it would choose from, unchecked', async () => {
    let asked = 0;
    const resolve: Resolve = async () => [`10.0.0.${++asked}`];
    const { dial, addressesOf } = createDialer({ allow: [], resolve });
    expect(await addressesOf('name.test')).to.deep.equal(['10.0.0.1']);
    expect(await codeOf(dial('name.test', 80))).to.equal('WEIR_DIAL_REFUSED');
    expect(await addressesOf('NAME.test')).to.deep.equal(['10.0.0.1']);
    expect(await addressesOf('192.0.2.1')).to.deep.equal(['192.0.2.1']);
    expect(asked).to.equal(1);
  });

  it('refuses malformed ranges in the configuration', () => {
    for (const range of [
      '',
      '10.0.0.0/33',
      '::/129',
      '10.0.0/8',
      'localhost',
      '10.0.0.0/8/8',
      '1.2.3.4/-1',
    ]) {
      expect(() => createDial({ allow: [range] }), range).to.throw(WeirError, 'is not an address range');
    }
  });
});

async function codeOf(dialled: Promise<Socket>): Promise<string> {
  try {
    (await dialled).destroy();
    return 'connected';
  } catch (error) {
    if (error instanceof WeirError) return error.code;
    throw error;
  }
}
