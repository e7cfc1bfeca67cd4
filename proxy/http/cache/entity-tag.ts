/** RFC 9110 section 8.8.3: well-formed, and not marked as weak. */
export function isStrongTag(tag: string): boolean {
  return /^"[!#-~\x80-\xff]*"$/.test(tag);
}

/** RFC 9110 section 8.8.3.2. What is no entity tag is like itself alone. */
export function isWeaklyEqual(one: string, other: string): boolean {
  return opaque(one) === opaque(other);
}

/** The members of an If-None-Match. A value without any entity tag is taken for one. */
export function readTags(value: string): readonly string[] {
  return value.match(/(?:W\/)?"[^"]*"/g) ?? [value.trim()];
}

function opaque(tag: string): string {
  return tag.startsWith('W/"') ? tag.slice(2) : tag;
}
