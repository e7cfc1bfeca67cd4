import type { Directive } from './directives.ts';

const KEY = '[a-z*][a-z0-9_.*-]*';
const NUMBER = '-?(?:\\d{1,12}\\.\\d{1,3}|\\d{1,15})(?![\\d.])';
const STRING = '"(?:[ !#-\\[\\]-~]|\\\\["\\\\])*"';
const ITEM = `(?:${NUMBER}|${STRING}|[A-Za-z*][!#-'*+.^_\`|~\\w:/-]*|:[A-Za-z0-9+/=]*:|\\?[01])`;
const PARAMETERS = `(?:; *${KEY}(?:=${ITEM})?)*`;
const INNER_LIST = `\\( *(?:${ITEM}${PARAMETERS}(?: +|(?=\\))))*\\)`;
const MEMBER = new RegExp(`(${KEY})(?:=(${ITEM}|${INNER_LIST}))?${PARAMETERS}`, 'y');
const NEXT = /[ \t]*,[ \t]*/y;

/**
 * A structured-field dictionary (RFC 8941 section 3.2) as directives (RFC 9213 section 2.1): the last
 * of a name counts, parameters do not, `?0` is as good as absent. A String of digits is not the
 * Integer a delay has to be, and is marked invalid.
 *
 * @returns undefined when it is malformed or empty
 */
export function readDictionary(value: string): readonly Directive[] | undefined {
  const text = value.trim();
  const members = new Map<string, string | undefined>();
  for (let at = 0; ; at = NEXT.lastIndex) {
    MEMBER.lastIndex = at;
    const member = MEMBER.exec(text);
    if (member === null) return undefined;
    members.set(member[1] ?? '', member[2]);
    NEXT.lastIndex = MEMBER.lastIndex;
    if (MEMBER.lastIndex === text.length) break;
    if (!NEXT.test(text)) return undefined;
  }
  return [...members].filter(([, item]) => item !== '?0').map(([name, item]) => asDirective(name, item));
}

function asDirective(name: string, item: string | undefined): Directive {
  if (item === undefined || item === '?1') return { name, argument: undefined, isValid: true };
  if (!item.startsWith('"')) return { name, argument: item, isValid: true };
  const argument = item.slice(1, -1).replace(/\\(.)/g, '$1');
  return { name, argument, isValid: !/^\d*$/.test(argument) };
}
