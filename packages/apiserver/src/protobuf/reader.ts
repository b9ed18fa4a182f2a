import { isUtf8 } from 'node:buffer'

/** A body that is no valid protobuf message of its type. */
export class ProtobufError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ProtobufError'
  }
}

/** Bounds-checked reader of protobuf's wire format (https://protobuf.dev/programming-guides/encoding). */
export class ProtobufReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get remaining(): number {
    return this.#bytes.length - this.#position
  }

  varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const octet = this.#octet()
      value |= BigInt(octet & 0x7f) << shift
      if (octet < 0x80) return BigInt.asUintN(64, value)
    }
    throw new ProtobufError('a varint is longer than 10 octets')
  }

  /** A varint as a signed number. */
  int(): number {
    return Number(BigInt.asIntN(64, this.varint()))
  }

  double(): number {
    return this.#view.getFloat64(this.#take(8), true)
  }

  /** A view of the octets of a length-delimited field. */
  bytes(): Uint8Array {
    const length = Number(this.varint())
    const start = this.#take(length)
    return this.#bytes.subarray(start, start + length)
  }

  string(): string {
    const bytes = this.bytes()
    if (!isUtf8(bytes)) throw new ProtobufError('a string is not valid UTF-8')
    return Buffer.from(bytes).toString('utf8')
  }

  skip(wireType: number): void {
    switch (wireType) {
      case 0:
        this.varint()
        break
      case 1:
        this.#take(8)
        break
      case 2:
        this.bytes()
        break
      case 5:
        this.#take(4)
        break
      default:
        throw new ProtobufError(`wire type ${wireType} is not known`)
    }
  }

  #octet(): number {
    return this.#bytes[this.#take(1)] ?? 0
  }

  #take(length: number): number {
    if (length > this.remaining) throw new ProtobufError('the message ends too early')
    const start = this.#position
    this.#position += length
    return start
  }
}
