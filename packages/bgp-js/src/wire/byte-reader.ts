import { BgpMessageError, type NotificationFields } from '../errors.ts'

/**
 * A bounds-checked cursor over octets in network order. A nested length becomes a {@link ByteReader.sub} reader, so
 * nothing can read past the box it lives in. What is thrown on overrun is decided by the owner of the box.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  readonly #onOverrun: NotificationFields
  #position: number

  constructor(bytes: Uint8Array, onOverrun: NotificationFields, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#position = start
    this.#end = end
    this.#onOverrun = onOverrun
  }

  get remaining(): number {
    return this.#end - this.#position
  }

  /** Octets from `start` of an earlier {@link ByteReader.position} up to here; a view. */
  since(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.#position)
  }

  /** A copy of the octets from `start` to `end`, positions of before. */
  between(start: number, end: number): Uint8Array {
    return Uint8Array.from(this.#bytes.subarray(start, end))
  }

  get position(): number {
    return this.#position
  }

  u8(): number {
    this.#need(1)
    return this.#bytes[this.#position++] as number
  }

  u16(): number {
    this.#need(2)
    const at = this.#position
    this.#position += 2
    return ((this.#bytes[at] as number) << 8) | (this.#bytes[at + 1] as number)
  }

  u32(): number {
    this.#need(4)
    const at = this.#position
    const bytes = this.#bytes
    this.#position += 4
    const low = ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)
    return (bytes[at] as number) * 0x1000000 + low
  }

  /** A view of the next `length` octets; copy it to keep it. */
  view(length: number): Uint8Array {
    this.#need(length)
    const start = this.#position
    this.#position += length
    return this.#bytes.subarray(start, start + length)
  }

  /** Where the next `length` octets stand; they are consumed. */
  range(length: number): { readonly octets: Uint8Array; readonly start: number; readonly end: number } {
    this.#need(length)
    const start = this.#position
    this.#position += length
    return { octets: this.#bytes, start, end: start + length }
  }

  /** A copy of the next `length` octets. */
  bytes(length: number): Uint8Array {
    return Uint8Array.from(this.view(length))
  }

  /** A reader of the next `length` octets alone; they are consumed here. */
  sub(length: number, onOverrun: NotificationFields = this.#onOverrun): ByteReader {
    this.#need(length)
    const start = this.#position
    this.#position += length
    return new ByteReader(this.#bytes, onOverrun, start, start + length)
  }

  #need(length: number): void {
    if (length > this.#end - this.#position) {
      throw new BgpMessageError(`${length} octets wanted, ${this.#end - this.#position} left`, this.#onOverrun)
    }
  }
}
