import { AttributeBuilder } from './attribute-builder.ts'
import { framed, u16, u32 } from './octets.ts'
import type { Random } from './random.ts'

/** What the messages of one session are built for. */
export interface BuiltSession {
  readonly asn: number
  readonly ownAsn: number
  readonly fourOctet: boolean
  readonly internal: boolean
  readonly addPath: readonly number[]
  readonly families: readonly number[]
  readonly extendedMessages: boolean
  readonly extendedNextHop: boolean
  /** Sessions of other numbers have other prefixes, and some in common. */
  readonly number: number
}

/** One message in this many is fatal on purpose, so that sessions live long enough to fill tables. */
const FATAL_ONCE_IN = 150

/** Builds messages that know what they are: right ones, and ones that are wrong in a place of the seed's choice. */
export class MessageBuilder {
  readonly #random: Random
  readonly #session: BuiltSession
  readonly #attributes: AttributeBuilder

  constructor(random: Random, session: BuiltSession) {
    this.#random = random
    this.#session = session
    this.#attributes = new AttributeBuilder(random, session)
  }

  open(): Uint8Array {
    const random = this.#random
    const { asn, number } = this.#session
    const shortAsn = asn > 0xffff ? 23_456 : asn
    const holds = random.once(30) ? [0, 1, 2, 65_535] : [90, 180, 240]
    const body = [
      random.once(60) ? random.below(256) : 4,
      ...u16(random.once(60) ? random.below(65_536) : shortAsn),
      ...u16(random.pick(holds)),
      ...u32(random.once(80) ? 0 : 0x0a00_0000 + number + 1),
      ...this.#parameters(),
    ]
    return framed(1, body)
  }

  /** The message that OPEN is answered with. */
  keepalive(): Uint8Array {
    return framed(4, [])
  }

  /** Any message of an established session. */
  next(): Uint8Array {
    const random = this.#random
    if (random.once(FATAL_ONCE_IN)) return this.#fatal()
    if (random.once(40)) return this.keepalive()
    if (random.once(40)) return this.#refresh()
    return this.update()
  }

  update(): Uint8Array {
    const random = this.#random
    const plain = random.below(3) !== 0
    const withdrawn = random.once(3) ? this.#attributes.prefixes(1, 1 + random.below(4)) : []
    const nlri = plain ? this.#attributes.prefixes(1, 1 + random.below(8)) : []
    if (random.once(25)) return updateOf(withdrawn, [], [])
    const list = this.#attributes.list(plain)
    return updateOf(withdrawn, list, nlri)
  }

  /** Announces one prefix in a way that nothing can be wrong with. */
  sentinel(host: number): Uint8Array {
    return this.#attributes.sentinel(host)
  }

  #refresh(): Uint8Array {
    const random = this.#random
    const subtype = random.once(4) ? random.below(256) : random.below(3)
    const afi = random.once(6) ? random.below(65_536) : 1 + random.below(2)
    const filters = subtype > 2 || subtype === 0 ? (random.once(5) ? random.octets(random.below(9)) : []) : []
    return framed(5, [...u16(afi), subtype, random.once(6) ? random.below(256) : 1, ...filters])
  }

  #fatal(): Uint8Array {
    const random = this.#random
    const body = random.octets(random.below(40))
    switch (random.below(9)) {
      case 0:
        return framed(3, [random.below(10), random.below(14), ...body])
      case 1:
        return this.open()
      case 2:
        return framed(random.below(256), body)
      case 3:
        return framed(2, body, random.below(65_536))
      case 4:
        return framed(5, random.octets(random.below(4)))
      case 5:
        return updateOf(random.octets(3), [], [])
      case 6:
        return framed(2, [...u16(random.below(65_536)), ...u16(random.below(65_536)), ...body])
      case 7:
        return updateOf([], this.#attributes.fatalList(), [])
      default: {
        const message = this.update()
        message[random.below(16)] = random.below(255)
        return message
      }
    }
  }

  #parameters(): number[] {
    const random = this.#random
    const lie = random.once(40) ? random.below(9) - 4 : 0
    const capabilities = this.#capabilities().flatMap(([code, value]) => [code, value.length, ...value])
    if (capabilities.length + 2 > 255 - 4 || random.once(6)) {
      const parameters = [2, ...u16(capabilities.length), ...capabilities]
      return [255, 255, ...u16(parameters.length + lie), ...parameters]
    }
    const type = random.once(60) ? random.below(256) : 2
    const parameters = capabilities.length === 0 ? [] : [type, capabilities.length, ...capabilities]
    return [(parameters.length + lie) & 255, ...parameters]
  }

  #capabilities(): [code: number, value: number[]][] {
    const random = this.#random
    const { asn, families, fourOctet, addPath, extendedMessages, extendedNextHop } = this.#session
    const list: [number, number[]][] = families.map((afi) => [1, [...u16(afi), 0, 1]])
    list.push([2, []], [70, []])
    if (fourOctet) list.push([65, u32(asn)])
    if (extendedMessages) list.push([6, []])
    if (extendedNextHop) list.push([5, [...u16(1), ...u16(1), ...u16(2)]])
    if (addPath.length > 0) list.push([69, addPath.flatMap((afi) => [...u16(afi), 1, 3])])
    if (random.once(4)) list.push([73, random.octets(random.below(30))])
    if (random.once(4)) list.push([75, [random.below(256), ...random.octets(random.below(20))]])
    if (random.once(5)) list.push([64, [...u16(random.below(65_536)), ...random.octets(4 * random.below(3))]])
    if (random.once(6)) list.push([random.below(256), random.octets(random.below(12))])
    if (random.once(6)) list.push([random.pick([1, 2, 5, 6, 9, 64, 65, 69, 70, 71]), random.octets(random.below(9))])
    return list
  }
}

/** An UPDATE out of its three parts; parts may be wrong in themselves. */
export const updateOf = (withdrawn: readonly number[], list: readonly number[], nlri: readonly number[]): Uint8Array =>
  framed(2, [...u16(withdrawn.length), ...withdrawn, ...u16(list.length), ...list, ...nlri])
