import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { type Interception, interceptionScript } from '../../../src/app/nft/rules.ts';

const BASE: Interception = {
  via: 'tproxy',
  port: 3129,
  interfaces: ['eth1', 'wg-home.7'],
  clients: ['10.0.0.0/8', '10.1.2.3', '2001:db8::/32', '::ffff:192.0.2.1'],
  dialled: ['10.9.0.0/16'],
};

describe('nftables rules', () => {
  it('catch the subscribers’ port 80, by either way', () => {
    const tproxy = interceptionScript(BASE, undefined);
    expect(tproxy).to.include('iifname != { "eth1", "wg-home.7" } accept');
    expect(tproxy).to.include(
      'clients4 { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/8, 10.1.2.3, 192.0.2.1 }; }',
    );
    expect(tproxy).to.include(
      'clients6 { type ipv6_addr; flags interval; auto-merge; elements = { 2001:db8::/32 }; }',
    );
    expect(tproxy).to.include('ip saddr @clients4 tcp dport @ports tproxy ip to :3129');
    expect(tproxy).to.include('elements = { 80 };');
    const redirect = interceptionScript({ ...BASE, via: 'redirect', port: 81 }, undefined);
    expect(redirect).to.include('ip6 saddr @clients6 tcp dport @ports redirect to :81');
    expect(redirect).not.to.match(/tproxy|mark|socket/);
  });

  it('end by themselves when a time is given', () => {
    expect(interceptionScript(BASE, 45)).to.include('elements = { 80 timeout 45s };');
  });

  it('take no interface name that could be more than a name', () => {
    for (const name of ['', 'eth0"', 'a b', 'x'.repeat(16), 'eth0\n', 'a;b', '*']) {
      expect(() => interceptionScript({ ...BASE, interfaces: [name] }, 30), name).to.throw(
        'is not the name of a network interface',
      );
    }
  });

  it('are understood by nft', function () {
    const version = spawnSync('nft', ['--version']);
    if (version.error !== undefined || process.getuid?.() !== 0) {
      if (process.env['WEIR_REQUIRE_PEERS'] === '1') throw new Error('needs nft and root');
      this.skip();
    }
    for (const via of ['tproxy', 'redirect'] as const) {
      for (const seconds of [30, undefined]) {
        const input = interceptionScript({ ...BASE, via }, seconds);
        const { status, stderr } = spawnSync('nft', ['--check', '-f', '-'], { input });
        expect(String(stderr)).to.equal('');
        expect(status).to.equal(0);
      }
    }
  });
});
