import { type Case, fill, hit, miss, refetches, reuses } from './case.ts';
import { playCase } from './play.ts';
import { type Outcomes, playSideBySide, tellOutcome } from './side-by-side.ts';
import { openStage } from './stage.ts';

const FRESH = 'max-age=3600';

/** What `Weir-Cache-Control` and, after it, `Isp-Cache-Control` say to a cache that listens to them. */
const CASES: readonly Case[] = [
  reuses('a targeted field goes before Cache-Control', '9213 2.1', [
    `Weir-Cache-Control: ${FRESH}`,
    'Cache-Control: no-store',
  ]),
  refetches('a targeted no-store goes before Cache-Control', '9213 2.1', [
    'Weir-Cache-Control: no-store',
    `Cache-Control: ${FRESH}`,
  ]),
  refetches('a targeted private goes before Cache-Control', '9213 2.1', [
    'Weir-Cache-Control: private',
    `Cache-Control: ${FRESH}`,
  ]),
  refetches('a targeted max-age goes before s-maxage of Cache-Control', '9213 2.1', [
    'Weir-Cache-Control: max-age=0',
    'Cache-Control: s-maxage=3600',
  ]),
  reuses('a targeted field goes before Expires', '9213 2.1', [
    `Weir-Cache-Control: ${FRESH}`,
    'Expires: {now-60}',
  ]),
  reuses('a targeted field alone is enough', '9213 2.1', [`Weir-Cache-Control: ${FRESH}`]),
  reuses('of two targeted fields the first in the list of the cache counts', '9213 2.2', [
    'Isp-Cache-Control: no-store',
    `Weir-Cache-Control: ${FRESH}`,
  ]),
  reuses('the second in the list counts where the first is absent', '9213 2.2', [
    `Isp-Cache-Control: ${FRESH}`,
    'Cache-Control: no-store',
  ]),
  reuses('a field targeted at others does not count', '9213 2.1', [
    'CDN-Cache-Control: no-store',
    `Cache-Control: ${FRESH}`,
  ]),
  ...['max-age=3600, ,', 'max-age=3600 no-store', 'Max-Age=3600', 'max-age=', '"max-age"=3600', ''].map(
    (value) =>
      refetches(`"${value}" is no dictionary, and Cache-Control counts`, '9213 2.1', [
        `Weir-Cache-Control: ${value}`,
        'Cache-Control: no-store',
      ]),
  ),
  reuses('parameters of a directive are passed over', '9213 2.1', [
    'Weir-Cache-Control: max-age=3600;until="noon";x, frob',
    'Cache-Control: no-store',
  ]),
  reuses('the last of two equal directives counts', '8941 3.2', [
    `Weir-Cache-Control: max-age=0, ${FRESH}`,
    'Cache-Control: no-store',
  ]),
  reuses('a targeted field may be on several lines', '8941 4.2', [
    'Weir-Cache-Control: frob',
    `Weir-Cache-Control: ${FRESH}`,
    'Cache-Control: no-store',
  ]),
  refetches('a number is no boolean, and a word is no number', '9213 2.1', [
    'Weir-Cache-Control: max-age=soon',
    `Cache-Control: ${FRESH}`,
  ]),
  {
    says: 'a targeted field is passed on, from the origin and from the cache',
    rfc: '9213 2',
    steps: [
      fill([`Weir-Cache-Control: ${FRESH}`], { gets: { 'Weir-Cache-Control': FRESH } }),
      hit({ gets: { 'Weir-Cache-Control': FRESH } }),
    ],
  },
  {
    says: 'a 304 may bring a targeted field',
    rfc: '9111 3.2',
    steps: [
      fill(['Weir-Cache-Control: max-age=0', 'ETag: "a"']),
      {
        from: 1,
        asks: 1,
        origin: { status: 304, headers: ['ETag: "a"', `Weir-Cache-Control: ${FRESH}`] },
      },
      hit(),
      miss({ headers: ['Cache-Control: no-cache'] }),
    ],
  },
];

const CONCURRENT_CASES = 10;

describe('the cache of the HTTP proxy, listening to targeted fields', () => {
  let outcomes: Outcomes<Case> = new Map();

  before(async () => {
    await using stage = await openStage('memory', {
      targetedFields: ['weir-cache-control', 'isp-cache-control'],
    });
    outcomes = await playSideBySide(CASES, CONCURRENT_CASES, (entry) =>
      playCase(stage, CASES.indexOf(entry), entry),
    );
  });

  for (const entry of CASES) {
    it(`${entry.says} (${entry.rfc})`, function () {
      tellOutcome(this, outcomes, entry);
    });
  }
});
