import { createHash } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { html } from '../../../../proxy/http/page/html.ts';
import { isTestDownload, pageAnswer } from '../../../../proxy/http/page/page-answer.ts';
import { pageFacts } from './facts.ts';

const HOSTILE = `<script>alert(1)</script>"'&<img src=x onerror=alert(1)>`;
const MAX_PAGE_BYTES = 20_000;

describe('the page of the proxy', () => {
  const page = (...facts: Parameters<typeof pageFacts>): string => pageAnswer('/', pageFacts(...facts)).body;

  it('tells whether the visitor passes, with which address, as whom, and what is kept', () => {
    const known = page();
    for (const told of ['You are passing', '192.0.2.17', 'ada', 'complete downloads over plain http'])
      expect(known).to.include(told);
    expect(page({ subscriber: { name: 'ada', isRecorded: false } })).to.include('Recording is off for you');
    expect(page({ subscriber: 'unknown' })).to.include('not known to this provider');
    expect(page({ subscriber: 'untold' })).to.include('told at <a href="http://weir/">');
    const direct = page({ isProxied: false });
    expect(direct).to.not.include('You are passing');
    expect(direct).to.include('<a href="http://weir/">');
  });

  const userAgents: readonly [userAgent: string, id: string][] = [
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64)', 'windows'],
    ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)', 'macos'],
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)', 'ios'],
    ['Mozilla/5.0 (Linux; Android 15; Pixel 9)', 'android'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'linux'],
  ];
  for (const [userAgent, id] of userAgents) {
    it(`opens ${id} first for ${userAgent}`, () => {
      const openings = [...page({ userAgent }).matchAll(/<details id="(\w+)"( open)?>/g)];
      expect(openings.map(([, , isOpen]) => isOpen === ' open')).to.deep.equal(
        openings.map((_, i) => i === 0),
      );
      expect(openings[0]?.[1]).to.equal(id);
      expect(openings).to.have.length(13);
    });
  }

  it('opens nothing for a system it does not know', () => {
    expect(page({ userAgent: 'Haiku' })).to.not.match(/<details[^>]* open/);
  });

  it('names the proxy in every line to be copied, in brackets and quotes where it is IPv6', () => {
    const facts = { ...pageFacts(), proxy: { host: '2001:db8::5', port: 3128 } };
    const { body } = pageAnswer('/', facts);
    expect(body).to.include('export http_proxy=&#39;http://[2001:db8::5]:3128&#39;');
    expect(body).to.include('http=[2001:db8::5]:3128');
    expect(page()).to.include('<code>export http_proxy=http://proxy.example.net:3128</code>');
  });

  it('shows hostile names as the text they are', () => {
    const subscriber = { name: HOSTILE, isRecorded: true };
    const site = { providerName: HOSTILE, contact: HOSTILE, retention: HOSTILE, agentUrl: HOSTILE };
    const body = page({ subscriber, userAgent: HOSTILE, address: HOSTILE }, site);
    expect(body.match(/<script/g)).to.have.length(1);
    expect(body).to.not.include('<img');
    // The contact stands in two places, the agent's address in its link and as its text.
    expect(body.split(html`${HOSTILE}`.markup)).to.have.length(1 + 8);
  });

  it('asks nothing of any other place and runs nothing but its own script', () => {
    const { headers, body } = pageAnswer('/', pageFacts());
    const policy = headers['Content-Security-Policy'] ?? '';
    for (const [element, source] of [
      ['script', 'script-src'],
      ['style', 'style-src'],
    ] as const) {
      const [, text = ''] = new RegExp(`<${element}>([^]*?)</${element}>`).exec(body) ?? [];
      const hash = createHash('sha256').update(text).digest('base64');
      expect(text).to.have.length.greaterThan(500);
      expect(policy).to.include(`${source} 'sha256-${hash}'`);
    }
    expect(policy).to.match(/^default-src 'none'; /);
    expect(body).to.not.match(/ (?:on\w+|style)=/);
    expect([...body.matchAll(/ src=/g)]).to.have.length(0);
    expect(headers['Cache-Control']).to.equal('no-store');
  });

  it(`is below ${MAX_PAGE_BYTES} bytes`, () => {
    expect(Buffer.byteLength(page())).to.be.below(MAX_PAGE_BYTES);
  });

  it('is text for a command line, in which a name moves no cursor', () => {
    const { headers, body } = pageAnswer(
      '/',
      pageFacts({ acceptsHtml: false, subscriber: { name: 'a\u001b[2J\u202eb', isRecorded: true } }),
    );
    expect(headers['Content-Type']).to.match(/^text\/plain/);
    expect(headers['Vary']).to.equal('Accept');
    expect(body).to.match(/^This is the HTTP proxy of Weir/);
    expect(body).to.include('export http_proxy=http://proxy.example.net:3128');
    expect(body).to.match(/^[\P{C}\n]*$/u);
  });

  it('has beside it a PAC file under both names, a heartbeat, an icon and a word to robots', () => {
    for (const path of ['/proxy.pac', '/wpad.dat', '/wpad.dat?x']) {
      const { headers, body } = pageAnswer(path, pageFacts());
      expect(headers['Content-Type'], path).to.equal('application/x-ns-proxy-autoconfig');
      expect(body).to.include('PROXY proxy.example.net:3128; DIRECT');
    }
    expect(pageAnswer('/weir-heartbeat', pageFacts())).to.deep.include({ status: 204, body: '' });
    expect(pageAnswer('/weir-heartbeat', pageFacts()).headers['X-Weir']).to.equal('1.2.3');
    expect(pageAnswer('/favicon.svg', pageFacts()).body).to.match(/^<svg /);
    expect(pageAnswer('/robots.txt', pageFacts()).body).to.equal('User-agent: *\nDisallow: /\n');
  });

  it('has a test download that the proxy may keep and a browser may not', () => {
    const { status, headers, body } = pageAnswer('/test/a-1', pageFacts());
    expect(status).to.equal(200);
    expect(headers['Cache-Control']).to.equal('max-age=0, s-maxage=60');
    expect(headers['Access-Control-Expose-Headers']).to.equal('Cache-Status');
    expect(body).to.equal(pageAnswer('/test/a-1', pageFacts({ subscriber: 'unknown', address: '::' })).body);
    for (const path of ['/test/', '/test/a/b', '/test/<b>', `/test/${'a'.repeat(65)}`, '/test']) {
      expect(isTestDownload(path), path).to.equal(false);
      expect(pageAnswer(path, pageFacts()).status, path).to.equal(404);
    }
  });

  it('is not anywhere else', () => {
    for (const path of ['/x', '*', '//', '/proxy.pac/', '/%2e']) {
      const { status, body } = pageAnswer(path, pageFacts());
      expect(status, path).to.equal(404);
      expect(body).to.include('There is nothing here');
      expect(pageAnswer(path, pageFacts({ acceptsHtml: false })).body).to.equal('There is nothing here.\n');
    }
  });
});

describe('markup', () => {
  it('holds any text so that it comes out again and ends nothing it stands in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const { markup } = html`${text}`;
        expect(markup).to.not.match(/[<>"']/);
        const decoded = markup.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
        expect(decoded).to.equal(text);
      }),
    );
  });
});
