import type { Bus } from '@margay/bus'
import { type ApiClient, ApiError, type Log, RESOURCES } from '@margay/datastore'
import { type Allocator, isSound } from '@margay/ipam'
import { type ClusterTopics, podAddresses } from '@margay/model'
import { pause } from './leader-elector.ts'
import { findSpareBlocks, findSuspects, type IpamSnapshot, type Suspect } from './leak-finder.ts'

export interface GcCounts {
  reclaimed: number
  candidates: number
}

/** A deleted node's records are looked for soon. */
const NODE_DELETED_DELAY_MS = 1_000

/**
 * Takes back addresses that nobody uses: when a handle has looked leaked for the grace period (a node that is gone needs
 * none), and the API server itself, asked right before, still says so. Gives up blocks that stay empty.
 */
export class IpamGcController {
  readonly counts: GcCounts = { reclaimed: 0, candidates: 0 }
  readonly #client: ApiClient
  readonly #bus: Bus<ClusterTopics>
  readonly #allocator: Allocator
  readonly #log: Log
  readonly #graceMs: number
  readonly #periodMs: number
  readonly #firstSeen = new Map<string, number>()

  constructor(options: {
    client: ApiClient
    bus: Bus<ClusterTopics>
    allocator: Allocator
    log: Log
    graceMs: number
    periodMs: number
  }) {
    this.#client = options.client
    this.#bus = options.bus
    this.#allocator = options.allocator
    this.#log = options.log
    this.#graceMs = options.graceMs
    this.#periodMs = options.periodMs
  }

  async run(signal: AbortSignal): Promise<void> {
    using nodes = this.#bus.table('nodes').subscribe()
    signal.addEventListener('abort', () => nodes.close())
    let soon = Promise.withResolvers<void>()
    const watchNodes = async (): Promise<void> => {
      for await (const { deletes } of nodes) if (deletes.length > 0) soon.resolve()
    }
    const watching = watchNodes()
    while (!signal.aborted) {
      try {
        await this.#scan()
      } catch (error) {
        this.#log.warn({ err: error }, 'the search for leaked addresses was cut short')
      }
      soon = Promise.withResolvers()
      const sleep = new AbortController()
      const either = AbortSignal.any([signal, sleep.signal])
      await Promise.race([
        pause(this.#periodMs, either),
        soon.promise.then(async () => pause(NODE_DELETED_DELAY_MS, signal)),
      ])
      sleep.abort()
    }
    await watching
  }

  async #scan(): Promise<void> {
    const tables = [this.#bus.table('pods'), this.#bus.table('nodes')]
    if (tables.some((table) => !table.inSync)) return
    const snapshot = await this.#snapshot()
    const suspects = findSuspects(snapshot)
    const spare = findSpareBlocks(snapshot)
    const keys = new Set([...suspects.map(({ handleId }) => handleId), ...spare.map(({ cidr }) => String(cidr))])
    for (const key of this.#firstSeen.keys()) if (!keys.has(key)) this.#firstSeen.delete(key)
    this.counts.candidates = suspects.length
    this.#reportUnsound(snapshot)
    for (const suspect of suspects) {
      await this.#attempt(suspect.handleId, async () => {
        if ((suspect.certain || this.#isDue(suspect.handleId)) && (await this.#isStillLeaked(suspect)))
          await this.#reclaim(suspect)
      })
    }
    for (const { cidr, node, certain } of spare) {
      await this.#attempt(String(cidr), async () => {
        if (!(certain || this.#isDue(String(cidr)))) return
        if (certain && !(await this.#nodeIsGone(node))) return
        if (await this.#allocator.releaseBlock(cidr, node))
          this.#log.info({ cidr: String(cidr), node }, 'gave up an empty block')
      })
    }
    await this.#dropAffinitiesOfGoneNodes(snapshot)
  }

  /** A record that can't be dealt with stays for the next scan, and the others have their turn. */
  async #attempt(record: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error instanceof ApiError && error.code === 'API_UNAVAILABLE') throw error
      this.#log.warn({ record, err: error }, 'a record of addresses could not be cleaned up')
    }
  }

  /** Blocks that contradict themselves are nobody's to change but an administrator's. */
  #reportUnsound({ blocks }: IpamSnapshot): void {
    for (const { metadata, spec } of blocks) {
      if (!isSound(spec))
        this.#log.error({ block: metadata.name, cidr: spec.cidr }, 'an IPAMBlock contradicts itself: it is left alone')
    }
  }

  async #snapshot(): Promise<IpamSnapshot> {
    // The blocks first: what is allocated after this list is not in it, and the pods known are newer than it.
    const blocks = await this.#client.list(RESOURCES.ipamBlocks)
    const handles = await this.#client.list(RESOURCES.ipamHandles)
    return {
      blocks: blocks.items.filter(({ spec }) => spec.deleted !== true),
      handles: handles.items,
      pods: new Map(this.#bus.table('pods').entries()),
      nodes: new Set([...this.#bus.table('nodes').entries()].map(([name]) => name)),
    }
  }

  #isDue(key: string): boolean {
    const now = performance.now()
    const since = this.#firstSeen.get(key)
    if (since === undefined) this.#firstSeen.set(key, now)
    return since !== undefined && now - since >= this.#graceMs
  }

  /** Asks the API server, not the cache. */
  async #isStillLeaked({ pod, node, certain, addresses }: Suspect): Promise<boolean> {
    if (certain && node !== undefined && !(await this.#nodeIsGone(node))) return false
    if (pod === undefined) return true
    const present = await this.#client.find(RESOURCES.pods, pod)
    const inUse = present === undefined ? [] : podAddresses(present)
    return !addresses.some((address) => inUse.some((each) => each.equals(address)))
  }

  async #nodeIsGone(node: string): Promise<boolean> {
    return (await this.#client.find(RESOURCES.nodes, { name: node })) === undefined
  }

  async #reclaim({ handleId, addresses, reason, pod }: Suspect): Promise<void> {
    await this.#allocator.releaseByHandle(handleId)
    this.#firstSeen.delete(handleId)
    this.counts.reclaimed += addresses.length
    this.#log.info({ handleId, pod, addresses: addresses.map(String), reason }, 'took back leaked addresses')
  }

  /** An affinity without a block: a claim that was cut short on a node that is gone. */
  async #dropAffinitiesOfGoneNodes({ nodes, blocks }: IpamSnapshot): Promise<void> {
    const present = new Set(blocks.map(({ spec }) => spec.cidr))
    for (const { metadata, spec } of this.#bus.table('blockAffinities').values()) {
      if (nodes.has(spec.node) || present.has(spec.cidr) || !(await this.#nodeIsGone(spec.node))) continue
      const { name, uid, resourceVersion } = metadata
      await this.#attempt(name, async () => {
        await this.#client.delete(RESOURCES.blockAffinities, { name }, { uid, resourceVersion })
        this.#log.info({ affinity: name }, 'dropped an affinity of a node that is gone')
      })
    }
  }
}
