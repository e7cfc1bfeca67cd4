import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file of the repository: its path from the root, with `/`, and its text. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** The root of the repository, seen from the compiled `dist/test/house/`. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Every TypeScript file of the repository, by path. */
export function readSources(): Source[] {
  return readdirSync(ROOT)
    .filter((name) => !NOT_SOURCE.test(name))
    .flatMap((name) => (statSync(join(ROOT, name)).isDirectory() ? below(name) : [name]))
    .filter((path) => path.endsWith('.ts'))
    .toSorted()
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

/** The text with comments and the insides of strings blanked, and every line where it was. */
export function codeOf(text: string): string {
  return text.replace(COMMENT_OR_STRING, (match) => match.replace(/[^\n]/g, ' '));
}

/** The text with comments blanked and every line where it was. */
export function withoutComments(text: string): string {
  return text.replace(COMMENT_OR_STRING, (match) =>
    match.startsWith('/') ? match.replace(/[^\n]/g, ' ') : match,
  );
}

const NOT_SOURCE = /^(?:\..*|node_modules|dist|weir-data)$/;
const COMMENT_OR_STRING =
  /\/\/.*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;

function below(directory: string): string[] {
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' }).map((path) =>
    join(directory, path),
  );
}
