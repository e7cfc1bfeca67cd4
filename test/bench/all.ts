import { fileURLToPath } from 'node:url';

/** Each bench: its file beside this one, and the function in it. Loaded when it runs. */
const BENCHES: Readonly<Record<string, readonly [file: string, run: string]>> = {
  identify: ['identify', 'runIdentify'],
  chunker: ['chunker', 'runChunker'],
  store: ['store', 'runStore'],
  proxy: ['proxy-cpu', 'runProxyCpu'],
  cache: ['cache', 'runCache'],
  workers: ['workers', 'runWorkers'],
  slow: ['slow', 'runSlow'],
  speed: ['speed', 'runSpeed'],
  uplink: ['uplink', 'runUplink'],
};

/** Runs the benches named, or all, one after another. */
async function runBenches(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => BENCHES[name] === undefined);
  if (unknown.length > 0)
    throw new Error(`no bench is named ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`);
  for (const [name, [file, run]] of Object.entries(BENCHES)) {
    if (names.length > 0 && !names.includes(name)) continue;
    console.log(`\n== ${name}`);
    const startMs = performance.now();
    const module: object = await import(new URL(`${file}.js`, import.meta.url).href);
    const bench: unknown = Reflect.get(module, run);
    if (typeof bench !== 'function') throw new Error(`${file}.ts exports no ${run}`);
    await bench();
    console.log(`(${((performance.now() - startMs) / 1000).toFixed(0)} s)`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await runBenches(process.argv.slice(2));
