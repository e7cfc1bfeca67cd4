import { join } from 'node:path';
import { openProvider, type TestProvider, temporaryDirectory } from './provider.ts';

/** A provider for all tests of a suite, and the directory it and they work in. */
export interface SharedProvider {
  readonly provider: TestProvider;
  readonly path: string;
}

/** Opens it before the suite and removes it after. To be read in hooks and tests only. */
export function sharedProvider(): SharedProvider {
  let directory: { path: string } & AsyncDisposable;
  let provider: TestProvider;
  before(async () => {
    directory = await temporaryDirectory();
    provider = await openProvider(join(directory.path, 'provider'));
  });
  after(async () => {
    await provider[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });
  return {
    get provider() {
      return provider;
    },
    get path() {
      return directory.path;
    },
  };
}
