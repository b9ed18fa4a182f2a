import { createHash } from 'node:crypto'
import type { IPPool } from '@margay/model'
import { Prefix } from '@margay/net'

/**
 * The pool's blocks in the order in which `node` tries them: from a place that follows from its name, then on and
 * around. Nodes that start together so begin in different places.
 */
export function* blockOrder({ cidr, blockSize }: Pick<IPPool, 'cidr' | 'blockSize'>, node: string): Generator<Prefix> {
  const count = 1n << BigInt(blockSize - cidr.length)
  const first = BigInt(`0x${createHash('sha256').update(node).digest('hex').slice(0, 16)}`) % count
  const size = new Prefix(cidr.address, blockSize).size
  for (let index = 0n; index < count; index++) {
    yield new Prefix(cidr.address.plus(((first + index) % count) * size), blockSize)
  }
}
