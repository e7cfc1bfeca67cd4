import { expect } from 'chai';
import { createClosers } from '../../src/base/closers.ts';

describe('closers', () => {
  it('close last first, each after the one before is closed', async () => {
    const closers = createClosers();
    const closed: string[] = [];
    for (const name of ['first', 'second', 'third']) {
      closers.defer(async () => {
        closed.push(`${name} begins`);
        await new Promise((resolve) => setTimeout(resolve, 2));
        closed.push(`${name} ends`);
      });
    }
    await closers.closeAll();
    expect(closed).to.deep.equal(
      ['third', 'second', 'first'].flatMap((name) => [`${name} begins`, `${name} ends`]),
    );
  });

  const rejecting = async (error: Error) => {
    throw error;
  };
  const throwing = (error: Error) => {
    throw error;
  };
  for (const [how, fail] of [
    ['rejects', rejecting],
    ['throws', throwing],
  ] as const) {
    it(`go on when one ${how}, then throw the first failure`, async () => {
      const closers = createClosers();
      const closed: string[] = [];
      closers.defer(async () => void closed.push('first'));
      closers.defer(() => fail(new Error('second')));
      closers.defer(() => fail(new Error('third')));
      const failure = await closers.closeAll().catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(Error).with.property('message', 'third');
      expect(closed).to.deep.equal(['first']);
    });
  }

  it('close once', async () => {
    const closers = createClosers();
    let closed = 0;
    closers.defer(async () => void closed++);
    await closers.closeAll();
    await closers.closeAll();
    expect(closed).to.equal(1);
  });

  it('let nobody who asks a second time go on before all is closed', async () => {
    const closers = createClosers();
    let isClosed = false;
    closers.defer(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      isClosed = true;
    });
    const first = closers.closeAll();
    await closers.closeAll();
    expect(isClosed).to.equal(true);
    await first;
  });
});
