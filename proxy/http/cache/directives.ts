import { splitList, TOKEN } from './fields.ts';

/** A member of Cache-Control or of a field of its kind. */
export interface Directive {
  /** In lower case. */
  readonly name: string;
  /** Without quotes; undefined when there is no `=`. */
  readonly argument: string | undefined;
  /** Whether it keeps to the grammar. What does not can restrict, but permits nothing. */
  readonly isValid: boolean;
}

/** RFC 9111 section 1.2.2: what cannot be counted is 2^31. */
const MAX_SECONDS = 2 ** 31;

const MEMBER = new RegExp(`^(${TOKEN})(?:=(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)"))?$`);
const NAME = new RegExp(`^${TOKEN}`);
const FIELD_NAME = new RegExp(`^${TOKEN}$`);

/**
 * The directives of a field's lines, in their order (RFC 9111 section 5.2). Something malformed is
 * known by the name it begins with, as is what follows a quote that nothing closes; what has no name
 * is left out.
 */
export function readDirectives(lines: readonly string[]): readonly Directive[] {
  const directives: Directive[] = [];
  for (const line of lines) {
    let isBroken = false;
    for (const member of splitList(line)) {
      const parts = MEMBER.exec(member);
      isBroken ||= parts === null && member.includes('"');
      const name = parts?.[1] ?? NAME.exec(member)?.[0];
      if (name === undefined) continue;
      const argument = parts?.[2] ?? parts?.[3]?.replace(/\\(.)/g, '$1');
      directives.push({ name: name.toLowerCase(), argument, isValid: parts !== null && !isBroken });
    }
  }
  return directives;
}

/** Whether the directive is there in any shape. For what restricts. */
export function states(directives: readonly Directive[], name: string): boolean {
  return directives.some((directive) => directive.name === name);
}

/** Whether the directive is there in good shape. For what permits. */
export function permits(directives: readonly Directive[], name: string): boolean {
  return directives.some((directive) => directive.name === name && directive.isValid);
}

/**
 * The argument of the first such directive (RFC 9111 section 4.2.1) as whole seconds, in milliseconds.
 *
 * @param invalidMs what to take for anything but digits
 * @returns undefined when the directive is not there
 */
export function delayMs(
  directives: readonly Directive[],
  name: string,
  invalidMs: number,
): number | undefined {
  const directive = directives.find((one) => one.name === name);
  if (directive === undefined) return undefined;
  const seconds = directive.isValid ? readSeconds(directive.argument ?? '') : undefined;
  return seconds === undefined ? invalidMs : seconds * 1000;
}

/** delta-seconds, RFC 9111 section 1.2.2. */
export function readSeconds(text: string): number | undefined {
  return /^\d+$/.test(text) ? Math.min(Number(text), MAX_SECONDS) : undefined;
}

/**
 * The fields a `no-cache` or `private` names in lower case, 'all' in the unqualified form
 * (RFC 9111 sections 5.2.2.4 and 5.2.2.7). An argument that is no list of names counts as
 * unqualified; so does one that names Content-Encoding, for without it the content is another.
 *
 * @returns undefined when the directive is not there
 */
export function namedFields(
  directives: readonly Directive[],
  name: string,
): ReadonlySet<string> | 'all' | undefined {
  let fields: Set<string> | undefined;
  for (const directive of directives) {
    if (directive.name !== name) continue;
    const names = directive.isValid ? splitList((directive.argument ?? '').toLowerCase()) : [];
    if (names.length === 0 || names.includes('content-encoding')) return 'all';
    if (!names.every((field) => FIELD_NAME.test(field))) return 'all';
    fields = new Set([...(fields ?? []), ...names]);
  }
  return fields;
}
