import { APART_CASES } from './apart.cases.ts';
import { type SceneCase, sceneOpener } from './scene.ts';
import { SHARED_CASES } from './shared.cases.ts';
import { type Outcomes, playSideBySide, tellOutcome } from './side-by-side.ts';
import { openStage } from './stage.ts';

const TABLES: Readonly<Record<string, readonly SceneCase[]>> = {
  'one fetch for many clients': SHARED_CASES,
  'each client by itself': APART_CASES,
};

/** Few: some of them look at how long an answer takes. */
const CONCURRENT_CASES = 10;

for (const keeping of ['store', 'memory'] as const) {
  describe(`many clients at a time of the HTTP proxy, cached in ${keeping}`, () => {
    const all = Object.values(TABLES).flat();
    let outcomes: Outcomes<SceneCase> = new Map();

    before(async function () {
      this.timeout(60_000);
      await using stage = await openStage(keeping);
      outcomes = await playSideBySide(all, CONCURRENT_CASES, (entry) =>
        entry.play(sceneOpener(stage, all.indexOf(entry))),
      );
    });

    for (const [title, cases] of Object.entries(TABLES)) {
      describe(title, () => {
        for (const entry of cases) {
          it(`${entry.says}${entry.optional ? ' (optional)' : ''}`, function () {
            tellOutcome(this, outcomes, entry);
          });
        }
      });
    }
  });
}
