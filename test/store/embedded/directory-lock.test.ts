import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { silentLog } from '../../../src/base/log.ts';
import { lockDirectory } from '../../../src/store/embedded/directory-lock.ts';

describe('directory lock', () => {
  it('lets one in at a time, also within a process, and names it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'weir-lock-'));
    const lock = await lockDirectory(directory, silentLog);
    const error = await lockDirectory(directory, silentLog).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.include({ code: 'WEIR_LOCKED' });
    expect(String(error)).to.contain(String(process.pid));
    await lock.release();
    await (await lockDirectory(directory, silentLog)).release();
    await rm(directory, { recursive: true });
  });
});
