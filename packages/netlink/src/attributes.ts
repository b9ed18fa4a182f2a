import { endianness } from 'node:os'
import { NetlinkError } from './errors.ts'

/** Netlink is in the byte order of the machine; only fields that say so are in network order. */
export const LITTLE_ENDIAN = endianness() === 'LE'

const NESTED = 0x8000
const TYPE_MASK = 0x3fff
const align = (length: number): number => (length + 3) & ~3

const text = new TextDecoder()
const utf8 = new TextEncoder()

/** Appends netlink messages and attributes (linux/netlink.h) to one growing buffer. */
export class MessageWriter {
  #bytes: Uint8Array
  #view: DataView
  #length = 0

  constructor(capacity = 512) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get length(): number {
    return this.#length
  }

  /** The bytes so far; a view that the next write may replace. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Starts over, keeping the memory. */
  clear(): void {
    this.#length = 0
  }

  /** One whole message: header, then what `fill` writes, then padding. */
  message(type: number, flags: number, sequence: number, fill: (writer: MessageWriter) => void): void {
    const start = this.#length
    this.u32(0).u16(type).u16(flags).u32(sequence).u32(0)
    fill(this)
    this.#view.setUint32(start, this.#length - start, LITTLE_ENDIAN)
    this.#pad()
  }

  u8(value: number): this {
    const start = this.#grow(1)
    this.#view.setUint8(start, value)
    return this
  }

  u16(value: number): this {
    const start = this.#grow(2)
    this.#view.setUint16(start, value, LITTLE_ENDIAN)
    return this
  }

  u32(value: number): this {
    const start = this.#grow(4)
    this.#view.setUint32(start, value, LITTLE_ENDIAN)
    return this
  }

  /** Network order. */
  u16be(value: number): this {
    const start = this.#grow(2)
    this.#view.setUint16(start, value)
    return this
  }

  /** Network order. */
  u32be(value: number): this {
    const start = this.#grow(4)
    this.#view.setUint32(start, value)
    return this
  }

  raw(bytes: Uint8Array): this {
    const start = this.#grow(bytes.length)
    this.#bytes.set(bytes, start)
    return this
  }

  attribute(type: number, bytes: Uint8Array): this {
    this.u16(4 + bytes.length)
      .u16(type)
      .raw(bytes)
    this.#pad()
    return this
  }

  attributeU8(type: number, value: number): this {
    this.u16(5).u16(type).u8(value)
    this.#pad()
    return this
  }

  attributeU16(type: number, value: number): this {
    this.u16(6).u16(type).u16(value)
    this.#pad()
    return this
  }

  attributeU16be(type: number, value: number): this {
    this.u16(6).u16(type).u16be(value)
    this.#pad()
    return this
  }

  attributeU32(type: number, value: number): this {
    return this.u16(8).u16(type).u32(value)
  }

  attributeU32be(type: number, value: number): this {
    return this.u16(8).u16(type).u32be(value)
  }

  /** A string with its closing zero. */
  attributeText(type: number, value: string): this {
    const bytes = utf8.encode(value)
    this.u16(5 + bytes.length)
      .u16(type)
      .raw(bytes)
      .u8(0)
    this.#pad()
    return this
  }

  /** An attribute that holds attributes. */
  nested(type: number, fill: (writer: MessageWriter) => void, flag: number = NESTED): this {
    const start = this.#length
    this.u16(0).u16(type | flag)
    fill(this)
    this.#view.setUint16(start, this.#length - start, LITTLE_ENDIAN)
    this.#pad()
    return this
  }

  /** A box that begins with its own 16-bit length and is not an attribute (struct rtnexthop). */
  box(fill: (writer: MessageWriter) => void): this {
    const start = this.#length
    this.u16(0)
    fill(this)
    this.#view.setUint16(start, this.#length - start, LITTLE_ENDIAN)
    this.#pad()
    return this
  }

  #pad(): void {
    const padding = align(this.#length) - this.#length
    if (padding === 0) return
    const start = this.#grow(padding)
    this.#bytes.fill(0, start, this.#length)
  }

  /** Makes room for `count` octets and returns where they begin. It may replace #bytes and #view. */
  #grow(count: number): number {
    const start = this.#length
    this.#length += count
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, start))
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    return start
  }
}

/** One attribute: `bytes` is a view into the message. */
export interface RawAttribute {
  readonly type: number
  readonly bytes: Uint8Array
}

/** Walks attributes; no length can reach past `bytes`. @throws {NetlinkError} NETLINK_BAD_MESSAGE */
export function* walkAttributes(bytes: Uint8Array): Generator<RawAttribute> {
  const view = viewOf(bytes)
  let position = 0
  // Fewer than four octets at the end are padding, as in the kernel's nla_ok().
  while (bytes.length - position >= 4) {
    const length = view.getUint16(position, LITTLE_ENDIAN)
    if (length < 4 || position + length > bytes.length) {
      throw badMessage(`an attribute at ${position} says ${length} of ${bytes.length} octets`)
    }
    const type = view.getUint16(position + 2, LITTLE_ENDIAN) & TYPE_MASK
    yield { type, bytes: bytes.subarray(position + 4, position + length) }
    position += align(length)
  }
}

/** The attributes of one message or nest, by type; of two with one type the last counts, as in the kernel. */
export class Attributes {
  readonly #byType = new Map<number, Uint8Array>()

  constructor(bytes: Uint8Array) {
    for (const attribute of walkAttributes(bytes)) this.#byType.set(attribute.type, attribute.bytes)
  }

  has(type: number): boolean {
    return this.#byType.has(type)
  }

  /** A view into the message. */
  bytes(type: number): Uint8Array | undefined {
    return this.#byType.get(type)
  }

  u8(type: number): number | undefined {
    return this.#sized(type, 1)?.getUint8(0)
  }

  u16(type: number): number | undefined {
    return this.#sized(type, 2)?.getUint16(0, LITTLE_ENDIAN)
  }

  u16be(type: number): number | undefined {
    return this.#sized(type, 2)?.getUint16(0)
  }

  u32(type: number): number | undefined {
    return this.#sized(type, 4)?.getUint32(0, LITTLE_ENDIAN)
  }

  i32(type: number): number | undefined {
    return this.#sized(type, 4)?.getInt32(0, LITTLE_ENDIAN)
  }

  u32be(type: number): number | undefined {
    return this.#sized(type, 4)?.getUint32(0)
  }

  u64be(type: number): bigint | undefined {
    return this.#sized(type, 8)?.getBigUint64(0)
  }

  /** Up to the first zero octet. */
  text(type: number): string | undefined {
    const bytes = this.#byType.get(type)
    if (bytes === undefined) return undefined
    const end = bytes.indexOf(0)
    return text.decode(end < 0 ? bytes : bytes.subarray(0, end))
  }

  nested(type: number): Attributes | undefined {
    const bytes = this.#byType.get(type)
    return bytes === undefined ? undefined : new Attributes(bytes)
  }

  #sized(type: number, length: number): DataView | undefined {
    const bytes = this.#byType.get(type)
    if (bytes === undefined) return undefined
    if (bytes.length < length) {
      throw badMessage(`attribute ${type} has ${bytes.length} octets and must have ${length}`)
    }
    return viewOf(bytes)
  }
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

export const badMessage = (what: string): NetlinkError => new NetlinkError('NETLINK_BAD_MESSAGE', '', what)
