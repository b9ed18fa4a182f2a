import type { AllocationAttribute, IPAMBlock } from '@margay/model'
import { Address, Prefix } from '@margay/net'
import { IpamError } from './errors.ts'

export type BlockSpec = IPAMBlock['spec']

/** Who takes an address: a handle to release by, and words about the owner for people and for the leak search. */
export interface Owner {
  readonly handleId: string
  readonly attributes: Readonly<Record<string, string>>
}

/** A change of a block: its new content, and the addresses it is about. */
export interface BlockChange {
  readonly block: BlockSpec
  readonly addresses: readonly Address[]
}

/** An empty block that belongs to `node`. @param cidr of block size: at most 4096 addresses */
export function newBlock(cidr: Prefix, node: string): BlockSpec {
  const size = Number(cidr.size)
  return {
    cidr: String(cidr),
    affinity: `host:${node}`,
    allocations: Array.from({ length: size }, () => null),
    unallocated: Array.from({ length: size }, (_, ordinal) => ordinal),
    attributes: [],
    sequenceNumber: 0,
    sequenceNumberForAllocation: {},
  }
}

/** Takes up to `count` free addresses, the ones freed longest ago first. */
export function allocate(block: BlockSpec, count: number, owner: Owner): BlockChange {
  return take(block, block.unallocated.slice(0, count), owner)
}

/** Takes one address. @returns undefined when it is taken */
export function allocateExact(block: BlockSpec, address: Address, owner: Owner): BlockChange | undefined {
  const ordinal = ordinalOf(block, address)
  return block.unallocated.includes(ordinal) ? take(block, [ordinal], owner) : undefined
}

function take(block: BlockSpec, ordinals: readonly number[], { handleId, attributes }: Owner): BlockChange {
  if (ordinals.length === 0) return { block, addresses: [] }
  const attribute: AllocationAttribute = { handle_id: handleId, secondary: attributes }
  const allocations = [...block.allocations]
  const sequenceNumber = (block.sequenceNumber ?? 0) + 1
  const sequenceNumberForAllocation = { ...block.sequenceNumberForAllocation }
  for (const ordinal of ordinals) {
    allocations[ordinal] = block.attributes.length
    sequenceNumberForAllocation[ordinal] = sequenceNumber
  }
  const { address } = Prefix.parse(block.cidr)
  return {
    block: {
      ...block,
      allocations,
      unallocated: block.unallocated.filter((ordinal) => !ordinals.includes(ordinal)),
      attributes: [...block.attributes, attribute],
      sequenceNumber,
      sequenceNumberForAllocation,
    },
    addresses: ordinals.map((ordinal) => address.plus(ordinal)),
  }
}

/** Frees every address of `handleId`, or of those the ones that `only` names. Freeing nothing changes nothing. */
export function release(block: BlockSpec, handleId: string, only?: readonly Address[]): BlockChange {
  const base = Prefix.parse(block.cidr).address
  const ordinals = ordinalsOf(block, handleId).filter(
    (ordinal) => only === undefined || only.some((address) => address.equals(base.plus(ordinal))),
  )
  if (ordinals.length === 0) return { block, addresses: [] }
  const allocations: (number | null)[] = block.allocations.map((index, ordinal) =>
    ordinals.includes(ordinal) ? null : index,
  )
  const sequenceNumberForAllocation = { ...block.sequenceNumberForAllocation }
  for (const ordinal of ordinals) delete sequenceNumberForAllocation[ordinal]
  return {
    block: {
      ...block,
      ...compact(allocations, block.attributes),
      unallocated: [...block.unallocated, ...ordinals],
      sequenceNumber: (block.sequenceNumber ?? 0) + 1,
      sequenceNumberForAllocation,
    },
    addresses: ordinals.map((ordinal) => base.plus(ordinal)),
  }
}

/** Drops the attributes that no allocation refers to. */
function compact(
  allocations: readonly (number | null)[],
  attributes: readonly AllocationAttribute[],
): Pick<BlockSpec, 'allocations' | 'attributes'> {
  const used = [...new Set(allocations.filter((index) => index !== null))].toSorted((a, b) => a - b)
  const position = new Map(used.map((index, at) => [index, at]))
  return {
    allocations: allocations.map((index) => (index === null ? null : (position.get(index) ?? null))),
    attributes: used.map((index) => attributes[index] ?? {}),
  }
}

function ordinalsOf(block: BlockSpec, handleId: string): number[] {
  return block.allocations.flatMap((index, ordinal) =>
    index !== null && block.attributes[index]?.handle_id === handleId ? [ordinal] : [],
  )
}

/** Every allocated address with its owner. */
export function allocations(block: BlockSpec): { address: Address; attribute: AllocationAttribute }[] {
  const base = Prefix.parse(block.cidr).address
  return block.allocations.flatMap((index, ordinal) =>
    index === null ? [] : [{ address: base.plus(ordinal), attribute: block.attributes[index] ?? {} }],
  )
}

function ordinalOf(block: BlockSpec, address: Address): number {
  const cidr = Prefix.parse(block.cidr)
  if (!cidr.contains(address)) throw new IpamError('IPAM_BAD_RECORD', `block ${block.cidr} does not hold ${address}`)
  return Number(address.value - cidr.address.value)
}

export function isEmpty(block: BlockSpec): boolean {
  return block.allocations.every((index) => index === null)
}

/**
 * Whether a record agrees with itself: an entry for each address of the block, every index that of an attribute, and
 * free what says that it is free. One that does not (someone wrote it by hand) is left to people.
 */
export function isSound({ cidr, allocations: indexes, unallocated, attributes }: BlockSpec): boolean {
  return (
    Prefix.tryParse(cidr, { strict: true })?.size === BigInt(indexes.length) &&
    indexes.every((index) => index === null || attributes[index] !== undefined) &&
    unallocated.every((ordinal) => indexes[ordinal] === null)
  )
}
