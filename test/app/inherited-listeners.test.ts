import { expect } from 'chai';
import { inheritedListeners } from '../../src/app/inherited-listeners.ts';

describe('listeners passed on by systemd', () => {
  it('are known by their names', () => {
    const environment = { LISTEN_PID: '17', LISTEN_FDS: '2', LISTEN_FDNAMES: 'proxy:transparent' };
    expect([...inheritedListeners(environment, 17)]).to.deep.equal([
      ['proxy', 3],
      ['transparent', 4],
    ]);
  });

  it('are nobody else’s', () => {
    const environment = { LISTEN_PID: '17', LISTEN_FDS: '1', LISTEN_FDNAMES: 'proxy' };
    expect(inheritedListeners(environment, 18).size).to.equal(0);
    expect(inheritedListeners({}, 18).size).to.equal(0);
  });

  it('have a name each', () => {
    for (const names of ['proxy:proxy', 'proxy', '']) {
      const environment = { LISTEN_PID: '1', LISTEN_FDS: '2', LISTEN_FDNAMES: names };
      expect(() => inheritedListeners(environment, 1), names).to.throw('under the name');
    }
  });
});
