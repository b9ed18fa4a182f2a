import { type Address, addressBits } from './address.ts'
import { Prefix } from './prefix.ts'

interface Node<V> {
  prefix: Prefix
  value: V | undefined
  present: boolean
  children: [Node<V> | undefined, Node<V> | undefined]
}

/** A map from prefixes of both families with longest-prefix match, as a path-compressed binary trie. */
export class PrefixTrie<V> {
  #roots: Record<4 | 6, Node<V> | undefined> = { 4: undefined, 6: undefined }
  #size = 0

  get size(): number {
    return this.#size
  }

  set(prefix: Prefix, value: V): void {
    this.#roots[prefix.family] = this.#insert(this.#roots[prefix.family], prefix, value)
  }

  get(prefix: Prefix): V | undefined {
    let node = this.#roots[prefix.family]
    while (node?.prefix.contains(prefix)) {
      if (node.prefix.length === prefix.length) return node.value
      node = node.children[bitAt(prefix.address, node.prefix.length)]
    }
    return undefined
  }

  /** @returns whether the prefix was there. */
  delete(prefix: Prefix): boolean {
    const before = this.#size
    this.#roots[prefix.family] = this.#remove(this.#roots[prefix.family], prefix)
    return this.#size < before
  }

  /** The most specific entry that contains `target`. */
  longestMatch(target: Address | Prefix): [Prefix, V] | undefined {
    let best: [Prefix, V] | undefined
    for (const entry of this.covering(target)) best = entry
    return best
  }

  /** Every entry that contains `target` (itself included), shortest first. */
  *covering(target: Address | Prefix): Generator<[Prefix, V]> {
    const address = target instanceof Prefix ? target.address : target
    let node = this.#roots[target.family]
    while (node?.prefix.contains(target)) {
      if (node.present) yield [node.prefix, node.value as V]
      if (node.prefix.length === addressBits(target.family)) return
      node = node.children[bitAt(address, node.prefix.length)]
    }
  }

  /** Every entry inside `prefix` (itself included), in address order. */
  *coveredBy(prefix: Prefix): Generator<[Prefix, V]> {
    let node = this.#roots[prefix.family]
    while (node !== undefined && !prefix.contains(node.prefix)) {
      if (!node.prefix.contains(prefix)) return
      node = node.children[bitAt(prefix.address, node.prefix.length)]
    }
    yield* walk(node)
  }

  /** Every entry, IPv4 first, in address order. */
  *entries(): Generator<[Prefix, V]> {
    yield* walk(this.#roots[4])
    yield* walk(this.#roots[6])
  }

  #insert(node: Node<V> | undefined, prefix: Prefix, value: V): Node<V> {
    if (node === undefined) {
      this.#size++
      return { prefix, value, present: true, children: [undefined, undefined] }
    }
    if (node.prefix.equals(prefix)) {
      if (!node.present) this.#size++
      node.value = value
      node.present = true
      return node
    }
    if (node.prefix.contains(prefix)) {
      const side = bitAt(prefix.address, node.prefix.length)
      node.children[side] = this.#insert(node.children[side], prefix, value)
      return node
    }
    return this.#join(node, prefix, value)
  }

  /** Puts a common parent over `node` and a new entry that lies outside it. */
  #join(node: Node<V>, prefix: Prefix, value: V): Node<V> {
    this.#size++
    const leaf: Node<V> = { prefix, value, present: true, children: [undefined, undefined] }
    const length = commonLength(node.prefix, prefix)
    if (length === prefix.length) {
      leaf.children[bitAt(node.prefix.address, length)] = node
      return leaf
    }
    const parent: Node<V> = {
      prefix: new Prefix(prefix.address, length),
      value: undefined,
      present: false,
      children: [undefined, undefined],
    }
    parent.children[bitAt(node.prefix.address, length)] = node
    parent.children[bitAt(prefix.address, length)] = leaf
    return parent
  }

  #remove(node: Node<V> | undefined, prefix: Prefix): Node<V> | undefined {
    if (!node?.prefix.contains(prefix)) return node
    if (node.prefix.length === prefix.length) {
      if (node.present) this.#size--
      node.present = false
      node.value = undefined
    } else {
      const side = bitAt(prefix.address, node.prefix.length)
      node.children[side] = this.#remove(node.children[side], prefix)
    }
    if (node.present || (node.children[0] !== undefined && node.children[1] !== undefined)) return node
    return node.children[0] ?? node.children[1]
  }
}

/** Bit `index` of an address, counted from the most significant. */
function bitAt(address: Address, index: number): 0 | 1 {
  return (address.value >> BigInt(addressBits(address.family) - 1 - index)) & 1n ? 1 : 0
}

function commonLength(a: Prefix, b: Prefix): number {
  const differing = (a.address.value ^ b.address.value).toString(2)
  const shared = differing === '0' ? addressBits(a.family) : addressBits(a.family) - differing.length
  return Math.min(shared, a.length, b.length)
}

function* walk<V>(node: Node<V> | undefined): Generator<[Prefix, V]> {
  if (node === undefined) return
  if (node.present) yield [node.prefix, node.value as V]
  yield* walk(node.children[0])
  yield* walk(node.children[1])
}
