import { createHash } from 'node:crypto';
import type { PageFacts, Visitor } from './facts.ts';
import { hostPortText } from './host-port.ts';
import { type Html, html } from './html.ts';
import { SCRIPT } from './script.ts';
import { STYLE } from './style.ts';
import { exportLines, line, proxyUrl, type System, systemsFor } from './systems.ts';

/** Nothing but the two inline pieces and the test download: no outside resource, no frame, no form. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src ${hashSource(STYLE)}`,
  `script-src ${hashSource(SCRIPT)}`,
  "img-src 'self'",
  "connect-src 'self' http://weir",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#0a6b73"/>' +
  '<path d="M4 11h8c6 0 3 8 9 8h7M4 16h6c6 0 3 8 9 8h9" fill="none" stroke="#fff" stroke-width="2.5" stroke-linecap="round"/></svg>';

/** The page for a person who sets up a machine. */
export function onboardingPage(facts: PageFacts): string {
  const { visitor, site } = facts;
  const body = html`<body data-way="${visitor.isProxied ? 'proxied' : 'direct'}">
${banner(site.providerName)}
<main>
${status(facts)}
${setUp(facts)}
${whatIsKept(facts)}
${backUp(facts)}
</main>
<footer><p>Weir ${site.version}${site.contact === undefined ? undefined : html` · Help: <bdi>${site.contact}</bdi>`}</p></footer>
<div id="said" role="status" class="said"></div>
<script>${{ markup: SCRIPT }}</script>
</body>`;
  return documentOf('Weir', body);
}

/** Where there is nothing. */
export function notFoundPage(facts: PageFacts): string {
  return documentOf(
    'Not here · Weir',
    html`<body>
${banner(facts.site.providerName)}
<main><h1>There is nothing here.</h1><p>This is the proxy itself. <a href="/">How to set it up</a></p></main>
</body>`,
  );
}

function documentOf(title: string, body: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>${title}</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<style>${{ markup: STYLE }}</style>
</head>
${body}
</html>
`.markup;
}

function banner(providerName: string | undefined): Html {
  const at = providerName === undefined ? undefined : html` at <bdi>${providerName}</bdi>`;
  return html`<header>${{ markup: ICON.replace('<svg', '<svg aria-hidden="true"') }}<div><b>Weir</b>${at}</div></header>`;
}

function status({ visitor }: PageFacts): Html {
  const { isProxied } = visitor;
  const headline = isProxied ? 'You are passing through Weir.' : 'You have reached Weir.';
  const reached = html`<p id="reached">You came to the proxy's own port. Whether this browser also <i>uses</i> the proxy is
seen at <a href="http://weir/">http://weir/</a>, which opens only through it.</p>`;
  return html`<section id="status" class="status${isProxied ? ' yes' : ''}" aria-labelledby="state">
<h1 id="state">${headline}</h1>
${isProxied ? undefined : reached}
<dl>
<dt>Your address</dt><dd>${visitor.address}</dd>
<dt>Subscriber</dt><dd>${subscriberOf(visitor)}</dd>
<dt>Kept for you</dt><dd>${keptFor(visitor)}</dd>
</dl>
<div class="test"><p id="test" role="status">Test download: load <a href="http://weir/test/once">this</a> twice. The
second comes from Weir's cache, as its <code>Cache-Status</code> says.</p>
<button type="button" id="again" hidden>Test again</button></div>
</section>`;
}

function subscriberOf({ subscriber }: Visitor): Html {
  if (subscriber === 'unknown') return html`not known to this provider`;
  if (subscriber === 'untold') return html`told at <a href="http://weir/">http://weir/</a>`;
  return html`<bdi>${subscriber.name}</bdi>`;
}

function keptFor({ subscriber }: Visitor): Html {
  if (subscriber === 'unknown') return html`nothing. Your traffic passes like anybody's`;
  if (subscriber === 'untold') return html`told at <a href="http://weir/">http://weir/</a>`;
  if (!subscriber.isRecorded) return html`nothing. Recording is off for you; your traffic passes`;
  return html`complete downloads over plain http`;
}

function setUp({ proxy, site, visitor }: PageFacts): Html {
  const { own, others } = systemsFor(proxy, visitor.userAgent);
  const https = site.pacTunnelPorts?.length
    ? html`So does https, as a tunnel that is not opened. Everything else goes directly`
    : html`Everything else, https included, goes directly`;
  return html`<section aria-labelledby="setup"><h2 id="setup">Set up ${visitor.isProxied ? 'a' : 'this'} machine</h2>
<p>Give your system this one address as its proxy script (PAC). Plain http then passes through Weir, or goes
directly should Weir be down. ${https} as before.</p>
${line(`${proxyUrl(proxy)}/proxy.pac`)}
<p>Where only a manual proxy can be entered: HTTP proxy <code>${hostPortText(proxy)}</code>, and the field for https
or “secure” left empty.</p>
<div class="systems">
${own.map((system) => details(system, true))}
${others.map((system) => details(system, false))}
</div></section>`;
}

function details({ id, name, passes, steps }: System, isOwn: boolean): Html {
  const mark = isOwn ? html` <span class="own">this machine</span>` : passes && TAGS[passes];
  return html`<details id="${id}"${isOwn ? html` open` : undefined}><summary><h3>${name}</h3>${mark}</summary>
<div>${steps}</div></details>
`;
}

const TAGS = {
  kept: html` <span class="tag kept">plain http: kept</span>`,
  unseen: html` <span class="tag">https: nothing is kept</span>`,
};

function whatIsKept({ site }: PageFacts): Html {
  const { retention = 'Your provider decides.', contact } = site;
  const whom = contact === undefined ? html`your provider` : html`your provider (<bdi>${contact}</bdi>)`;
  return html`<section aria-labelledby="kept"><h2 id="kept">What is kept</h2>
<dl>
<dt>Kept</dt><dd>Each complete download over plain http to a subscriber's address: its bytes, its URL, the time.
It is filed under that subscriber's own key, where no other subscriber's backup can find it.</dd>
<dt>Cached</dt><dd>What its server allows any cache to keep, for as long as it allows.</dd>
<dt>Never</dt><dd>https: it is not opened, so nothing of it is kept. What you send: forms, uploads,
passwords.</dd>
<dt>How long</dt><dd>${retention}</dd>
<dt>Opting out</dt><dd>Undo the lines above and traffic no longer passes here. Or ask ${whom} to switch recording
off for you: then it passes and nothing is recorded.</dd>
</dl></section>`;
}

function backUp({ site, proxy }: PageFacts): Html {
  const { agentUrl } = site;
  const source =
    agentUrl === undefined
      ? html`In a clone of Weir: <code>npm run ready && npm run build && npm link</code>`
      : html`Get it from <a href="${agentUrl}">${agentUrl}</a>`;
  return html`<section aria-labelledby="backup"><h2 id="backup">Back up</h2>
<p>The agent is a command, <code>weir</code>, for Node.js 20.19 or newer. ${source}. Ask your provider for an
invitation, then:</p>
${line('weir setup --invite weir1.…', exportLines(proxy)[0] ?? '', 'weir backup ~/Documents ~/Downloads', 'weir status')}
<p>What you downloaded through Weir is recognised and not sent again. To get something back:</p>
${line('weir snapshots', 'weir restore latest:home/ada/Documents -t /tmp/back')}</section>`;
}

function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
