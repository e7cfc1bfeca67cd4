/** Text that is markup already. Only `html` makes it, so nothing reaches a page unescaped by oversight. */
export interface Html {
  readonly markup: string;
}

/** Markup with values in it: strings are escaped, for text and quoted attributes alike; `undefined` is nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  const [first = '', ...rest] = parts;
  return { markup: rest.reduce((markup, part, i) => markup + markupOf(values[i]) + part, first) };
}

type Value = string | Html | readonly Html[] | undefined;

function markupOf(value: Value): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return value.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
  return 'markup' in value ? value.markup : value.map(({ markup }) => markup).join('');
}
