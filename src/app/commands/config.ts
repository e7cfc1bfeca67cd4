import { Document } from 'yaml';
import { loadSettings, type Settings } from '../config.ts';
import { createOutput } from '../output.ts';
import { formatSize } from '../sizes.ts';
import type { ProviderFlags } from './operate.ts';

/** Prints what is in force, as a file that `weir serve` would read, with the source of each value. */
export async function showConfig(flags: ProviderFlags): Promise<void> {
  const output = createOutput(flags);
  const settings = await loadSettings(flags.config);
  output.result(asYaml(settings));
  for (const { key, value = null, source } of settings.all) output.json('setting', { key, value, source });
}

/** Ends with WEIR_CONFIG_INVALID when `weir serve` would. */
export async function validateConfig(flags: ProviderFlags): Promise<void> {
  const output = createOutput(flags);
  const { all } = await loadSettings(flags.config);
  const set = all.filter(({ source }) => source !== 'default').length;
  output.result(`the configuration is valid: ${set} set, ${all.length - set} left to their defaults`);
  output.json('config', { isValid: true, set });
}

function asYaml({ all }: Settings): string {
  const document = new Document({});
  for (const { key, value, source } of all) {
    if (value === undefined) continue;
    const isSize = key.endsWith('Bytes') && typeof value === 'number';
    const node = document.createNode(isSize ? formatSize(value) : value, { flow: true });
    node.comment = ` ${source}`;
    document.setIn(key.split('.'), node);
  }
  const unset = all.filter(({ value }) => value === undefined).map(({ key }) => `# ${key}: not set\n`);
  return (document.toString({ lineWidth: 0 }) + unset.join('')).trimEnd();
}
