/**
 * Paths as byte strings: JavaScript strings of one code point 0–255 for each byte, because names
 * need not be UTF-8. Absolute and normalised; "/" is the root.
 */

/** Node takes paths that need not be UTF-8 as buffers. */
export function pathBytes(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

/** The path as a person reads it. */
export function showPath(path: string): string {
  return pathBytes(path).toString('utf8');
}

/** The path of an entry. "" stands for where one already is. */
export function joinPath(directory: string, name: string): string {
  if (directory === '') return name;
  if (name === '') return directory;
  return directory === '/' ? `/${name}` : `${directory}/${name}`;
}

/**
 * For each directory above a wanted path, the names in it that lead there, sorted. A path inside
 * another wanted path is covered by it.
 */
export function wantedBelow(paths: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const outer = paths.filter((path) => !paths.some((other) => other !== path && isInside(path, other)));
  const below = new Map<string, Set<string>>();
  for (const path of outer) {
    let directory = '/';
    for (const name of path.split('/').filter((part) => part !== '')) {
      const names = below.get(directory) ?? new Set();
      below.set(directory, names.add(name));
      directory = joinPath(directory, name);
    }
  }
  return new Map([...below].map(([directory, names]) => [directory, [...names].sort()]));
}

function isInside(path: string, directory: string): boolean {
  return path.startsWith(directory === '/' ? '/' : `${directory}/`);
}
