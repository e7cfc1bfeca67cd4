import { readFile, writeFile } from 'node:fs/promises';
import createWabt from 'wabt';

// A step of the build: assembles the chunker's WebAssembly text beside the compiled code.
const source = new URL('../../../src/content/chunker.wat', import.meta.url);
const wabt = await createWabt();
const module = wabt.parseWat('chunker.wat', await readFile(source, 'utf8'));
module.validate();
await writeFile(new URL('chunker.wasm', import.meta.url), module.toBinary({}).buffer);
module.destroy();
