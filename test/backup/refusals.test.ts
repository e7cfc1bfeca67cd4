import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { enrolDevice } from '../../backup/agent/enrol.ts';
import { openSession } from '../../backup/agent/session.ts';
import { MAX_REFUSALS } from '../../backup/server/refusals.ts';
import { codeOf, testDevice } from './device.ts';
import { openFalseProvider } from './false-provider.ts';
import { openProvider, type TestProvider, temporaryDirectory } from './provider.ts';

describe('refusals', () => {
  let directory: { path: string } & AsyncDisposable;
  let provider: TestProvider;
  let home: string;

  beforeEach(async () => {
    directory = await temporaryDirectory();
    provider = await openProvider(join(directory.path, 'provider'));
    home = join(directory.path, 'home');
    mkdirSync(home);
    writeFileSync(join(home, 'secret'), randomBytes(10_000));
  });

  afterEach(async () => {
    await provider[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  it('a server of another key is sent nothing, not even the token', async () => {
    await using other = await openFalseProvider();
    const enrolment = { ...other.enrolment, pin: provider.pin };
    const device = testDevice(enrolment, directory.path, [home]);
    expect(await codeOf(device.backup())).to.equal('WEIR_SERVER_KEY_MISMATCH');
    expect(await codeOf(enrolDevice({ ...enrolment, token: randomBytes(32) }, 'x'))).to.equal(
      'WEIR_SERVER_KEY_MISMATCH',
    );
    expect(other.receivedBytes).to.equal(0);
  });

  it('a provider that is not there, or is no provider, is unreachable', async () => {
    const enrolment = await provider.enrol('ada');
    const { port } = provider;
    await provider[Symbol.asyncDispose]();
    expect(await codeOf(openSession(enrolment))).to.equal('WEIR_UNREACHABLE');
    for (const greeting of ['HTTP/1.1 400 Bad Request\r\n\r\n', '']) {
      const plain = createServer((socket) =>
        socket
          .on('error', () => undefined)
          .resume()
          .end(greeting),
      );
      await new Promise<void>((resolve) => plain.listen(port, '127.0.0.1', resolve));
      expect(await codeOf(openSession(enrolment)), `greeted "${greeting}"`).to.equal('WEIR_UNREACHABLE');
      await new Promise((resolve) => plain.close(resolve));
    }
    provider = await openProvider(join(directory.path, 'provider'), { port });
    expect(await codeOf(openSession(enrolment).then((session) => session.close()))).to.equal(undefined);
  });

  it('a revoked device ends at its greeting, its subscriber goes on', async () => {
    const enrolment = await provider.enrol('ada');
    const subscriber = provider.catalog.subscribers.byName('ada');
    const other = (await enrolDevice(await provider.invite(subscriber ?? expect.fail()), 'other')).enrolment;
    expect(await provider.catalog.subscribers.revoke('ada', 'laptop')).to.equal(1);
    expect(await codeOf(testDevice(enrolment, directory.path, [home]).backup())).to.equal(
      'WEIR_TOKEN_REFUSED',
    );
    expect(await codeOf(testDevice(other, directory.path, [home]).backup())).to.equal(undefined);
  });

  it('a suspended subscriber ends at the greeting and goes on when resumed', async () => {
    const device = testDevice(await provider.enrol('ada'), directory.path, [home]);
    await provider.catalog.subscribers.change('ada', { isSuspended: true });
    for (let time = 0; time <= MAX_REFUSALS; time++)
      expect(await codeOf(device.backup())).to.equal('WEIR_SUBSCRIBER_SUSPENDED');
    await provider.catalog.subscribers.change('ada', { isSuspended: false });
    expect(await codeOf(device.backup())).to.equal(undefined);
  });

  it('an invitation works once, also for two devices at the same time', async () => {
    const subscriber = await provider.add('ada');
    const used = await provider.invite(subscriber);
    await enrolDevice(used, 'first');
    expect(await codeOf(enrolDevice(used, 'second'))).to.equal('WEIR_INVITATION_INVALID');
    const contested = await provider.invite(subscriber);
    const outcomes = await Promise.all(['a', 'b', 'c'].map((name) => codeOf(enrolDevice(contested, name))));
    expect(outcomes.filter((code) => code === undefined)).to.have.length(1);
    expect(outcomes.filter((code) => code === 'WEIR_INVITATION_INVALID')).to.have.length(2);
  });

  it('an invitation nobody gave is refused', async () => {
    const subscriber = await provider.add('ada');
    const invitation = { ...(await provider.invite(subscriber)), token: randomBytes(32) };
    expect(await codeOf(enrolDevice(invitation, 'x'))).to.equal('WEIR_INVITATION_INVALID');
  });

  it(`after ${MAX_REFUSALS} refused tokens the address waits, whatever it brings`, async () => {
    const enrolment = await provider.enrol('ada');
    for (let time = 0; time < MAX_REFUSALS; time++)
      expect(await codeOf(openSession({ ...enrolment, token: randomBytes(32) }))).to.equal(
        'WEIR_TOKEN_REFUSED',
      );
    expect(await codeOf(openSession({ ...enrolment, token: randomBytes(32) }))).to.equal(
      'WEIR_TOO_MANY_ATTEMPTS',
    );
    expect(await codeOf(openSession(enrolment))).to.equal('WEIR_TOO_MANY_ATTEMPTS');
  });

  it('a snapshot or a path that is not there has its own code', async () => {
    const device = testDevice(await provider.enrol('ada'), directory.path, [home]);
    const target = join(directory.path, 'back');
    expect(await codeOf(device.restore('', target))).to.equal('WEIR_SNAPSHOT_UNKNOWN');
    await device.backup();
    expect(await codeOf(device.restore('', target, { snapshot: 'ffffffff' }))).to.equal(
      'WEIR_SNAPSHOT_UNKNOWN',
    );
    expect(await codeOf(device.restore('/nowhere/at/all', target))).to.equal('WEIR_PATH_UNKNOWN');
    expect(await codeOf(device.restore(`${home}/secret/below`, target))).to.equal('WEIR_PATH_UNKNOWN');
    expect(await codeOf(device.restore(`${home}/../home`, target))).to.equal('WEIR_PATH_UNKNOWN');
  });

  it("another subscriber's snapshots are not there", async () => {
    const ada = testDevice(await provider.enrol('ada'), directory.path, [home]);
    const bob = testDevice(await provider.enrol('bob'), directory.path, [home]);
    const { snapshot } = await ada.backup();
    const id = Buffer.from(snapshot.id).toString('hex');
    expect(await codeOf(bob.restore('', join(directory.path, 'back'), { snapshot: id }))).to.equal(
      'WEIR_SNAPSHOT_UNKNOWN',
    );
  });
});
