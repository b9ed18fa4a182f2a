import type { Family } from '@margay/net'
import { afiOf, SAFI_UNICAST } from './address-family.ts'
import { Flag } from './attribute-codec.ts'
import type { EncodedAttributes } from './attribute-encoder.ts'
import { HEADER_OCTETS, MessageType } from './header.ts'

const MP_REACH_NLRI = 14
const MP_UNREACH_NLRI = 15
const LENGTH_FIELDS = 4
/** Flags, code and two octets of length, then AFI and SAFI. */
const MP_HEAD_OCTETS = 4 + 3
const MIN_CAPACITY = 4096

/** Whole messages, one behind the other. */
export class PackedMessages {
  readonly octets: Buffer
  readonly count: number

  constructor(octets: Buffer, count: number) {
    this.octets = octets
    this.count = count
  }

  /** Each message by itself, a view. */
  messages(): Uint8Array[] {
    const found: Uint8Array[] = []
    for (let at = 0; at < this.octets.length; ) {
      const length = this.octets.readUInt16BE(at + 16)
      found.push(this.octets.subarray(at, at + length))
      at += length
    }
    return found
  }
}

/** What the open message is: decides where its lengths stand and what follows its prefixes. */
interface Frame {
  readonly withdraw: boolean
  /** Prefixes stand in MP_REACH_NLRI or MP_UNREACH_NLRI (RFC 4760), and not in UPDATE's own fields. */
  readonly mp: boolean
  readonly family: Family
  readonly attributes: EncodedAttributes | undefined
}

/**
 * Packs prefixes into UPDATEs: `announce` or `withdraw` says what the prefixes that follow are, `reserve` gives each its
 * place, in the next message where the last one is full.
 */
export class UpdatePacker {
  readonly #maxOctets: number
  #bytes: Buffer = Buffer.allocUnsafeSlow(MIN_CAPACITY)
  #at = 0
  #messageStart = -1
  #mpStart = 0
  #prefixesStart = 0
  #count = 0
  #frame: Frame | undefined
  /** Octets that have to go behind the prefixes of the open message. */
  #tailOctets = 0

  constructor(maxOctets: number) {
    this.#maxOctets = maxOctets
  }

  /** The buffer that {@link UpdatePacker.reserve} points into; another one after each call of it. */
  get bytes(): Buffer {
    return this.#bytes
  }

  get length(): number {
    return this.#at
  }

  get count(): number {
    return this.#count
  }

  /** RFC 4271 §4.3 for IPv4 with an IPv4 next hop, MP_REACH_NLRI (RFC 4760 §3, RFC 8950) otherwise. */
  announce(family: Family, attributes: EncodedAttributes): void {
    this.#closeMessage()
    this.#frame = { withdraw: false, mp: attributes.mpNextHop !== undefined, family, attributes }
    this.#tailOctets = attributes.mpNextHop === undefined ? 0 : attributes.block.length
  }

  withdraw(family: Family): void {
    this.#closeMessage()
    this.#frame = { withdraw: true, mp: family === 6, family, attributes: undefined }
    this.#tailOctets = family === 6 ? 0 : 2
  }

  /** A message without any prefix. */
  endOfRib(): void {
    this.#openMessage()
    this.#closeMessage()
  }

  /**
   * Room for one prefix of `length` octets, path identifier included.
   * @returns where to write it; undefined when no message could hold it
   */
  reserve(length: number): number | undefined {
    if (this.#messageStart === -1) this.#openMessage()
    if (!this.#fits(length)) {
      if (this.#isEmptyMessage()) return this.#abandonMessage()
      this.#closeMessage()
      this.#openMessage()
      if (!this.#fits(length)) return this.#abandonMessage()
    }
    this.#room(length)
    const at = this.#at
    this.#at += length
    return at
  }

  /** Ends the open message: what follows stands in another one. */
  endMessage(): void {
    this.#closeMessage()
  }

  /** Ends the open message. @returns everything packed since the last call; the packer is empty again */
  finish(): PackedMessages {
    this.#closeMessage()
    const packed = new PackedMessages(Buffer.from(this.#bytes.subarray(0, this.#at)), this.#count)
    this.#at = 0
    this.#count = 0
    return packed
  }

  #isEmptyMessage(): boolean {
    return this.#at === this.#prefixesStart
  }

  #fits(length: number): boolean {
    return this.#at - this.#messageStart + length + this.#tailOctets <= this.#maxOctets
  }

  #abandonMessage(): undefined {
    this.#at = this.#messageStart
    this.#messageStart = -1
  }

  #openMessage(): void {
    const frame = this.#frame as Frame
    const { attributes } = frame
    this.#room(HEADER_OCTETS + LENGTH_FIELDS + MP_HEAD_OCTETS + 40 + (attributes?.block.length ?? 0))
    const bytes = this.#bytes
    this.#messageStart = this.#at
    bytes.fill(0xff, this.#at, this.#at + 16)
    bytes[this.#at + 18] = MessageType.Update
    this.#at += HEADER_OCTETS
    this.#u16(0)
    if (frame.mp) this.#openMp(frame)
    else if (attributes !== undefined) {
      this.#u16(attributes.block.length)
      this.#at += bytes.write(attributes.block, this.#at, 'latin1')
    }
    this.#prefixesStart = this.#at
  }

  /** RFC 7606 §5.1: the MP attribute comes first, and the others behind its prefixes. */
  #openMp(frame: Frame): void {
    this.#u16(0)
    this.#mpStart = this.#at
    this.#bytes[this.#at++] = Flag.Optional | Flag.ExtendedLength
    this.#bytes[this.#at++] = frame.withdraw ? MP_UNREACH_NLRI : MP_REACH_NLRI
    this.#u16(0)
    this.#u16(afiOf(frame.family))
    this.#bytes[this.#at++] = SAFI_UNICAST
    const nextHop = frame.attributes?.mpNextHop
    if (nextHop === undefined) return
    this.#bytes[this.#at++] = nextHop.length
    this.#at += this.#bytes.write(nextHop, this.#at, 'latin1')
    this.#bytes[this.#at++] = 0
  }

  #closeMessage(): void {
    if (this.#messageStart === -1) return
    const frame = this.#frame as Frame
    const start = this.#messageStart
    if (frame.mp) {
      this.#patch(this.#mpStart + 2, this.#at - this.#mpStart - 4)
      if (frame.attributes !== undefined) {
        this.#room(frame.attributes.block.length)
        this.#at += this.#bytes.write(frame.attributes.block, this.#at, 'latin1')
      }
      this.#patch(start + HEADER_OCTETS + 2, this.#at - this.#mpStart)
    } else if (frame.withdraw) {
      this.#patch(start + HEADER_OCTETS, this.#at - this.#prefixesStart)
      this.#room(2)
      this.#u16(0)
    }
    this.#patch(start + 16, this.#at - start)
    this.#messageStart = -1
    this.#count++
  }

  #u16(value: number): void {
    this.#patch(this.#at, value)
    this.#at += 2
  }

  #patch(at: number, value: number): void {
    this.#bytes[at] = value >>> 8
    this.#bytes[at + 1] = value
  }

  #room(length: number): void {
    if (this.#at + length <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + length))
    this.#bytes.copy(grown, 0, 0, this.#at)
    this.#bytes = grown
  }
}
