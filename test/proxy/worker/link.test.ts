import { expect } from 'chai';
import { z } from 'zod';
import { createLink, type Link, MAX_UNSENT_MESSAGES } from '../../../proxy/worker/link.ts';
import { WeirError } from '../../../src/base/errors.ts';
import { linked } from './linked.ts';

describe('the link between a proxy worker and its owner', () => {
  it('asks and answers either way, many at once, bytes as bytes', async () => {
    const { one, other } = linked();
    const bytes = z.instanceof(Uint8Array);
    other.hear('double', z.number(), async (value) => 2 * value);
    one.hear('reverse', bytes, (value) => value.toReversed());
    const doubled = Promise.all([1, 2, 3].map((value) => one.call('double', value, z.number())));
    const reversed = await other.call('reverse', Uint8Array.of(1, 2, 3), bytes);
    expect(await doubled).to.deep.equal([2, 4, 6]);
    expect([...reversed]).to.deep.equal([3, 2, 1]);
  });

  it('carries the code of an error, and the text of one that has none', async () => {
    const { one, other } = linked();
    other.hear('full', z.undefined(), () => {
      throw new WeirError('WEIR_STORE_FULL', 'no room');
    });
    other.hear('bug', z.undefined(), async () => {
      throw new TypeError('x is not a function');
    });
    expect(await failure(one.call('full', undefined, z.unknown()))).to.equal('WEIR_STORE_FULL: no room');
    expect(await failure(one.call('bug', undefined, z.unknown()))).to.equal(
      'WEIR_INTERNAL: x is not a function',
    );
  });

  it('refuses what is not as it should be, in a question and in an answer', async () => {
    const { one, other, faults } = linked();
    other.hear('double', z.number(), (value) => 2 * value);
    for (const call of [
      one.call('double', '2', z.number()),
      one.call('double', 2, z.string()),
      one.call('halve', 2, z.number()),
    ]) {
      expect(await failure(call)).to.match(/^WEIR_WIRE_MALFORMED: /);
    }
    expect(faults).to.deep.equal([]);
  });

  const nonsense: readonly unknown[] = [
    undefined,
    'hello',
    {},
    { kind: 'tell', name: 'nobody knows this', value: 1 },
    { kind: 'tell', name: 'number', value: 'one' },
    { kind: 'answer', id: 7, value: 1 },
    { kind: 'answer', id: -1, value: 1 },
    { kind: 'call', id: 1, name: 'number', value: 1, more: true },
    { kind: 'failure', id: 0, code: 5, message: '' },
  ];
  for (const message of nonsense) {
    it(`finds fault with ${JSON.stringify(message)}`, () => {
      const faults: WeirError[] = [];
      const link = createLink({ send: () => {}, onFault: (error) => void faults.push(error) });
      link.hear('number', z.number(), () => {});
      link.receive(message);
      expect(faults.map(({ code }) => code)).to.deep.equal(['WEIR_WIRE_MALFORMED']);
    });
  }

  it('rejects what is under way when it ends, and what is asked later', async () => {
    const { one, other } = linked();
    other.hear('wait', z.undefined(), () => new Promise(() => {}));
    const waiting = failure(one.call('wait', undefined, z.unknown()));
    one.end();
    expect(await waiting).to.match(/^WEIR_WORKER_LOST/);
    expect(await failure(one.call('wait', undefined, z.unknown()))).to.match(/^WEIR_WORKER_LOST/);
  });

  it('gives up on one that takes nothing any more', () => {
    const faults: WeirError[] = [];
    const link: Link = createLink({ send: () => {}, onFault: (error) => void faults.push(error) });
    for (let count = 0; count < MAX_UNSENT_MESSAGES; count++) link.tell('x', undefined);
    expect(faults).to.deep.equal([]);
    link.tell('x', undefined);
    expect(faults.map(({ code }) => code)).to.deep.equal(['WEIR_WORKER_LOST']);
  });
});

async function failure(call: Promise<unknown>): Promise<string> {
  try {
    return `no error: ${String(await call)}`;
  } catch (error) {
    return error instanceof WeirError ? `${error.code}: ${error.message}` : String(error);
  }
}
