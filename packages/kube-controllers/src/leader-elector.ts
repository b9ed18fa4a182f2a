import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { type ApiClient, ApiError, type LeaseObject, type Log, RESOURCES } from '@margay/datastore'

export interface LeaseTiming {
  readonly leaseMs: number
  readonly renewMs: number
  /** Stops leading, without a renewal, well before another may begin. */
  readonly deadlineMs: number
}

const DEFAULT_TIMING: LeaseTiming = { leaseMs: 15_000, renewMs: 4_000, deadlineMs: 10_000 }

/**
 * Leads while it holds a Lease (coordination.k8s.io/v1). Others' clocks are not trusted: a lease has run out when it was
 * not renewed for its duration by this process's own clock.
 */
export class LeaderElector {
  readonly #client: ApiClient
  readonly #name: { readonly namespace: string; readonly name: string }
  readonly #identity: string
  readonly #log: Log
  readonly #timing: LeaseTiming
  #observed: { readonly version: string | undefined; readonly at: number } | undefined
  #leading = false

  constructor(options: {
    client: ApiClient
    namespace: string
    name: string
    identity: string
    log: Log
    timing?: LeaseTiming
  }) {
    this.#timing = options.timing ?? DEFAULT_TIMING
    this.#client = options.client
    this.#name = { namespace: options.namespace, name: options.name }
    this.#identity = options.identity
    this.#log = options.log
  }

  get leading(): boolean {
    return this.#leading
  }

  /** Runs `lead` each time this process becomes the leader; its signal fires when it no longer is. */
  async run(signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      const since = performance.now()
      if ((await this.#tryAcquire()) === 'mine' && performance.now() - since < this.#timing.deadlineMs) {
        this.#log.info({ identity: this.#identity }, 'leading')
        await this.#leadOnce(signal, since, lead)
        this.#log.info({ identity: this.#identity }, 'no longer leading')
      }
      await pause(this.#timing.renewMs * (0.8 + Math.random() * 0.4), signal)
    }
  }

  /** Gives the lease up, so that another can lead at once; without an API server it just runs out. */
  async release(): Promise<void> {
    try {
      const lease = await this.#client.find(RESOURCES.leases, this.#name)
      if (lease?.spec.holderIdentity !== this.#identity) return
      await this.#client.update(RESOURCES.leases, {
        ...lease,
        spec: { ...lease.spec, holderIdentity: '', renewTime: microTime() },
      })
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      this.#log.warn({ error: error.message }, 'the lease could not be given up')
    }
  }

  /** @param since when the lease was asked for: others count from its arrival at the server, which was later */
  async #leadOnce(signal: AbortSignal, since: number, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const lost = new AbortController()
    const leading = AbortSignal.any([signal, lost.signal])
    this.#leading = true
    const work = lead(leading)
    // A renewal that hangs must not put the deadline off.
    let deadline = setTimeout(() => lost.abort(), since + this.#timing.deadlineMs - performance.now())
    while (!leading.aborted) {
      await pause(this.#timing.renewMs, leading)
      if (leading.aborted) break
      const begin = performance.now()
      const outcome = await Promise.race([this.#tryAcquire(), whenAborted(leading)])
      if (outcome === 'held') lost.abort()
      if (outcome !== 'mine') continue
      clearTimeout(deadline)
      deadline = setTimeout(() => lost.abort(), begin + this.#timing.deadlineMs - performance.now())
    }
    clearTimeout(deadline)
    this.#leading = false
    await work
  }

  /** Takes or renews the lease. @returns whose it is now: ours, another's, or nobody can tell */
  async #tryAcquire(): Promise<'mine' | 'held' | 'unknown'> {
    try {
      const lease = await this.#client.find(RESOURCES.leases, this.#name)
      if (lease === undefined) {
        await this.#client.create(RESOURCES.leases, { metadata: this.#name, spec: this.#spec(undefined) })
        return 'mine'
      }
      if (lease.spec.holderIdentity !== this.#identity && this.#isHeld(lease)) return 'held'
      await this.#client.update(RESOURCES.leases, { ...lease, spec: this.#spec(lease) })
      return 'mine'
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      this.#log.warn({ error: error.message }, 'the lease can neither be taken nor renewed')
      return 'unknown'
    }
  }

  #isHeld({ spec, metadata }: LeaseObject): boolean {
    if (!spec.holderIdentity) return false
    const version = metadata.resourceVersion
    if (this.#observed === undefined || this.#observed.version !== version)
      this.#observed = { version, at: performance.now() }
    return performance.now() - this.#observed.at < (spec.leaseDurationSeconds ?? this.#timing.leaseMs / 1000) * 1000
  }

  #spec(old: LeaseObject | undefined): LeaseObject['spec'] {
    const now = microTime()
    const mine = old?.spec.holderIdentity === this.#identity
    return {
      holderIdentity: this.#identity,
      leaseDurationSeconds: Math.ceil(this.#timing.leaseMs / 1000),
      acquireTime: (mine ? old?.spec.acquireTime : undefined) ?? now,
      renewTime: now,
      leaseTransitions: (old?.spec.leaseTransitions ?? 0) + (mine || old === undefined ? 0 : 1),
    }
  }
}

/** The API's MicroTime: six digits of a second. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z')
}

async function whenAborted(signal: AbortSignal): Promise<'aborted'> {
  if (!signal.aborted) await once(signal, 'abort')
  return 'aborted'
}

/** Waits, or until `signal` fires. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal })
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'AbortError') throw error
  }
}
