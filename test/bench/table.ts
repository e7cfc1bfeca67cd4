/** What one contender measured: samples by column. No samples: it did not run, and `note` says why. */
export interface TableRow {
  readonly name: string;
  readonly samples: Readonly<Record<string, readonly number[]>>;
  readonly note?: string;
}

/**
 * A table of medians, each with its ratio to the first row that has one (`12.4 ×1.00`) and, from
 * three samples on, its range.
 */
export function comparisonTable(columns: readonly string[], rows: readonly TableRow[]): string {
  const bases = columns.map((column) =>
    medianOf(
      rows.find((row) => row.samples[column]?.length),
      column,
    ),
  );
  const body = rows.map((row) => [
    row.name,
    ...columns.map((column, i) => cell(row.samples[column] ?? [], bases[i])),
    row.note ?? '',
  ]);
  return alignedTable(['', ...columns, ''], body);
}

/** Columns padded to their widest cell: the first and the last to the left, the others to the right. */
export function alignedTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  return [header, ...rows]
    .map((row) =>
      widths
        .map((width, i) => {
          const text = row[i] ?? '';
          return i === 0 || i === widths.length - 1 ? text.padEnd(width) : text.padStart(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** The middle value, or the mean of the two middle ones; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

function medianOf(row: TableRow | undefined, column: string): number | undefined {
  const samples = row?.samples[column];
  return samples === undefined ? undefined : median(samples);
}

function cell(samples: readonly number[], base: number | undefined): string {
  if (samples.length === 0) return '–';
  const value = median(samples);
  const ratio = base === undefined || base === 0 ? '' : ` ×${(value / base).toFixed(2)}`;
  const range = samples.length < 3 ? '' : ` (${short(Math.min(...samples))}–${short(Math.max(...samples))})`;
  return `${short(value)}${range}${ratio}`;
}

function short(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}
