import { createDial } from '../../../../src/base/dial.ts';
import { testProxy } from '../harness.ts';
import { openScriptedOrigin, type ScriptedOrigin } from './scripted-origin.ts';

/** A proxy with the scripted origin behind it. */
export interface Stage extends AsyncDisposable {
  readonly proxy: { readonly host: string; readonly port: number };
  readonly origin: ScriptedOrigin;
  /** Whether every name in `.test` leads to the origin, on every port. */
  readonly hasNames: boolean;
}

/**
 * Weir's proxy with a cache of its own. `WEIR_TEST_PROXY=host:port` puts another forward proxy in
 * its place, to see whether a case asks for what others do.
 */
export async function openStage(): Promise<Stage> {
  const origin = await openScriptedOrigin();
  const other = process.env['WEIR_TEST_PROXY'];
  if (other !== undefined) {
    const [host = '', port] = other.split(':');
    return {
      proxy: { host, port: Number(port) },
      origin,
      hasNames: false,
      [Symbol.asyncDispose]: () => origin[Symbol.asyncDispose](),
    };
  }
  const dial = createDial({ allow: ['127.0.0.0/8'], timeoutMs: 2_000 });
  const proxy = await testProxy({
    dial: (host, port, options) =>
      host.endsWith('.test') ? dial('127.0.0.1', origin.port, options) : dial(host, port, options),
  });
  return {
    proxy: { host: '127.0.0.1', port: proxy.port },
    origin,
    hasNames: true,
    async [Symbol.asyncDispose]() {
      await proxy.close();
      await origin[Symbol.asyncDispose]();
    },
  };
}

/** An address for each subscriber of each case, so that no bound on one subscriber's connections is met. */
export function addressOf(caseNumber: number, subscriber = 1): string {
  return `127.${subscriber}.${1 + Math.floor(caseNumber / 250)}.${1 + (caseNumber % 250)}`;
}
