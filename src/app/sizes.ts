/** Bytes as a person writes them (`500 MB`, `16GiB`, `1.5M`, `4096`), or undefined. `k` is 1000, `Ki` 1024. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?(?:([kKMGT])(i?))?B?$/.exec(text);
  if (match === null) return undefined;
  const [, digits, prefix = '', binary] = match;
  const power = PREFIXES.indexOf(prefix.toUpperCase());
  const bytes = Math.round(Number(digits) * (binary === 'i' ? 1024 : 1000) ** power);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

const PREFIXES = ['', 'K', 'M', 'G', 'T'];

/** Exact, in a form `parseSize` reads: `256 MiB`, or `1000 B` where no power of 1024 divides it. */
export function formatSize(bytes: number): string {
  let power = 0;
  while (power < PREFIXES.length - 1 && bytes > 0 && bytes % 1024 ** (power + 1) === 0) power++;
  return power === 0 ? `${bytes} B` : `${bytes / 1024 ** power} ${PREFIXES[power]}iB`;
}

/** So many bytes, or so much of a whole. */
export type Share = number | `${number}%`;

/** A share such as `50%`, above 0 and at most 100, or undefined. */
export function parseShare(text: string): Share | undefined {
  const [, digits] = /^(\d{1,3}(?:\.\d{1,3})?) ?%$/.exec(text) ?? [];
  const percent = Number(digits ?? 0);
  return percent > 0 && percent <= 100 ? `${percent}%` : undefined;
}

/** The bytes of a share of `wholeBytes`. */
export function bytesOfShare(share: Share, wholeBytes: number): number {
  return typeof share === 'number' ? share : Math.floor((Number.parseFloat(share) / 100) * wholeBytes);
}
