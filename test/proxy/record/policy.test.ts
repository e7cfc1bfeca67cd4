import { expect } from 'chai';
import fc from 'fast-check';
import {
  type Candidate,
  countRefusals,
  type RecordingSettings,
  readHostRule,
  readMediaTypeRule,
  recordingPolicy,
} from '../../../proxy/record/policy.ts';
import { PROTOCOLS } from '../../../src/catalog/consent.ts';
import { createScope } from '../../../src/catalog/scope.ts';
import type { Subscriber } from '../../../src/catalog/subscribers.ts';

const SETTINGS: RecordingSettings = {
  enabled: true,
  minBodyBytes: 0,
  maxBodyBytes: 1000,
  hosts: { include: [], exclude: [] },
  mediaTypes: { include: [], exclude: [] },
};
const ADA: Subscriber = {
  number: 1,
  name: 'ada',
  isSuspended: false,
  createdMs: 0,
  addresses: [],
  consents: { http: { isGiven: true, timeMs: 0, by: 'default' } },
  connections: undefined,
  scope: createScope(1, Buffer.alloc(32)),
};
const BODY: Candidate = {
  protocol: 'http',
  url: 'http://origin.test/file',
  mediaType: 'application/zip',
  sizeBytes: 500,
};

function refusal(
  settings: Partial<RecordingSettings>,
  body: Partial<Candidate> = {},
  subscriber: Subscriber | undefined = ADA,
): string {
  const policy = recordingPolicy({ ...SETTINGS, ...settings });
  return policy.refusal({ ...BODY, ...body }, subscriber) ?? 'recorded';
}

const hosts = (exclude: string[], include: string[] = []) => ({ hosts: { exclude, include } });
const types = (exclude: string[], include: string[] = []) => ({ mediaTypes: { exclude, include } });

describe('recording policy', () => {
  it('records what nothing speaks against, and counts from zero', () => {
    expect(refusal({})).to.equal('recorded');
    expect(refusal({}, { sizeBytes: undefined, mediaType: undefined })).to.equal('recorded');
    const counts = countRefusals();
    counts.host++;
    expect(countRefusals().host).to.equal(0);
    expect(new Set(Object.values(countRefusals()))).to.deep.equal(new Set([0]));
  });

  it('records for subscribers who said so, of that protocol, and are not suspended', () => {
    const without = recordingPolicy(SETTINGS).refusal(BODY, undefined);
    expect(without).to.equal('noSubscriber');
    expect(refusal({}, {}, { ...ADA, isSuspended: true })).to.equal('suspended');
    expect(refusal({}, {}, { ...ADA, consents: {} })).to.equal('noConsent');
    const withdrawn = { isGiven: false, timeMs: 1, by: 'operator' } as const;
    expect(refusal({}, {}, { ...ADA, consents: { http: withdrawn } })).to.equal('noConsent');
    for (const protocol of PROTOCOLS)
      expect(refusal({}, { protocol })).to.equal(protocol === 'http' ? 'recorded' : 'noConsent');
    expect(refusal({ enabled: false })).to.equal('switchedOff');
  });

  it('goes by the announced size, and by the real one at the end', () => {
    const sized = { minBodyBytes: 10, maxBodyBytes: 20 };
    const expected: [number, string][] = [
      [0, 'tooSmall'],
      [9, 'tooSmall'],
      [10, 'recorded'],
      [20, 'recorded'],
      [21, 'tooLarge'],
    ];
    for (const [sizeBytes, verdict] of expected) {
      expect(refusal(sized, { sizeBytes }), `${sizeBytes}`).to.equal(verdict);
      const { refusalOfSize } = recordingPolicy({ ...SETTINGS, ...sized });
      expect(refusalOfSize(sizeBytes) ?? 'recorded', `${sizeBytes}`).to.equal(verdict);
    }
    expect(refusal({}, { sizeBytes: 0 }), 'an empty body is nothing to record').to.equal('tooSmall');
    expect(refusal(sized, { sizeBytes: undefined })).to.equal('recorded');
  });

  const HOSTS: [rule: string, url: string, isNamed: boolean][] = [
    ['example.org', 'http://example.org/', true],
    ['example.org', 'http://example.org:8080/x', true],
    ['example.org', 'http://example.org./', true],
    ['EXAMPLE.org', 'http://example.org/', true],
    ['example.org', 'http://www.example.org/', false],
    ['example.org', 'http://notexample.org/', false],
    ['example.org', 'http://example.org.evil.test/', false],
    ['example.org', 'http://evil.test/example.org/', false],
    ['.example.org', 'http://example.org/', true],
    ['.example.org', 'http://a.b.example.org/', true],
    ['.example.org', 'http://notexample.org/', false],
    ['.example.org', 'http://example.org.evil.test/', false],
    ['.example.org', 'http://evil.test/?.example.org', false],
    ['.test', 'http://origin.test/', true],
    ['bücher.example', 'http://xn--bcher-kva.example/', true],
    ['192.0.2.1', 'http://192.0.2.1:81/', true],
    ['192.0.2.1', 'http://192.0.2.11/', false],
    ['2001:db8::1', 'http://[2001:db8:0:0::1]:81/a:b', true],
    ['2001:db8::1', 'http://[2001:db8::2]/', false],
  ];
  for (const [rule, url, isNamed] of HOSTS) {
    it(`the host rule ${rule} ${isNamed ? 'names' : 'does not name'} ${url}`, () => {
      expect(refusal(hosts([rule]), { url })).to.equal(isNamed ? 'host' : 'recorded');
      expect(refusal(hosts([], [rule]), { url })).to.equal(isNamed ? 'recorded' : 'host');
    });
  }

  it('finds the host of whatever suffix among many rules', () => {
    const label = fc.stringMatching(/^[a-z0-9]{1,4}$/);
    const name = fc.array(label, { minLength: 1, maxLength: 4 });
    const rule = fc.record({ labels: name, isSuffix: fc.boolean() });
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 6 }), name, (rules, host) => {
        fc.pre(![...rules.map(({ labels }) => labels), host].some((labels) => isNumber(labels.at(-1))));
        const isNamed = rules.some(
          ({ labels, isSuffix }) =>
            labels.join('.') === (isSuffix ? host.slice(-labels.length) : host).join('.'),
        );
        const written = rules.map(({ labels, isSuffix }) => (isSuffix ? '.' : '') + labels.join('.'));
        const url = `http://${host.join('.')}:81/path`;
        expect(refusal(hosts(written), { url })).to.equal(isNamed ? 'host' : 'recorded');
      }),
      { numRuns: 500 },
    );
  });

  const TYPES: [rule: string, mediaType: string | undefined, isNamed: boolean][] = [
    ['text/html', 'text/html', true],
    ['text/html', 'Text/HTML ; charset=utf-8', true],
    ['text/html', 'text/html;charset="application/zip"', true],
    ['text/html', 'text/htmlx', false],
    ['TEXT/html', 'text/html', true],
    ['video/*', 'video/mp4', true],
    ['video/*', 'videos/mp4', false],
    ['video/*', 'text/video/mp4', false],
    ['video/*', 'video/', true],
    ['application/vnd.debian.binary-package', 'application/vnd.debian.binary-package', true],
    ['unknown', undefined, true],
    ['unknown', '', true],
    ['unknown', 'html', true],
    ['unknown', 'text/html', false],
    ['text/*', undefined, false],
  ];
  for (const [rule, mediaType, isNamed] of TYPES) {
    it(`the media type rule ${rule} ${isNamed ? 'names' : 'does not name'} ${mediaType ?? 'none'}`, () => {
      expect(refusal(types([rule]), { mediaType })).to.equal(isNamed ? 'mediaType' : 'recorded');
      expect(refusal(types([], [rule]), { mediaType })).to.equal(isNamed ? 'recorded' : 'mediaType');
    });
  }

  it('holds an exclusion for stronger than an inclusion', () => {
    const both = hosts(['ads.example.org'], ['.example.org']);
    expect(refusal(both, { url: 'http://ads.example.org/' })).to.equal('host');
    expect(refusal(both, { url: 'http://www.example.org/' })).to.equal('recorded');
    const image = types(['image/svg+xml'], ['image/*']);
    expect(refusal(image, { mediaType: 'image/svg+xml' })).to.equal('mediaType');
    expect(refusal(image, { mediaType: 'image/png' })).to.equal('recorded');
  });

  it('takes rules that mean something, and no others', () => {
    for (const rule of ['example.org', '.example.org', 'localhost', 'a_b.test', '10.0.0.1', '::1', 'Ü.test'])
      expect(readHostRule(rule), rule).to.be.a('string');
    for (const rule of [
      '',
      '.',
      '..a',
      '*.example.org',
      'example.org/x',
      'example.org:80',
      'http://example.org',
      'a b',
      '[::1]',
      '10.0.0.0/8',
      'a..b',
      '1.2.3',
      'user@host',
      'ü/x',
    ])
      expect(readHostRule(rule), rule).to.equal(undefined);
    for (const rule of ['text/html', 'image/*', 'Unknown', 'application/x-7z-compressed'])
      expect(readMediaTypeRule(rule), rule).to.be.a('string');
    for (const rule of ['', 'html', '*/*', '*', 'text/', '/html', 'text/html; q=1', 'text/h*', 'text/a/b'])
      expect(readMediaTypeRule(rule), rule).to.equal(undefined);
  });
});

/** What ends in a number is an address or nothing (URL standard). */
function isNumber(label: string | undefined): boolean {
  return label !== undefined && /^(?:\d+|0x[0-9a-f]*)$/.test(label);
}
