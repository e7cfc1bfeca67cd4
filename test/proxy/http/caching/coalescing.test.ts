import { APART_CASES } from './apart.cases.ts';
import { type SceneCase, sceneOpener } from './scene.ts';
import { SHARED_CASES } from './shared.cases.ts';
import { type Outcomes, playSideBySide, tellOutcome } from './side-by-side.ts';
import { type Keeping, openStage } from './stage.ts';

const TABLES: Readonly<Record<string, readonly SceneCase[]>> = {
  'one fetch for many clients': SHARED_CASES,
  'each client by itself': APART_CASES,
};

/** Few: some of them look at how long an answer takes. */
const CONCURRENT_CASES = 8;

describe('many clients at a time of the HTTP proxy', () => {
  const all = Object.values(TABLES).flat();
  const outcomes = new Map<Keeping, Outcomes<SceneCase>>();

  async function playAll(keeping: Keeping): Promise<void> {
    await using stage = await openStage(keeping);
    const play = (entry: SceneCase): Promise<void> => entry.play(sceneOpener(stage, all.indexOf(entry)));
    outcomes.set(keeping, await playSideBySide(all, CONCURRENT_CASES, play));
  }

  before(async function () {
    this.timeout(60_000);
    await Promise.all([playAll('store'), playAll('memory')]);
  });

  for (const keeping of ['store', 'memory'] as const) {
    for (const [title, cases] of Object.entries(TABLES)) {
      describe(`${title}, cached in ${keeping}`, () => {
        for (const entry of cases) {
          it(`${entry.says}${entry.optional ? ' (optional)' : ''}`, function () {
            tellOutcome(this, outcomes.get(keeping) ?? new Map<SceneCase, undefined>(), entry);
          });
        }
      });
    }
  }
});
