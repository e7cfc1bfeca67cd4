import type { WeirError } from '../base/errors.ts';

/** How a command speaks: results on stdout, everything else on stderr. */
export interface Output {
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  /** The result, for a person. Nothing when JSON is asked for. */
  result(line: string): void;
  /** The result, for a program: one JSON line with `schema` and `type`. Nothing otherwise. */
  json(type: string, value: Record<string, unknown>): void;
  /** Something worth knowing on the way. */
  note(line: string): void;
  /** An error with its code and remedy. */
  error(error: WeirError): void;
}

export interface OutputOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const SCHEMA = 1;

export function createOutput({ json = false, quiet = false }: OutputOptions): Output {
  return {
    isJson: json,
    isQuiet: quiet,
    result(line) {
      if (!json) process.stdout.write(`${printable(line)}\n`);
    },
    json(type, value) {
      if (json) process.stdout.write(`${JSON.stringify({ schema: SCHEMA, type, ...value })}\n`);
    },
    note(line) {
      if (!quiet) process.stderr.write(`${printable(line)}\n`);
    },
    error(error) {
      const { code, message, remedy, facts } = error;
      if (json)
        process.stdout.write(
          `${JSON.stringify({ schema: SCHEMA, type: 'error', code, message, remedy, facts })}\n`,
        );
      else process.stderr.write(`weir: ${printable(message)} [${code}]\n      ${remedy}\n`);
    },
  };
}

/** Names may hold anything; what a terminal would obey is shown as its number instead. */
function printable(text: string): string {
  return text.replace(CONTROLS, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** Control characters but the line feed, which ends a line of ours. */
const CONTROLS = /[^\P{Cc}\n]/gu;

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** Bytes for people, in powers of ten: "4.1 GB". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? 'B'}`;
}

export function formatTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replace('T', ' ').slice(0, 16);
}

export function formatDuration(durationMs: number): string {
  if (durationMs < 59_950) return `${(durationMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Rows as columns two blanks apart; columns of figures are given as right-aligned. */
export function formatTable(
  rows: readonly (readonly string[])[],
  rightAligned: readonly number[] = [],
): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, text] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, text.length);
  }
  const cell = (text: string, column: number) =>
    rightAligned.includes(column) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0);
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n');
}
