import type { Bus } from '@margay/bus'
import { type ApiClient, ApiError, type Log, RESOURCES } from '@margay/datastore'
import { type Allocator, isEmpty } from '@margay/ipam'
import type { CalicoObject, ClusterTopics } from '@margay/model'
import { Prefix } from '@margay/net'
import { pause } from './leader-elector.ts'
import { judgePools, withVerdict } from './pool-conditions.ts'

/** Keeps a pool until its addresses are all back. */
const POOL_FINALIZER = 'projectcalico.org/ippool'
const DRAIN_RETRY_MS = 2_000

/** Writes the pools' conditions, holds deleted pools until they are drained, and gives up their empty blocks. */
export class IPPoolController {
  readonly #client: ApiClient
  readonly #bus: Bus<ClusterTopics>
  readonly #allocator: Allocator
  readonly #log: Log

  constructor(options: { client: ApiClient; bus: Bus<ClusterTopics>; allocator: Allocator; log: Log }) {
    this.#client = options.client
    this.#bus = options.bus
    this.#allocator = options.allocator
    this.#log = options.log
  }

  async run(signal: AbortSignal): Promise<void> {
    const table = this.#bus.table('ipPools')
    using subscription = table.subscribe()
    signal.addEventListener('abort', () => subscription.close())
    let change = subscription.next()
    for (;;) {
      const settled = !table.inSync || (await this.#reconcile())
      const wait = new AbortController()
      // A drain ends when other objects change: while one goes on, look again.
      const retry = settled ? [] : [pause(DRAIN_RETRY_MS, AbortSignal.any([signal, wait.signal]))]
      const next = await Promise.race([change.then((batch) => batch ?? 'closed'), ...retry])
      wait.abort()
      if (next === 'closed') return
      if (next !== undefined) change = subscription.next()
    }
  }

  /** @returns whether all is as it should be */
  async #reconcile(): Promise<boolean> {
    const pools = [...this.#bus.table('ipPools').values()]
    const verdicts = judgePools(pools)
    let settled = true
    for (const pool of pools) {
      const verdict = verdicts.get(pool.metadata.name)
      try {
        if (pool.metadata.deletionTimestamp === undefined) await this.#protect(pool)
        const conditions = verdict === undefined ? undefined : withVerdict(pool, verdict, new Date().toISOString())
        if (conditions !== undefined) {
          await this.#client.patch(
            RESOURCES.ipPools,
            pool.metadata,
            { status: { conditions } },
            { subresource: 'status' },
          )
        }
        if (pool.metadata.deletionTimestamp !== undefined && !(await this.#drain(pool))) settled = false
      } catch (error) {
        // It went meanwhile.
        if (error instanceof ApiError && error.code === 'API_NOT_FOUND') continue
        this.#log.warn({ pool: pool.metadata.name, err: error }, 'an IPPool could not be dealt with: trying again')
        settled = false
      }
    }
    return settled
  }

  async #protect({ metadata }: CalicoObject): Promise<void> {
    const { finalizers = [], name, resourceVersion } = metadata
    if (finalizers.includes(POOL_FINALIZER)) return
    await this.#client.patch(
      RESOURCES.ipPools,
      { name },
      { metadata: { resourceVersion, finalizers: [...finalizers, POOL_FINALIZER] } },
    )
  }

  /** Gives up the empty blocks; the last one gone, lets the pool go. @returns whether that is done */
  async #drain({ metadata, spec }: CalicoObject): Promise<boolean> {
    const { finalizers = [], name } = metadata
    if (!finalizers.includes(POOL_FINALIZER)) return true
    const cidr = cidrOf({ spec })
    const others = [...this.#bus.table('ipPools').values()]
      .filter((other) => other.metadata.deletionTimestamp === undefined)
      .map(cidrOf)
    const { items } = await this.#client.list(RESOURCES.ipamBlocks)
    let left = 0
    for (const { spec: block } of items) {
      const prefix = Prefix.tryParse(block.cidr)
      if (prefix === undefined || cidr?.contains(prefix) !== true) continue
      // A pool that stays serves these addresses: this one never did, or does no more.
      if (others.some((other) => other?.contains(prefix) === true)) continue
      const node = block.affinity?.replace(/^host:/, '')
      const released = isEmpty(block) && node !== undefined && (await this.#allocator.releaseBlock(prefix, node))
      if (!released) left++
    }
    if (left > 0) {
      this.#log.info({ pool: name, blocks: left }, 'a deleted IPPool waits for its addresses')
      return false
    }
    await this.#client.patch(
      RESOURCES.ipPools,
      { name },
      { metadata: { finalizers: finalizers.filter((each) => each !== POOL_FINALIZER) } },
    )
    this.#log.info({ pool: name }, 'an IPPool is drained')
    return true
  }
}

function cidrOf({ spec }: Pick<CalicoObject, 'spec'>): Prefix | undefined {
  return Prefix.tryParse(String((spec as { cidr?: unknown } | undefined)?.cidr))
}
