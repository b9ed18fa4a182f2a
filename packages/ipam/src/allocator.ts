import { type BlockAffinity, type IPAMBlock, type IPPool, type Labels, parseIPPool } from '@margay/model'
import { Address, type Family, Prefix } from '@margay/net'
import { allocate, allocateExact, type BlockSpec, isEmpty, isSound, newBlock, type Owner, release } from './block.ts'
import { blockOrder } from './block-order.ts'
import { IpamError } from './errors.ts'
import { Handles } from './handles.ts'
import { withRetries } from './retries.ts'
import { affinityName, cidrName, isRace, RECORDS, type RecordStore } from './store.ts'

export interface AssignRequest extends Owner {
  readonly node: string
  readonly nodeLabels: Labels
  /** Labels of the pod's namespace, for pools that select namespaces. */
  readonly namespaceLabels: Labels
  /** Names or CIDRs of the only pools to take from; these may be pools of manual assignment. */
  readonly pools?: readonly string[]
}

const DEFAULT_MAX_BLOCKS_PER_HOST = 20

interface Limits {
  readonly strictAffinity: boolean
  readonly maxBlocksPerHost: number
  readonly autoAllocateBlocks: boolean
}

/**
 * Hands out addresses in Calico's way: a node takes blocks of a pool for its own and its pods' addresses from them; when
 * it may have no more it borrows from the others' blocks. All state is in the store; any number of these, on any nodes,
 * may work at once. The order of writes is such that a crash between any two leaves no address taken without a handle
 * that names it.
 */
export class Allocator {
  readonly #store: RecordStore
  readonly #handles: Handles

  constructor(store: RecordStore) {
    this.#store = store
    this.#handles = new Handles(store)
  }

  /** One address of the family. @throws {IpamError} IPAM_NO_POOL, IPAM_EXHAUSTED, IPAM_CONTENTION */
  async autoAssign(family: Family, request: AssignRequest): Promise<Address> {
    const pools = await this.#poolsFor(family, request)
    if (pools.length === 0) {
      throw new IpamError('IPAM_NO_POOL', `no enabled IPv${family} pool serves node ${request.node} and this pod`)
    }
    const limits = await this.#limits()
    return (
      (await this.#fromOwnBlocks(pools, request)) ??
      (await this.#fromNewBlock(pools, request, limits)) ??
      (limits.strictAffinity ? undefined : await this.#borrow(pools, request)) ??
      exhausted(pools, request)
    )
  }

  /** Takes exactly `address`. @throws {IpamError} IPAM_NO_POOL, IPAM_ADDRESS_IN_USE, IPAM_CONTENTION */
  async assignIp(address: Address, request: AssignRequest): Promise<void> {
    const pool = (await this.#pools()).find(({ cidr, terminating }) => cidr.contains(address) && !terminating)
    if (pool === undefined || pool.disabled || !pool.allowedUses.includes('Workload')) {
      throw new IpamError('IPAM_NO_POOL', `${address} lies in no enabled pool for workloads`)
    }
    const cidr = new Prefix(address, pool.blockSize)
    await withRetries(`block ${cidr}`, async () => {
      const block = await this.#findBlock(cidr)
      if (block === undefined) {
        await this.#claim(cidr, request.node)
        // Read and decide again: the claim may have been another's.
        throw Object.assign(new Error('claimed'), { code: 'API_CONFLICT' })
      }
      if (!isSound(block.spec)) throw new IpamError('IPAM_BAD_RECORD', `the record of block ${cidr} contradicts itself`)
      const change = allocateExact(block.spec, address, request)
      if (change === undefined) throw new IpamError('IPAM_ADDRESS_IN_USE', `${address} is in use`)
      await this.#commit(block, change.block, request.handleId, 1)
    })
  }

  /** Frees every address of a handle. Freeing what is free is no error. @returns what was freed */
  async releaseByHandle(handleId: string): Promise<Address[]> {
    const handle = await this.#handles.find(handleId)
    const released: Address[] = []
    if (handle !== undefined && Object.keys(handle.spec.block).length === 0) await this.#handles.drop(handle)
    for (const text of Object.keys(handle?.spec.block ?? {})) {
      released.push(...(await this.#releaseFrom(Prefix.parse(text), handleId)))
    }
    return released
  }

  /** Gives up a block of `node` that holds no address. @returns whether it is gone */
  async releaseBlock(cidr: Prefix, node: string): Promise<boolean> {
    const block = await this.#findBlock(cidr)
    if (block !== undefined && (!isEmpty(block.spec) || (block.spec.affinity ?? `host:${node}`) !== `host:${node}`))
      return false
    const affinity = await this.#store.find(RECORDS.affinities, { name: affinityName(node, String(cidr)) })
    try {
      if (affinity !== undefined && affinity.spec.state !== 'pendingDeletion') {
        await this.#store.update(RECORDS.affinities, {
          ...affinity,
          spec: { ...affinity.spec, state: 'pendingDeletion' },
        })
      }
      if (block !== undefined) await this.#deleteBlock(block)
      if (affinity !== undefined) await this.#store.delete(RECORDS.affinities, { name: affinity.metadata.name })
      return true
    } catch (error) {
      // An address was taken from it meanwhile: it stays.
      if (!isRace(error)) throw error
      await this.#restoreAffinity(node, cidr)
      return false
    }
  }

  async #restoreAffinity(node: string, cidr: Prefix): Promise<void> {
    const block = await this.#findBlock(cidr)
    if (block?.spec.affinity !== `host:${node}`) return
    await this.#confirm(node, cidr)
  }

  async #pools(): Promise<IPPool[]> {
    const { items } = await this.#store.list(RECORDS.pools)
    return items.flatMap((item) => {
      const parsed = parseIPPool(item)
      return 'value' in parsed ? [parsed.value] : []
    })
  }

  async #poolsFor(family: Family, { nodeLabels, namespaceLabels, pools: wanted }: AssignRequest): Promise<IPPool[]> {
    const usable = (await this.#pools()).filter(
      (pool) =>
        pool.cidr.family === family &&
        !pool.disabled &&
        !pool.terminating &&
        pool.allocatable &&
        pool.allowedUses.includes('Workload') &&
        pool.nodeSelector.matches(nodeLabels),
    )
    if (wanted !== undefined)
      return usable.filter((pool) => wanted.includes(pool.name) || wanted.includes(String(pool.cidr)))
    return usable.filter(
      (pool) => pool.assignmentMode === 'Automatic' && pool.namespaceSelector.matches(namespaceLabels),
    )
  }

  async #limits(): Promise<Limits> {
    const configuration = await this.#store.find(RECORDS.configurations, { name: 'default' })
    const { strictAffinity = false, maxBlocksPerHost = 0, autoAllocateBlocks = true } = configuration?.spec ?? {}
    return { strictAffinity, autoAllocateBlocks, maxBlocksPerHost: maxBlocksPerHost || DEFAULT_MAX_BLOCKS_PER_HOST }
  }

  async #ownAffinities(node: string): Promise<BlockAffinity[]> {
    const { items } = await this.#store.list(RECORDS.affinities)
    return items.filter(({ spec }) => spec.node === node && spec.deleted !== true && (spec.type ?? 'host') === 'host')
  }

  async #fromOwnBlocks(pools: readonly IPPool[], request: AssignRequest): Promise<Address | undefined> {
    for (const { spec } of await this.#ownAffinities(request.node)) {
      const cidr = Prefix.parse(spec.cidr)
      if (!pools.some((pool) => pool.cidr.contains(cidr))) continue
      // A claim that was cut short, or a release: finish the claim.
      if (spec.state !== 'confirmed' && !(await this.#claim(cidr, request.node))) continue
      const address = await this.#takeFrom(cidr, request, true)
      if (address !== undefined) return address
    }
    return undefined
  }

  async #fromNewBlock(pools: readonly IPPool[], request: AssignRequest, limits: Limits): Promise<Address | undefined> {
    if (!limits.autoAllocateBlocks) return undefined
    const { items } = await this.#store.list(RECORDS.blocks)
    const taken = new Set(items.map(({ spec }) => spec.cidr))
    const existing = items.map(({ spec }) => Prefix.parse(spec.cidr))
    for (const pool of pools) {
      for (const cidr of blockOrder(pool, request.node)) {
        // Blocks of another size are left from a pool that was here before.
        if (taken.has(String(cidr)) || existing.some((other) => other.length !== cidr.length && other.overlaps(cidr)))
          continue
        if ((await this.#ownAffinities(request.node)).length >= limits.maxBlocksPerHost) return undefined
        if (!(await this.#claim(cidr, request.node))) continue
        const address = await this.#takeFrom(cidr, request, true)
        if (address !== undefined) return address
      }
    }
    return undefined
  }

  async #borrow(pools: readonly IPPool[], request: AssignRequest): Promise<Address | undefined> {
    const { items } = await this.#store.list(RECORDS.blocks)
    for (const { spec } of items) {
      const cidr = Prefix.parse(spec.cidr)
      if (spec.unallocated.length === 0 || !pools.some((pool) => pool.cidr.contains(cidr))) continue
      const address = await this.#takeFrom(cidr, request, false)
      if (address !== undefined) return address
    }
    return undefined
  }

  /** @param own the block must belong to the node @returns undefined when it holds no free address (any more) */
  async #takeFrom(cidr: Prefix, request: AssignRequest, own: boolean): Promise<Address | undefined> {
    return withRetries(`block ${cidr}`, async () => {
      const block = await this.#findBlock(cidr)
      if (block !== undefined && !isSound(block.spec)) return undefined
      if (block === undefined || (own && block.spec.affinity !== `host:${request.node}`)) return undefined
      const { block: next, addresses } = allocate(block.spec, 1, request)
      const [address] = addresses
      if (address !== undefined) await this.#commit(block, next, request.handleId, 1)
      return address
    })
  }

  /** Writes an allocation: the handle first, so that no address is ever taken without one. */
  async #commit(block: IPAMBlock, spec: BlockSpec, handleId: string, count: number): Promise<void> {
    await this.#handles.count(handleId, spec.cidr, count)
    try {
      await this.#store.update(RECORDS.blocks, { ...block, spec })
    } catch (error) {
      await this.#handles.count(handleId, spec.cidr, -count)
      throw error
    }
  }

  async #releaseFrom(cidr: Prefix, handleId: string): Promise<readonly Address[]> {
    const released = await withRetries(`block ${cidr}`, async () => {
      const block = await this.#findBlock(cidr)
      if (block === undefined) return []
      const { block: next, addresses } = release(block.spec, handleId)
      if (addresses.length === 0) return []
      // A block of nobody goes with its last address.
      if (isEmpty(next) && next.affinity === undefined) await this.#deleteBlock(block)
      else await this.#store.update(RECORDS.blocks, { ...block, spec: next })
      return addresses
    })
    await this.#handles.forget(handleId, String(cidr))
    return released
  }

  /**
   * Makes `cidr` a block of `node`: the affinity `pending`, then the block, then `confirmed`.
   * @returns whether it is the node's now; false when another node has it
   */
  async #claim(cidr: Prefix, node: string): Promise<boolean> {
    const text = String(cidr)
    const name = affinityName(node, text)
    await withRetries(`affinity ${name}`, async () => {
      const affinity = await this.#store.find(RECORDS.affinities, { name })
      if (affinity === undefined) {
        const spec = { state: 'pending', node, type: 'host', cidr: text } as const
        await this.#store.create(RECORDS.affinities, { metadata: { name }, spec })
      } else if (affinity.spec.state === 'pendingDeletion') {
        await this.#store.update(RECORDS.affinities, { ...affinity, spec: { ...affinity.spec, state: 'pending' } })
      }
    })
    const block = await this.#findOrCreateBlock(cidr, node)
    if (block.spec.affinity !== `host:${node}`) {
      await this.#store.delete(RECORDS.affinities, { name }).catch(ignoreRace)
      return false
    }
    await this.#confirm(node, cidr)
    return true
  }

  async #findOrCreateBlock(cidr: Prefix, node: string): Promise<IPAMBlock> {
    return withRetries(`block ${cidr}`, async () => {
      const block = await this.#findBlock(cidr)
      if (block !== undefined) return block
      return this.#store.create(RECORDS.blocks, {
        metadata: { name: cidrName(String(cidr)) },
        spec: newBlock(cidr, node),
      })
    })
  }

  async #confirm(node: string, cidr: Prefix): Promise<void> {
    const name = affinityName(node, String(cidr))
    await withRetries(`affinity ${name}`, async () => {
      const affinity = await this.#store.find(RECORDS.affinities, { name })
      if (affinity === undefined || affinity.spec.state === 'confirmed') return
      await this.#store.update(RECORDS.affinities, { ...affinity, spec: { ...affinity.spec, state: 'confirmed' } })
    })
  }

  async #findBlock(cidr: Prefix): Promise<IPAMBlock | undefined> {
    return this.#store.find(RECORDS.blocks, { name: cidrName(String(cidr)) })
  }

  async #deleteBlock({ metadata: { name, uid, resourceVersion } }: IPAMBlock): Promise<void> {
    await this.#store.delete(RECORDS.blocks, { name }, { uid, resourceVersion })
  }
}

function exhausted(pools: readonly IPPool[], { node }: AssignRequest): never {
  throw new IpamError(
    'IPAM_EXHAUSTED',
    `no free address for node ${node} in ${pools.map(({ name, cidr }) => `${name} (${cidr})`).join(', ')}`,
  )
}

function ignoreRace(error: unknown): void {
  if (!isRace(error)) throw error
}
