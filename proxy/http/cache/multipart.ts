import type { ByteRange } from './ranges.ts';

/** A multipart/byteranges message, to be written head, bytes of its range, next head, …, tail. */
export interface Multipart {
  /** Of the answer; the parts have their own. */
  readonly contentType: string;
  /** Of the whole content, for Content-Length. */
  readonly sizeBytes: number;
  readonly heads: readonly Buffer[];
  readonly tail: Buffer;
}

/**
 * How several ranges go into one 206 (RFC 9110 section 14.6). One range alone is sent as it is, with a
 * Content-Range.
 *
 * @param contentType the stored response's, if it has one
 * @param sizeBytes of the whole representation
 * @param boundary 1 to 70 letters, digits and hyphens that do not occur in the bytes
 */
export function multipart(
  ranges: readonly ByteRange[],
  contentType: string | undefined,
  sizeBytes: number,
  boundary: string,
): Multipart {
  const type = contentType === undefined ? '' : `Content-Type: ${contentType}\r\n`;
  const heads = ranges.map(({ fromByte, toByte }, at) => {
    const range = `Content-Range: bytes ${fromByte}-${toByte - 1}/${sizeBytes}\r\n\r\n`;
    return Buffer.from(`${at === 0 ? '' : '\r\n'}--${boundary}\r\n${type}${range}`, 'latin1');
  });
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1');
  const framingBytes = heads.reduce((sum, head) => sum + head.length, tail.length);
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    sizeBytes: ranges.reduce((sum, { fromByte, toByte }) => sum + toByte - fromByte, framingBytes),
    heads,
    tail,
  };
}
