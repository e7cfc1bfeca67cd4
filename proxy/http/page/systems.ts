import { type HostPort, hostPortText } from './host-port.ts';
import { type Html, html } from './html.ts';

/** How one system or program is told to use the proxy. */
export interface System {
  readonly id: string;
  readonly name: string;
  /** What its downloads are by default, where that is the same everywhere. */
  readonly passes?: 'kept' | 'unseen';
  readonly steps: Html;
}

/** Everything the page tells about, the visitor's own system first. */
export function systemsFor(proxy: HostPort, userAgent: string): { own: System[]; others: System[] } {
  const systems = systemsWith(proxy);
  const id = USER_AGENTS.find(([pattern]) => pattern.test(userAgent))?.[1];
  return { own: systems.filter((system) => system.id === id), others: systems.filter((s) => s.id !== id) };
}

/** A line to be copied: the page puts a button beside it. */
export function line(...lines: readonly string[]): Html {
  return html`<div class="line"><pre>${lines.map((text) => html`<code>${text}</code>`)}</pre></div>`;
}

/** What the environment of a shell says. */
export function exportLines(proxy: HostPort): string[] {
  return [`export http_proxy=${shellWord(proxyUrl(proxy))}`, 'export no_proxy=localhost,127.0.0.1,::1'];
}

export function proxyUrl(proxy: HostPort): string {
  return `http://${hostPortText(proxy)}`;
}

/** In this order: Android says Linux too, an iPhone says Mac OS X. */
const USER_AGENTS: readonly (readonly [RegExp, string])[] = [
  [/Windows/, 'windows'],
  [/iPhone|iPad|iPod/, 'ios'],
  [/Android/, 'android'],
  [/Mac OS X|Macintosh/, 'macos'],
  [/Linux|X11|BSD/, 'linux'],
];

function systemsWith(proxy: HostPort): System[] {
  return [...desktops(proxy), ...phones(proxy), firefox(proxy), ...commandLine(proxy), network(proxy)];
}

function desktops(proxy: HostPort): System[] {
  const pac = pacUrl(proxy);
  const key = '"HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings" /v AutoConfigURL';
  return [
    {
      id: 'windows',
      name: 'Windows',
      steps: html`<p>Settings › Network & internet › Proxy › <b>Use setup script</b>: turn it on and give the
script address above. Edge, Chrome, Firefox and most programs follow. Or in a terminal:</p>
${line(`reg add ${key} /t REG_SZ /d ${pac} /f`)}
<p>Windows Update and other services have a setting of their own. In a terminal run as administrator:</p>
${line(`netsh winhttp set proxy proxy-server="http=${hostPortText(proxy)}" bypass-list="<local>"`)}
<p class="undo">To undo: <code>reg delete ${key} /f</code> and <code>netsh winhttp reset proxy</code></p>`,
    },
    {
      id: 'macos',
      name: 'macOS',
      steps: html`<p>System Settings › Network › your connection › Details… › Proxies › <b>Automatic proxy
configuration</b>: give the script address above. Or in Terminal, for Wi-Fi:</p>
${line(`networksetup -setautoproxyurl Wi-Fi ${shellWord(pac)}`)}
<p class="undo">To undo: <code>networksetup -setautoproxystate Wi-Fi off</code></p>`,
    },
    {
      id: 'linux',
      name: 'Linux desktop',
      steps: html`<p>GNOME: Settings › Network › Proxy › Automatic, or:</p>
${line('gsettings set org.gnome.system.proxy mode auto', `gsettings set org.gnome.system.proxy autoconfig-url ${shellWord(pac)}`)}
<p>KDE: System Settings › Wi-Fi & Internet › Proxy › <b>Use proxy auto configuration URL</b>. For programs
on the command line see <i>Environment variables</i> and <i>apt</i>.</p>
<p class="undo">To undo: <code>gsettings set org.gnome.system.proxy mode none</code></p>`,
    },
  ];
}

function phones(proxy: HostPort): System[] {
  return [
    {
      id: 'ios',
      name: 'iPhone and iPad',
      steps: html`<p>Settings › Wi-Fi › the (i) beside your network › Configure Proxy › <b>Automatic</b>, with this URL:</p>
${line(pacUrl(proxy))}
<p>It holds for this Wi-Fi network only. Mobile data and apps that fetch over https are not touched.</p>`,
    },
    {
      id: 'android',
      name: 'Android',
      steps: html`<p>Settings › Network & internet › Internet › the gear beside your Wi-Fi › edit › Advanced options ›
Proxy › <b>Proxy Auto-Config</b>, with this URL:</p>
${line(pacUrl(proxy))}
<p>Names differ between makers. It holds for this Wi-Fi network only.</p>`,
    },
  ];
}

function firefox(proxy: HostPort): System {
  return {
    id: 'firefox',
    name: 'Firefox',
    steps: html`<p>Firefox follows the system unless told otherwise. For Firefox alone: Settings › General ›
Network Settings › Settings… › <b>Automatic proxy configuration URL</b>:</p>
${line(pacUrl(proxy))}`,
  };
}

function commandLine(proxy: HostPort): System[] {
  const url = proxyUrl(proxy);
  const word = shellWord(url);
  return [
    {
      id: 'env',
      name: 'Environment variables',
      steps: html`<p>Most programs on a command line obey these: curl, wget, apt, git, npm, pip. Put them into
<code>~/.profile</code> to keep them.</p>
${line(...exportLines(proxy))}
<p>Lower case on purpose: curl ignores <code>HTTP_PROXY</code>. Leave <code>https_proxy</code> unset: https then
goes its own way, and nothing is lost, since nothing would be kept of it.</p>`,
    },
    {
      id: 'apt',
      name: 'apt',
      passes: 'kept',
      steps: html`<p>Debian and Ubuntu fetch packages over plain http unless
<code>sources.list</code> says https; signatures protect them.</p>
${line(
  `printf '%s\\n' 'Acquire::http::Proxy "${url}";' 'Acquire::https::Proxy "DIRECT";' | sudo tee /etc/apt/apt.conf.d/80weir`,
)}
<p class="undo">To undo: <code>sudo rm /etc/apt/apt.conf.d/80weir</code></p>`,
    },
    {
      id: 'curl',
      name: 'curl and wget',
      steps: html`<p>What begins with http:// is kept; https:// passes unseen, if it passes here at all.</p>
${line(`curl -x ${word} -O http://deb.debian.org/debian/dists/stable/InRelease`)}
${line(`wget -e use_proxy=yes -e http_proxy=${word} http://deb.debian.org/debian/dists/stable/InRelease`)}
<p>Hit or miss: run this twice within a minute and look at <code>Cache-Status</code>.</p>
${line(`curl -s -D - -x ${word} http://weir/test/once`)}`,
    },
    {
      id: 'npm',
      name: 'npm',
      passes: 'unseen',
      steps: html`<p>The npm registry, like those of pip,
cargo, Go and Maven, is fetched over https: leave it alone. For a registry of your own on plain http,
with which npm's https passes here too, unseen:</p>
${line(`npm config set proxy ${word}`)}
<p class="undo">To undo: <code>npm config delete proxy</code></p>`,
    },
    {
      id: 'git',
      name: 'git',
      passes: 'unseen',
      steps: html`<p>GitHub, GitLab and most others are fetched
over https or ssh. For a server on plain http, named in full:</p>
${line(`git config --global http.http://git.example.net.proxy ${word}`)}
<p>git has its packs made to order, so one rarely equals what you have on disk.</p>`,
    },
    {
      id: 'docker',
      name: 'Docker',
      passes: 'unseen',
      steps: html`<p>Images come over https. What a build fetches
over plain http, such as packages by apt, can pass through Weir:</p>
${line(`docker build --build-arg http_proxy=${word} .`)}`,
    },
  ];
}

function network(proxy: HostPort): System {
  return {
    id: 'network',
    name: 'A whole network (WPAD)',
    steps: html`<p>Machines set to <b>detect settings automatically</b> ask DHCP (option 252), then
<code>http://wpad/wpad.dat</code>. On a router with dnsmasq:</p>
${line(`dhcp-option=252,"${proxyUrl(proxy)}/wpad.dat"`)}
<p>The way by name needs <code>wpad</code> in your DNS and Weir on port 80.</p>`,
  };
}

function pacUrl(proxy: HostPort): string {
  return `${proxyUrl(proxy)}/proxy.pac`;
}

/** A URL for a POSIX shell: brackets of an IPv6 address are a pattern there. */
function shellWord(url: string): string {
  return /[[\]]/.test(url) ? `'${url}'` : url;
}
