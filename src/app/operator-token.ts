import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../base/durable-write.ts';
import { systemCode } from '../base/errors.ts';
import { systemFiles } from '../base/files.ts';
import { systemRandom } from '../base/random.ts';

const TOKEN_BYTES = 32;

/** The operator's token in hexadecimal, made on the first start; only the owner of the file reads it. */
export async function operatorToken(dataDirectory: string): Promise<string> {
  const existing = await readOperatorToken(dataDirectory);
  if (existing !== undefined) return existing;
  const token = systemRandom(TOKEN_BYTES).toString('hex');
  await replaceFile(systemFiles, tokenPath(dataDirectory), Buffer.from(`${token}\n`));
  return token;
}

/** The token, or undefined when there was no start yet. */
export async function readOperatorToken(dataDirectory: string): Promise<string | undefined> {
  try {
    return (await readFile(tokenPath(dataDirectory), 'utf8')).trim();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function tokenPath(dataDirectory: string): string {
  return join(dataDirectory, 'operator-token');
}
