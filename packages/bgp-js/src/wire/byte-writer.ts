/** Appends integers in network order to a buffer that grows. */
export class ByteWriter {
  #bytes: Buffer
  #length = 0

  constructor(capacity = 256) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): void {
    this.#room(1)
    this.#bytes[this.#length++] = value
  }

  u16(value: number): void {
    this.#room(2)
    this.#bytes[this.#length++] = value >>> 8
    this.#bytes[this.#length++] = value
  }

  u32(value: number): void {
    this.u16(Math.floor(value / 0x10000))
    this.u16(value % 0x10000)
  }

  bytes(octets: Uint8Array): void {
    this.#room(octets.length)
    this.#bytes.set(octets, this.#length)
    this.#length += octets.length
  }

  /** Writes what `body` appends behind its own length in 1 or 2 octets. */
  lengthPrefixed(width: 1 | 2, body: (writer: ByteWriter) => void): void {
    const at = this.#length
    if (width === 1) this.u8(0)
    else this.u16(0)
    body(this)
    const length = this.#length - at - width
    if (width === 2) this.#bytes[at] = length >>> 8
    this.#bytes[at + width - 1] = length
  }

  /**
   * Ends an attribute that began at `flagsAt` with flags, code and one octet for its length: fills that in, or makes it
   * two and sets the Extended Length bit where it takes more (RFC 4271 §4.3).
   */
  endAttribute(flagsAt: number): void {
    const lengthAt = flagsAt + 2
    const length = this.#length - lengthAt - 1
    if (length <= 255) {
      this.#bytes[lengthAt] = length
      return
    }
    this.u8(0)
    this.#bytes.copyWithin(lengthAt + 2, lengthAt + 1, this.#length - 1)
    this.#bytes[flagsAt] = (this.#bytes[flagsAt] as number) | 0x10
    this.#bytes[lengthAt] = length >>> 8
    this.#bytes[lengthAt + 1] = length
  }

  /** Forgets what was written. */
  clear(): void {
    this.#length = 0
  }

  /** What was written, as Latin-1 text. */
  text(): string {
    return this.#bytes.toString('latin1', 0, this.#length)
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes.subarray(0, this.#length))
  }

  #room(length: number): void {
    if (this.#length + length <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#length + length))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}
