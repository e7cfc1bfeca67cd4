import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type Answer, type Asked, type Case, type Field, fieldOf, type Step } from './case.ts';
import { ask, type Got } from './client.ts';
import { addressOf, type Stage } from './stage.ts';

/**
 * Plays the steps of a case one after the other. Throws at the first expectation that is not met,
 * with all that was seen until then.
 */
export async function playCase(stage: Stage, caseNumber: number, { steps }: Case): Promise<void> {
  const name = `case-${caseNumber}`;
  const asked: Asked[] = [];
  const bodies = new Map<number, string | Buffer>();
  const transcript: string[] = [];
  let current = 0;
  const inPlace = (text: string): string =>
    text.replaceAll('{port}', String(stage.origin.port)).replaceAll('{case}', `/${name}`);
  const placed = (answer: Answer): Answer =>
    answer.headers === undefined ? answer : { ...answer, headers: answer.headers.map(inPlace) };
  stage.origin.play(name, {
    answer(received) {
      const seen: Asked = { ...received, step: current };
      asked.push(seen);
      transcript.push(`  origin gets ${received.method} ${received.target} ${told(received.headers)}`);
      const { origin = {} } = steps[current - 1] ?? {};
      const answer = placed(typeof origin === 'function' ? origin(seen) : origin);
      const fallbackBody = bodyOfStep(name, current);
      bodies.set(current, answer.body ?? fallbackBody);
      return { answer, fallbackBody };
    },
  });
  for (const [index, step] of steps.entries()) {
    if (step.pauseMs !== undefined) await sleep(step.pauseMs);
    current = index + 1;
    const target = inPlace(step.url ?? `http://127.0.0.1:{port}{case}${step.path ?? '/'}`);
    transcript.push(`step ${current}: ${step.method ?? 'GET'} ${target} ${(step.headers ?? []).join(' | ')}`);
    const way = { proxy: stage.proxy, localAddress: addressOf(caseNumber, step.client), target };
    const got = await ask(way, step);
    transcript.push(
      `  client gets ${got.status} ${told(got.headers)} ${JSON.stringify(got.body.toString('latin1', 0, 80))}`,
    );
    if (step.settleMs !== undefined) await sleep(step.settleMs);
    try {
      checkAsked(
        step,
        asked.filter((request) => request.step === current),
        current,
      );
      checkGot(step, got, steps, current, (of) => bodies.get(of) ?? bodyOfStep(name, of));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`step ${current}: ${message}\n${transcript.join('\n')}`, { cause: error });
    }
  }
}

function bodyOfStep(name: string, step: number): string {
  return `answer ${step} of ${name}`;
}

function checkAsked(step: Step, asked: readonly Asked[], current: number): void {
  const wanted = step.asks ?? (step.from === undefined || step.from === current ? 1 : 0);
  if (wanted !== 'any') expect(asked, 'requests to the origin').to.have.length(wanted);
  const [first] = asked;
  if (step.asked === undefined || (wanted === 'any' && first === undefined)) return;
  expect(first, 'a request to the origin').not.to.equal(undefined);
  checkFields('asked with', first?.headers ?? [], step.asked);
}

function checkGot(
  step: Step,
  got: Got,
  steps: readonly Step[],
  current: number,
  bodyOf: (step: number) => string | Buffer,
): void {
  const from = step.from ?? current;
  const statuses = [step.status ?? statusAnswered(steps[from - 1])].flat();
  expect(statuses, 'status').to.include(got.status);
  if (step.isCut !== 'any') expect(got.isWhole, 'the answer is whole').to.equal(step.isCut !== true);
  expect(got.excess, 'bytes after the answer').to.equal('');
  if (step.isCut === undefined) checkBody(step, got, bodyOf(from));
  if (step.reason !== undefined) expect(got.reason, 'reason').to.equal(step.reason);
  if (step.gets !== undefined) checkFields('gets', got.headers, step.gets);
  if (step.trailers !== undefined) checkFields('trailers', got.trailers, step.trailers);
  if (step.interim !== undefined) expect(got.interim, 'interim answers').to.deep.equal(step.interim);
  if (step.withinMs !== undefined) expect(got.tookMs, 'duration').to.be.at.most(step.withinMs);
  if (step.age === undefined) return;
  const age = fieldOf(got.headers, 'age');
  expect(age, 'Age').to.match(/^\d+$/);
  expect(Number(age), 'Age').to.be.within(...step.age);
}

function statusAnswered(step: Step | undefined): number {
  const origin = step?.origin;
  return (typeof origin === 'function' ? undefined : origin?.status) ?? 200;
}

function checkBody(step: Step, got: Got, answered: string | Buffer): void {
  const isBodiless = step.method === 'HEAD' || got.status === 204 || got.status === 304;
  const wanted = step.body ?? (isBodiless ? '' : answered);
  if (wanted instanceof RegExp) expect(got.body.toString('latin1'), 'body').to.match(wanted);
  else if (wanted instanceof Buffer) expect(got.body.equals(wanted), 'the body is the same').to.equal(true);
  else expect(got.body.toString('latin1'), 'body').to.equal(wanted);
}

function checkFields(
  what: string,
  headers: readonly Field[],
  wanted: Readonly<Record<string, string | RegExp | null>>,
): void {
  for (const [name, value] of Object.entries(wanted)) {
    const got = fieldOf(headers, name);
    if (value === null) expect(got, `${what} ${name}`).to.equal(undefined);
    else if (value instanceof RegExp) expect(got ?? '', `${what} ${name}`).to.match(value);
    else expect(got, `${what} ${name}`).to.equal(value);
  }
}

function told(headers: readonly Field[]): string {
  return `{${headers.map(({ name, value }) => `${name}: ${value.slice(0, 60)}`).join(' | ')}}`;
}
