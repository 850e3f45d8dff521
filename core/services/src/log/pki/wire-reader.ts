import { signatureError } from './pki-format.ts';

/** Reads length-prefixed fields one after another and refuses to read beyond the end. */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #offset = 0;

  /** @param what names the bytes in errors */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get done(): boolean {
    return this.#offset === this.#bytes.length;
  }

  take(length: number): Uint8Array {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw signatureError(`${this.#what} ends in the middle of a field`);
    const part = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return part;
  }

  byte(): number {
    return this.take(1)[0] ?? 0;
  }

  uint16(): number {
    return this.byte() * 256 + this.byte();
  }

  uint32(): number {
    return this.uint16() * 65_536 + this.uint16();
  }

  /** Bytes behind their length in four bytes (RFC 4251 §5, `string`). */
  string(): Uint8Array {
    return this.take(this.uint32());
  }

  /** Text of a {@link string} of printable ASCII. */
  text(): string {
    const bytes = this.string();
    if (bytes.some((byte) => byte < 0x20 || byte > 0x7e))
      throw signatureError(`${this.#what} has a name that is not text`);
    return Buffer.from(bytes).toString('latin1');
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.#offset);
  }

  end(): void {
    if (!this.done) throw signatureError(`${this.#what} has bytes after its end`);
  }
}
