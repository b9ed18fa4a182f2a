import type { BuiltSession } from './message-builder.ts'
import { framed, u16, u32 } from './octets.ts'
import type { Random } from './random.ts'

/** Flags that attributes have by their definition. */
const FLAGS: Readonly<Record<number, number>> = {
  1: 0x40,
  2: 0x40,
  3: 0x40,
  4: 0x80,
  5: 0x40,
  6: 0x40,
  7: 0xc0,
  8: 0xc0,
  9: 0x80,
  10: 0x80,
  14: 0x80,
  15: 0x80,
  16: 0xc0,
  17: 0xc0,
  18: 0xc0,
  25: 0xc0,
  32: 0xc0,
  35: 0xc0,
}
const OPTIONAL_CODES = [4, 5, 6, 7, 8, 9, 10, 16, 17, 18, 25, 32, 35]
const WELL_KNOWN_COMMUNITIES = [0xffff_0000, 0xffff_0006, 0xffff_0007, 0xffff_ff01, 0xffff_ff02, 0xffff_ff03]

/** Attribute lists: every attribute there is, with legal and illegal flags, lengths, orders and repetitions. */
export class AttributeBuilder {
  readonly #random: Random
  readonly #session: BuiltSession

  constructor(random: Random, session: BuiltSession) {
    this.#random = random
    this.#session = session
  }

  /** @param plain for prefixes outside of MP_REACH_NLRI */
  list(plain: boolean): number[] {
    const random = this.#random
    const { families } = this.#session
    const attributes = [this.#attribute(1), this.#attribute(2)]
    if (plain || random.once(4)) attributes.push(this.#attribute(3))
    if (!plain || random.once(5))
      attributes.push(this.#multiprotocol(14, random.once(8) ? 1 : random.pick([2, ...families])))
    if (random.once(8)) attributes.push(this.#multiprotocol(15, random.pick([1, 2])))
    for (let more = random.below(4); more > 0; more--) attributes.push(this.#attribute(random.pick(OPTIONAL_CODES)))
    if (random.once(6)) attributes.push(this.#unknown())
    if (random.once(30)) attributes.splice(random.below(attributes.length), 1)
    if (random.once(25)) attributes.push(this.#attribute(random.pick([1, 2, 3, 4, 8])))
    if (random.once(3)) attributes.sort(() => random.below(3) - 1)
    const list = attributes.flat()
    return random.once(60) ? [...list, ...random.octets(1 + random.below(3))] : list
  }

  /** A list that leaves nothing but a session reset. */
  fatalList(): number[] {
    const random = this.#random
    const good = [...this.#attribute(1), ...this.#attribute(2)]
    switch (random.below(5)) {
      case 0:
        return [0x40, 100 + random.below(100), 0, ...good]
      case 1:
        return [...good, 0x80, 14, 5, ...u16(1), 133, 0, 0, 0x80, 14, 5, ...u16(1), 133, 0, 0]
      case 2:
        return [...good, ...withHead(0x40, 14, [...u16(2), 1, 16, ...random.octets(16), 0])]
      case 3:
        return [...good, ...withHead(0x80, 14, [...u16(2), 1, random.below(16), ...random.octets(3)])]
      default:
        return [...good, ...withHead(0x80, 15, [...u16(2), 1, 129 + random.below(100), ...random.octets(20)])]
    }
  }

  prefixes(afi: number, count: number): number[] {
    const random = this.#random
    const octets: number[] = []
    for (let left = count; left > 0; left--) {
      if (this.#session.addPath.includes(afi)) octets.push(...u32(random.below(3)))
      octets.push(...this.#prefix(afi))
    }
    return octets
  }

  sentinel(host: number): Uint8Array {
    const { asn, internal, families, addPath } = this.#session
    const path = internal ? [] : [2, 1, ...this.#asn(asn)]
    const basics = [...withHead(0x40, 1, [0]), ...withHead(0x40, 2, path)]
    if (families.includes(1)) {
      const id = addPath.includes(1) ? u32(0) : []
      const list = [...basics, ...withHead(0x40, 3, [10, 9, 9, 9])]
      return framed(2, [0, 0, ...u16(list.length), ...list, ...id, 32, 203, ...u32(host).slice(1)])
    }
    const id = addPath.includes(2) ? u32(0) : []
    const [hop, prefix] = [sixteen([0x20, 1, 0xd, 0xb8, 9]), sixteen([0x20, 1, 0xd, 0xb8, 0xff, ...u32(host)])]
    const list = [...withHead(0x80, 14, [...u16(2), 1, 16, ...hop, 0, ...id, 128, ...prefix]), ...basics]
    return framed(2, [0, 0, ...u16(list.length), ...list])
  }

  #prefix(afi: number): number[] {
    const random = this.#random
    const own = random.once(3) ? 0 : 1 + (this.#session.number % 200)
    if (random.once(40)) {
      const length = random.below(afi === 1 ? 33 : 129)
      return [length, ...random.octets(Math.ceil(length / 8))]
    }
    const number = random.below(12)
    if (afi === 1) return [24, 20 + (own % 2), own, number]
    return random.once(2) ? [48, 0x20, 1, 0xd, 0xb8, own, number] : [61, 0x20, 1, 0xd, 0xb8, own, number, 1, 0xff]
  }

  #attribute(code: number): number[] {
    const random = this.#random
    const value = random.once(40) ? random.octets(random.below(14)) : this.#value(code)
    let flags = FLAGS[code] ?? 0xc0
    if (random.once(60)) flags = random.below(256)
    else if (random.once(5)) flags |= 0x20
    if (random.once(300)) return [flags & ~0x10, code, (value.length + random.below(20)) & 255, ...value]
    return withHead(flags, code, value, random.once(6))
  }

  #value(code: number): number[] {
    const random = this.#random
    switch (code) {
      case 1:
        return [random.below(3)]
      case 2:
        return this.#path()
      case 3:
        return random.once(20) ? random.octets(4) : [10, 9, 9, 1 + random.below(5)]
      case 6:
        return []
      case 7:
        return [...this.#asn(random.once(3) ? 23_456 : 64_999), ...random.octets(4)]
      case 8:
        return this.#many(4, () => u32(random.once(12) ? random.pick(WELL_KNOWN_COMMUNITIES) : random.below(9)))
      case 10:
        return this.#many(4, () => random.octets(4))
      case 16:
        return this.#many(8, () => random.octets(8))
      case 17:
        return [2, 2, ...u32(66_000 + random.below(4)), ...u32(random.u32())]
      case 18:
        return random.octets(8)
      case 25:
        return random.octets(20)
      case 32:
        return this.#many(12, () => random.octets(12))
      default:
        return u32(random.below(5))
    }
  }

  /** Mostly a few; sometimes as many as a message has room for. */
  #many(size: number, item: () => number[]): number[] {
    const random = this.#random
    const room = this.#session.extendedMessages ? 20_000 : 3000
    const count = random.once(200) ? Math.floor(room / size) : 1 + random.below(5)
    return Array.from({ length: count }, item).flat()
  }

  #path(): number[] {
    const random = this.#random
    const { asn, internal, ownAsn } = this.#session
    const path: number[] = internal || random.once(40) ? [] : [2, 1, ...this.#asn(asn)]
    for (let more = random.below(3); more > 0; more--) {
      const type = random.once(3) ? 1 : 2
      const count = random.once(100) ? 255 : 1 + random.below(4)
      path.push(random.once(80) ? random.below(6) : type, count)
      for (let left = count; left > 0; left--)
        path.push(...this.#asn(random.once(200) ? ownAsn : 65_300 + random.below(9)))
    }
    if (random.once(80)) path.push(random.pick([3, 4]), 1, ...this.#asn(65_400))
    return path
  }

  #multiprotocol(code: number, afi: number): number[] {
    const random = this.#random
    const carried = random.once(25) ? [...u16(random.below(40)), random.below(140)] : [...u16(afi), 1]
    const prefixes = this.prefixes(afi, random.once(20) ? 0 : 1 + random.below(5))
    const hop = code === 14 ? this.#hop(afi) : []
    const value = [...carried, ...(code === 14 ? [hop.length, ...hop, 0] : []), ...prefixes]
    return withHead(0x80, code, value, random.once(3))
  }

  #hop(afi: number): number[] {
    const random = this.#random
    if (random.once(400)) return random.octets(random.below(40))
    if (afi === 1 && !(this.#session.extendedNextHop && random.once(2))) return [10, 9, 9, 1 + random.below(4)]
    const global = random.once(30) ? sixteen([]) : sixteen([0x20, 1, 0xd, 0xb8, 9, random.below(4)])
    if (random.once(40)) return sixteen([0xff, 2])
    return random.once(4) ? [...global, ...sixteen([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 1])] : global
  }

  #unknown(): number[] {
    const random = this.#random
    return withHead(
      random.pick([0x80, 0xc0, 0xe0]),
      random.pick([20, 23, 26, 33, 40, 99, 128, 255]),
      random.octets(random.below(40)),
    )
  }

  #asn(asn: number): number[] {
    if (this.#session.fourOctet) return u32(asn)
    return u16(asn > 0xffff ? 23_456 : asn)
  }
}

const sixteen = (head: readonly number[]): number[] => [...head, ...Array.from({ length: 16 - head.length }, () => 0)]

/** An attribute with a length that fits. */
function withHead(flags: number, code: number, value: readonly number[], extended = false): number[] {
  if (extended || value.length > 255 || (flags & 0x10) !== 0)
    return [flags | 0x10, code, ...u16(value.length), ...value]
  return [flags, code, value.length, ...value]
}
