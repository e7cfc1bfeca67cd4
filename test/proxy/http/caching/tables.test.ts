import { AGE_CASES } from './age.cases.ts';
import type { Case } from './case.ts';
import { CONDITIONAL_CASES } from './conditional.cases.ts';
import { DIRECTIVE_CASES } from './directives.cases.ts';
import { FRESHNESS_CASES } from './freshness.cases.ts';
import { HEAD_CASES } from './head.cases.ts';
import { HEADER_CASES } from './headers.cases.ts';
import { HEURISTIC_CASES } from './heuristic.cases.ts';
import { INCOMPLETE_CASES } from './incomplete.cases.ts';
import { INVALIDATION_CASES } from './invalidation.cases.ts';
import { KEY_CASES } from './key.cases.ts';
import { MESSAGE_CASES } from './message.cases.ts';
import { PARTIAL_CASES } from './partial.cases.ts';
import { playCase } from './play.ts';
import { PRIVACY_CASES } from './privacy.cases.ts';
import { RANGE_CASES } from './range.cases.ts';
import { type Outcomes, playSideBySide, tellOutcome } from './side-by-side.ts';
import { openStage } from './stage.ts';
import { STALE_CASES } from './stale.cases.ts';
import { STORING_CASES } from './storing.cases.ts';
import { UPDATE_CASES } from './update.cases.ts';
import { VALIDATION_CASES } from './validation.cases.ts';
import { VARY_CASES } from './vary.cases.ts';

const TABLES: Readonly<Record<string, readonly Case[]>> = {
  freshness: FRESHNESS_CASES,
  'heuristic freshness': HEURISTIC_CASES,
  age: AGE_CASES,
  storing: STORING_CASES,
  'incomplete answers': INCOMPLETE_CASES,
  headers: HEADER_CASES,
  vary: VARY_CASES,
  validation: VALIDATION_CASES,
  'updating what is stored': UPDATE_CASES,
  "the client's conditions": CONDITIONAL_CASES,
  head: HEAD_CASES,
  invalidation: INVALIDATION_CASES,
  'directives of a request': DIRECTIVE_CASES,
  'ranges of a stored answer': RANGE_CASES,
  'partial answers': PARTIAL_CASES,
  'stale answers': STALE_CASES,
  'what a URL is': KEY_CASES,
  'forms of a message': MESSAGE_CASES,
  'between two subscribers': PRIVACY_CASES,
};

/** Cases under way at once. Most of their time is spent waiting for answers to grow stale. */
const CONCURRENT_CASES = 100;

/**
 * All cases are played side by side before the first test; a test says how its case ended.
 * `WEIR_CACHING_SUMMARY=1` prints how many of the required and of the optional ones hold.
 */
describe('the cache of the HTTP proxy', () => {
  const all = Object.values(TABLES).flat();
  let outcomes: Outcomes<Case> = new Map();

  before(async function () {
    this.timeout(60_000);
    await using stage = await openStage('store');
    const played = all
      .filter(({ byName }) => !byName || stage.hasNames)
      .sort((a, b) => pauseOf(b) - pauseOf(a));
    outcomes = await playSideBySide(played, CONCURRENT_CASES, (entry) =>
      playCase(stage, all.indexOf(entry), entry),
    );
    if (process.env['WEIR_CACHING_SUMMARY'] === '1') console.log(summary(outcomes));
  });

  for (const [title, cases] of Object.entries(TABLES)) {
    describe(title, () => {
      for (const entry of cases) {
        it(`${entry.says} (${entry.rfc}${entry.optional ? ', optional' : ''})`, function () {
          tellOutcome(this, outcomes, entry);
        });
      }
    });
  }
});

function pauseOf({ steps }: Case): number {
  return steps.reduce((sumMs, { pauseMs = 0, settleMs = 0 }) => sumMs + pauseMs + settleMs, 0);
}

function summary(outcomes: Outcomes<Case>): string {
  const share = (cases: readonly Case[]): string => {
    const played = cases.filter((entry) => outcomes.has(entry));
    return `${played.filter((entry) => outcomes.get(entry) === undefined).length}/${played.length}`;
  };
  const line = (title: string, cases: readonly Case[]): string => {
    const required = share(cases.filter(({ optional }) => !optional));
    const optional = share(cases.filter(({ optional }) => optional));
    return `${title.padEnd(28)} required ${required.padEnd(9)} optional ${optional}`;
  };
  const rows = Object.entries(TABLES).map(([title, cases]) => line(title, cases));
  return [...rows, line('all', Object.values(TABLES).flat())].join('\n');
}
