import type { Family } from '@margay/net'
import { addressOctetCount, NlriBlock, writeNlri } from '../wire/nlri.ts'
import { type PrefixKey } from '../wire/prefix-key.ts'
import { grown } from './columns.ts'

const FIRST_CAPACITY = 256
const VACATED = -1
const RUN_BITS = 4
const RUN_MASK = (1 << RUN_BITS) - 1
/** Longest prefix in NLRI: length and sixteen octets. */
const MAX_NLRI_OCTETS = 17

/**
 * Numbers the prefixes of one family, so that every other table is an array. A number is given back once nobody retains
 * it, and then names another prefix. Numbers start at 1; 0 is no prefix.
 */
export class PrefixTable {
  readonly family: Family
  /** 32-bit words of an address. */
  readonly #stride: 1 | 4
  #words: Int32Array
  #lengths = new Uint8Array(FIRST_CAPACITY)
  /** How many hold the prefix; of a free number: the next free one. */
  #references = new Uint32Array(FIRST_CAPACITY)
  /** Open addressing with linear probing: prefix numbers, 0 for an empty slot, VACATED for one that must be walked over. */
  #slots = new Int32Array(FIRST_CAPACITY * 2)
  /** Makes the positions of chosen prefixes unknown to whoever chooses them. */
  readonly #seed = (Math.random() * 0x7fffffff) | 0
  #vacated = 0
  /** The first vacated slot that the last search walked over, -1 for none. */
  #vacatedSlot = -1
  #firstFree = 0
  #end = 1
  #size = 0
  // The prefix that is being looked up.
  #w0 = 0
  #w1 = 0
  #w2 = 0
  #w3 = 0
  #length = 0
  readonly #scratch = new Uint8Array(MAX_NLRI_OCTETS)

  constructor(family: Family) {
    this.family = family
    this.#stride = family === 4 ? 1 : 4
    this.#words = new Int32Array(FIRST_CAPACITY * this.#stride)
  }

  get size(): number {
    return this.#size
  }

  /** Every number in use is below this. */
  get end(): number {
    return this.#end
  }

  /** The number of the prefix whose NLRI stands at `at`, which must be whole; a new one is held by nobody yet. */
  intern(octets: Uint8Array, at: number): number {
    this.#load(octets, at)
    const slot = this.#slotOf()
    const known = this.#slots[slot] as number
    return known === 0 ? this.#insert(slot) : known
  }

  /** As {@link PrefixTable.intern}, 0 for a prefix that is not there. */
  find(octets: Uint8Array, at: number): number {
    this.#load(octets, at)
    return this.#slots[this.#slotOf()] as number
  }

  internKey(key: PrefixKey): number {
    writeNlri(this.#scratch, 0, key)
    return this.intern(this.#scratch, 0)
  }

  findKey(key: PrefixKey): number {
    writeNlri(this.#scratch, 0, key)
    return this.find(this.#scratch, 0)
  }

  keyOf(prefix: number): PrefixKey {
    const end = this.writeNlri(prefix, this.#scratch, 0)
    const [key] = new NlriBlock(this.family, { octets: this.#scratch, start: 0, end }, false, 1).keys
    return key as PrefixKey
  }

  /** Octets of the prefix in NLRI. */
  nlriLength(prefix: number): number {
    return 1 + addressOctetCount(this.#lengths[prefix] as number)
  }

  /** @returns the position behind it */
  writeNlri(prefix: number, octets: Uint8Array, at: number): number {
    const length = this.#lengths[prefix] as number
    octets[at] = length
    const count = addressOctetCount(length)
    const base = prefix * this.#stride
    for (let index = 0; index < count; index++) {
      const word = this.#words[base + (index >>> 2)] as number
      octets[at + 1 + index] = word >>> (24 - 8 * (index & 3))
    }
    return at + 1 + count
  }

  retain(prefix: number): void {
    ;(this.#references[prefix] as number)++
  }

  release(prefix: number): void {
    const left = (this.#references[prefix] as number) - 1
    this.#references[prefix] = left
    if (left === 0) this.#remove(prefix)
  }

  #load(octets: Uint8Array, at: number): void {
    const length = octets[at] as number
    const count = addressOctetCount(length)
    this.#length = length
    this.#w0 = word(octets, at + 1, count, length)
    if (this.#stride === 1) return
    this.#w1 = word(octets, at + 5, count - 4, length - 32)
    this.#w2 = word(octets, at + 9, count - 8, length - 64)
    this.#w3 = word(octets, at + 13, count - 12, length - 96)
  }

  /**
   * Neighbours of one length that differ in their last four bits alone have slots beside each other: prefixes tend to
   * come in such runs, and then memory is read line by line.
   */
  #hash(): number {
    if (this.#stride === 4) return this.#hashWords()
    const shift = 32 - this.#length
    const isLong = this.#length >= RUN_BITS
    const block = isLong ? (this.#w0 >>> shift) >>> RUN_BITS : this.#w0
    let hash = Math.imul(block ^ this.#seed, 0x85ebca6b) ^ this.#length
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35)
    hash ^= hash >>> 16
    return isLong ? (hash & ~RUN_MASK) | ((this.#w0 >>> shift) & RUN_MASK) : hash
  }

  #hashWords(): number {
    let hash = Math.imul(this.#w0 ^ this.#seed, 0x85ebca6b) ^ this.#length
    hash = Math.imul(hash ^ this.#w1 ^ (hash >>> 15), 0xc2b2ae35)
    hash = Math.imul(hash ^ this.#w2 ^ (hash >>> 13), 0x27d4eb2f)
    hash = Math.imul(hash ^ this.#w3 ^ (hash >>> 15), 0x85ebca6b)
    return hash ^ (hash >>> 16)
  }

  /** Where the loaded prefix is, or the empty slot where the search ended. */
  #slotOf(): number {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = this.#hash() & mask
    this.#vacatedSlot = -1
    for (;;) {
      const prefix = slots[slot] as number
      if (prefix === 0) return slot
      if (prefix === VACATED) {
        if (this.#vacatedSlot === -1) this.#vacatedSlot = slot
      } else if (this.#isLoaded(prefix)) return slot
      slot = (slot + 1) & mask
    }
  }

  #isLoaded(prefix: number): boolean {
    if (this.#lengths[prefix] !== this.#length) return false
    const words = this.#words
    if (this.#stride === 1) return words[prefix] === this.#w0
    const base = prefix * 4
    return (
      words[base] === this.#w0 &&
      words[base + 1] === this.#w1 &&
      words[base + 2] === this.#w2 &&
      words[base + 3] === this.#w3
    )
  }

  #insert(slot: number): number {
    const prefix = this.#firstFree === 0 ? this.#end++ : this.#firstFree
    if (this.#firstFree === 0) this.#grow()
    else this.#firstFree = this.#references[prefix] as number
    this.#references[prefix] = 0
    this.#lengths[prefix] = this.#length
    const base = prefix * this.#stride
    this.#words[base] = this.#w0
    if (this.#stride === 4) {
      this.#words[base + 1] = this.#w1
      this.#words[base + 2] = this.#w2
      this.#words[base + 3] = this.#w3
    }
    if (this.#vacatedSlot === -1) {
      this.#slots[slot] = prefix
    } else {
      this.#slots[this.#vacatedSlot] = prefix
      this.#vacated--
    }
    this.#size++
    if ((this.#size + this.#vacated) * 2 > this.#slots.length) this.#rehash()
    return prefix
  }

  #grow(): void {
    this.#lengths = grown(this.#lengths, this.#end)
    this.#references = grown(this.#references, this.#end)
    this.#words = grown(this.#words, this.#end * this.#stride)
  }

  #remove(prefix: number): void {
    this.#reload(prefix)
    this.#slots[this.#slotOf()] = VACATED
    this.#vacated++
    this.#references[prefix] = this.#firstFree
    this.#firstFree = prefix
    this.#size--
    if (this.#vacated * 4 > this.#slots.length) this.#rehash()
  }

  #reload(prefix: number): void {
    const base = prefix * this.#stride
    this.#length = this.#lengths[prefix] as number
    this.#w0 = this.#words[base] as number
    if (this.#stride === 1) return
    this.#w1 = this.#words[base + 1] as number
    this.#w2 = this.#words[base + 2] as number
    this.#w3 = this.#words[base + 3] as number
  }

  /** Makes room for four times what is there, without what was vacated. */
  #rehash(): void {
    const before = this.#slots
    let length = FIRST_CAPACITY * 2
    while (length < this.#size * 4) length *= 2
    this.#slots = new Int32Array(length)
    this.#vacated = 0
    for (const prefix of before) {
      if (prefix <= 0) continue
      this.#reload(prefix)
      this.#slots[this.#slotOf()] = prefix
    }
  }
}

/** A word of an address from the `count` octets that are there, without the host bits behind `length`. */
function word(octets: Uint8Array, at: number, count: number, length: number): number {
  if (length <= 0) return 0
  let value = (octets[at] as number) << 24
  if (count > 1) value |= (octets[at + 1] as number) << 16
  if (count > 2) value |= (octets[at + 2] as number) << 8
  if (count > 3) value |= octets[at + 3] as number
  return length >= 32 ? value : value & (-1 << (32 - length))
}
