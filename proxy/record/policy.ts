import { domainToASCII } from 'node:url';
import { canonicalAddress } from '../../src/base/address-ranges.ts';
import { assert } from '../../src/base/assert.ts';
import type { Protocol } from '../../src/catalog/consent.ts';
import type { KnownSubscriber } from './keeper.ts';

/** Which bodies are recorded. An exclusion is stronger than an inclusion; an empty list rules nothing. */
export interface RecordingSettings {
  readonly enabled: boolean;
  readonly minBodyBytes: number;
  readonly maxBodyBytes: number;
  /** `example.org` is that host; `.example.org` is that one and all below it. Ports do not matter. */
  readonly hosts: Rules;
  /** `text/html`, `video/*`, or `unknown` for what has no media type. */
  readonly mediaTypes: Rules;
}

export interface Rules {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** What the policy looks at, known before the body passes. */
export interface Candidate {
  readonly protocol: Protocol;
  /** Absolute, with the host in lower case. */
  readonly url: string;
  /** Content-Type as sent; parameters do not matter. */
  readonly mediaType: string | undefined;
  readonly sizeBytes: number | undefined;
}

const NO_REFUSALS = {
  switchedOff: 0,
  noSubscriber: 0,
  suspended: 0,
  noConsent: 0,
  tooSmall: 0,
  tooLarge: 0,
  host: 0,
  mediaType: 0,
};

/** Why a body is not recorded. */
export type Refusal = keyof typeof NO_REFUSALS;

/** How many bodies were not recorded, by reason; from zero. */
export function countRefusals(): Record<Refusal, number> {
  return { ...NO_REFUSALS };
}

/** Gives the reason against recording, or undefined when there is none. Pure. */
export interface RecordingPolicy {
  /** Before a body passes. */
  refusal(candidate: Candidate, subscriber: KnownSubscriber | undefined): Refusal | undefined;
  /** At the end of a body that announced no size. */
  refusalOfSize(sizeBytes: number): Refusal | undefined;
}

/** Rules that `readHostRule` or `readMediaTypeRule` would refuse are a programmer error. */
export function recordingPolicy(settings: RecordingSettings): RecordingPolicy {
  const { enabled, minBodyBytes, maxBodyBytes } = settings;
  const allowsHost = compile(settings.hosts, hostOf, hostsNamed);
  const allowsMediaType = compile(settings.mediaTypes, mediaTypeOf, mediaTypesNamed);

  function refusalOfSize(sizeBytes: number): Refusal | undefined {
    if (sizeBytes < minBodyBytes || sizeBytes === 0) return 'tooSmall';
    return sizeBytes > maxBodyBytes ? 'tooLarge' : undefined;
  }

  return {
    refusal({ protocol, url, mediaType, sizeBytes }, subscriber) {
      if (!enabled) return 'switchedOff';
      if (subscriber === undefined) return 'noSubscriber';
      if (subscriber.isSuspended) return 'suspended';
      if (subscriber.consents[protocol]?.isGiven !== true) return 'noConsent';
      const bySize = sizeBytes === undefined ? undefined : refusalOfSize(sizeBytes);
      if (bySize !== undefined) return bySize;
      if (!allowsHost(url)) return 'host';
      return allowsMediaType(mediaType) ? undefined : 'mediaType';
    },
    refusalOfSize,
  };
}

/** A rule for hosts in the spelling that is compared, or undefined when it is none. */
export function readHostRule(text: string): string | undefined {
  const address = canonicalAddress(text);
  if (address !== undefined) return address;
  const dot = text.startsWith('.') ? '.' : '';
  // What ends a host in a URL would be dropped by domainToASCII, and half a rule be followed.
  if (/[/?#@:\\%]/.test(text)) return undefined;
  const name = domainToASCII(text.slice(dot.length).replace(/\.$/, ''));
  return HOST_NAME.test(name) && canonicalAddress(name) === undefined ? dot + name : undefined;
}

/** A rule for media types in the spelling that is compared, or undefined when it is none. */
export function readMediaTypeRule(text: string): string | undefined {
  const name = text.toLowerCase();
  return name === UNKNOWN || MEDIA_TYPE.test(name) ? name : undefined;
}

const HOST_NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
/** RFC 6838 section 4.2, or every subtype. */
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/(?:\*|[a-z0-9][a-z0-9!#$&^_.+-]*)$/;
const UNKNOWN = 'unknown';

function compile<V>(
  { include, exclude }: Rules,
  read: (value: V) => string,
  named: (rules: readonly string[]) => (name: string) => boolean,
): (value: V) => boolean {
  if (include.length + exclude.length === 0) return () => true;
  const [isIncluded, isExcluded] = [named(include), named(exclude)];
  return (value) => {
    const name = read(value);
    return !isExcluded(name) && (include.length === 0 || isIncluded(name));
  };
}

function hostOf(url: string): string {
  const start = url.indexOf('://') + 3;
  if (url[start] === '[') {
    const literal = url.slice(start + 1, url.indexOf(']', start));
    return canonicalAddress(literal) ?? literal;
  }
  const end = url.indexOf('/', start);
  const authority = end < 0 ? url.slice(start) : url.slice(start, end);
  const colon = authority.indexOf(':');
  const host = colon < 0 ? authority : authority.slice(0, colon);
  return host.endsWith('.') ? host.slice(0, -1) : host;
}

function hostsNamed(texts: readonly string[]): (host: string) => boolean {
  const rules = texts.map((text) => expectRule(readHostRule(text), text));
  const suffixes = new Set(rules.filter((rule) => rule.startsWith('.')));
  const hosts = new Set(rules.map((rule) => (rule.startsWith('.') ? rule.slice(1) : rule)));
  // A name of many labels costs no more than the longest rule.
  const mostLabels = Math.max(0, ...[...suffixes].map((suffix) => suffix.split('.').length - 1));
  return (host) => {
    if (hosts.has(host)) return true;
    let dot = host.length;
    for (let labels = 0; labels < mostLabels && dot > 0; labels++) {
      dot = host.lastIndexOf('.', dot - 1);
      if (dot >= 0 && suffixes.has(host.slice(dot))) return true;
    }
    return false;
  };
}

function mediaTypeOf(contentType: string | undefined): string {
  if (contentType === undefined) return UNKNOWN;
  const end = contentType.indexOf(';');
  const name = (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
  return name.includes('/') ? name : UNKNOWN;
}

function mediaTypesNamed(texts: readonly string[]): (name: string) => boolean {
  const rules = texts.map((text) => expectRule(readMediaTypeRule(text), text));
  const types = new Set(rules);
  const trees = new Set(rules.filter((rule) => rule.endsWith('/*')).map((rule) => rule.slice(0, -2)));
  return (name) => types.has(name) || (trees.size > 0 && trees.has(name.slice(0, name.indexOf('/'))));
}

function expectRule(rule: string | undefined, text: string): string {
  assert(rule !== undefined, `"${text}" is no rule`);
  return rule;
}
