import { expect } from 'chai';
import { createGate } from '../../../proxy/worker/gate.ts';

describe('a gate', () => {
  it('lets through what it bears, the rest in the order it came', async () => {
    const gate = createGate(10);
    const inside: string[] = [];
    const done = new Map<string, () => void>();
    const enter = (name: string, weight: number) =>
      gate.pass(weight, () => {
        inside.push(name);
        return new Promise<void>((resolve) => done.set(name, resolve));
      });
    const all = [enter('a', 6), enter('b', 4), enter('c', 5), enter('d', 1)];
    await turn();
    expect(inside).to.deep.equal(['a', 'b']);
    done.get('b')?.();
    await turn();
    // `d` would fit, but comes after `c`.
    expect(inside).to.deep.equal(['a', 'b']);
    done.get('a')?.();
    await turn();
    expect(inside).to.deep.equal(['a', 'b', 'c', 'd']);
    done.get('c')?.();
    done.get('d')?.();
    await Promise.all(all);
  });

  it('lets what is too heavy for it through alone', async () => {
    const gate = createGate(10);
    expect(await gate.pass(100, async () => 'through')).to.equal('through');
  });

  it('lets the next one in when one fails', async () => {
    const gate = createGate(1);
    const failing = gate.pass(1, () => Promise.reject(new Error('no')));
    const next = gate.pass(1, async () => 'in');
    expect(await failing.catch(String)).to.equal('Error: no');
    expect(await next).to.equal('in');
  });
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
