import { isUtf8 } from 'node:buffer';
import { assert } from './assert.ts';

/**
 * Plain binary fields: unsigned LEB128 varints, little-endian integers, length-prefixed bytes.
 * Byte strings (file names) are JavaScript strings of code points 0–255, one per byte ("latin1"),
 * so that names which are not UTF-8 survive and compare bytewise.
 */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(capacityBytes = 256) {
    this.#buffer = Buffer.allocUnsafe(capacityBytes);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  /** One byte: 1 or 0. */
  flag(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  /** An integer from 0 to 2^48 - 1. */
  u48(value: number): void {
    this.#reserve(6);
    this.#length = this.#buffer.writeUIntLE(value, this.#length, 6);
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
  }

  /** A safe integer from 0. */
  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, `a varint of ${value}`);
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#length++] = rest;
  }

  /** An integer from -2^52 to 2^52 - 1, small magnitudes short. */
  signedVarint(value: number): void {
    assert(Number.isSafeInteger(value), `a signed varint of ${value}`);
    this.varint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  prefixedBytes(value: Uint8Array): void {
    this.varint(value.length);
    this.bytes(value);
  }

  /** A byte string without its length. */
  byteString(value: string): void {
    this.#reserve(value.length);
    this.#length += this.#buffer.write(value, this.#length, 'latin1');
  }

  prefixedByteString(value: string): void {
    this.varint(value.length);
    this.byteString(value);
  }

  prefixedText(value: string): void {
    this.prefixedBytes(Buffer.from(value, 'utf8'));
  }

  /** What was written so far. Shares memory with the writer: write no more after it. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(sizeBytes: number): void {
    if (this.#length + sizeBytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + sizeBytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/**
 * Reads what `ByteWriter` wrote. Anything that does not fit calls `fail`, which must throw the
 * error of the caller's domain. Returned bytes are views.
 */
export class ByteReader {
  readonly #buffer: Buffer;
  readonly #fail: (reason: string) => never;
  #at = 0;

  constructor(bytes: Uint8Array, fail: (reason: string) => never) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#fail = fail;
  }

  get remaining(): number {
    return this.#buffer.length - this.#at;
  }

  u8(): number {
    const at = this.#take(1);
    return this.#buffer.readUInt8(at);
  }

  u48(): number {
    return this.#buffer.readUIntLE(this.#take(6), 6);
  }

  f64(): number {
    return this.#buffer.readDoubleLE(this.#take(8));
  }

  varint(max: number = Number.MAX_SAFE_INTEGER): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && count > 0) this.#fail('a number is padded');
        if (value > max) this.#fail(`a number is above ${max}`);
        return value;
      }
      scale *= 0x80;
    }
    return this.#fail('a number is too long');
  }

  signedVarint(): number {
    const value = this.varint();
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }

  bytes(sizeBytes: number): Buffer {
    const at = this.#take(sizeBytes);
    return this.#buffer.subarray(at, at + sizeBytes);
  }

  prefixedBytes(maxBytes: number): Buffer {
    return this.bytes(this.varint(maxBytes));
  }

  byteString(sizeBytes: number): string {
    return this.bytes(sizeBytes).toString('latin1');
  }

  prefixedByteString(maxBytes: number): string {
    return this.byteString(this.varint(maxBytes));
  }

  /** A byte string up to its terminating NUL, which is consumed. */
  terminatedByteString(maxBytes: number): string {
    const end = this.#buffer.indexOf(0, this.#at);
    if (end < 0 || end - this.#at > maxBytes) return this.#fail('a string does not end');
    const value = this.byteString(end - this.#at);
    this.#at = end + 1;
    return value;
  }

  prefixedText(maxBytes: number): string {
    const bytes = this.prefixedBytes(maxBytes);
    if (!isUtf8(bytes)) this.#fail('a text is not UTF-8');
    return bytes.toString('utf8');
  }

  /** A byte that is 1 or 0. */
  flag(): boolean {
    const value = this.u8();
    if (value > 1) this.#fail('a flag is neither 0 nor 1');
    return value === 1;
  }

  /** Fails unless everything was read. */
  end(): void {
    if (this.remaining !== 0) this.#fail(`${this.remaining} bytes follow the end`);
  }

  #take(sizeBytes: number): number {
    if (sizeBytes > this.remaining) this.#fail('it ends early');
    const at = this.#at;
    this.#at += sizeBytes;
    return at;
  }
}
