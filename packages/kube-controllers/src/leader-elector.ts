import { setTimeout as delay } from 'node:timers/promises'
import { type ApiClient, ApiError, type LeaseObject, type Log, RESOURCES } from '@margay/datastore'

const LEASE_SECONDS = 15
const RENEW_MS = 4_000
/** Stops leading well before another may begin. */
const RENEW_DEADLINE_MS = 10_000

/**
 * Leads while it holds a Lease (coordination.k8s.io/v1). Others' clocks are not trusted: a lease has run out when it was
 * not renewed for its duration by this process's own clock.
 */
export class LeaderElector {
  readonly #client: ApiClient
  readonly #name: { readonly namespace: string; readonly name: string }
  readonly #identity: string
  readonly #log: Log
  #observed: { readonly version: string | undefined; readonly at: number } | undefined
  #leading = false

  constructor(options: { client: ApiClient; namespace: string; name: string; identity: string; log: Log }) {
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
      if (await this.#tryAcquire()) {
        this.#log.info({ identity: this.#identity }, 'leading')
        await this.#leadOnce(signal, lead)
        this.#log.info({ identity: this.#identity }, 'no longer leading')
      }
      await pause(RENEW_MS * (0.8 + Math.random() * 0.4), signal)
    }
  }

  /** Gives the lease up, so that another can lead at once. */
  async release(): Promise<void> {
    const lease = await this.#client.find(RESOURCES.leases, this.#name)
    if (lease?.spec.holderIdentity !== this.#identity) return
    await this.#client.update(RESOURCES.leases, {
      ...lease,
      spec: { ...lease.spec, holderIdentity: '', renewTime: microTime() },
    })
  }

  async #leadOnce(signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const lost = new AbortController()
    const leading = AbortSignal.any([signal, lost.signal])
    this.#leading = true
    const work = lead(leading)
    let renewed = performance.now()
    while (!leading.aborted) {
      await pause(RENEW_MS, leading)
      if (leading.aborted) break
      if (await this.#tryAcquire()) renewed = performance.now()
      else if (performance.now() - renewed > RENEW_DEADLINE_MS) lost.abort()
    }
    this.#leading = false
    lost.abort()
    await work
  }

  /** Takes or renews the lease. @returns whether this process holds it now */
  async #tryAcquire(): Promise<boolean> {
    try {
      const lease = await this.#client.find(RESOURCES.leases, this.#name)
      if (lease === undefined) {
        await this.#client.create(RESOURCES.leases, { metadata: this.#name, spec: this.#spec(undefined) })
        return true
      }
      if (lease.spec.holderIdentity !== this.#identity && this.#isHeld(lease)) return false
      await this.#client.update(RESOURCES.leases, { ...lease, spec: this.#spec(lease) })
      return true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      this.#log.warn({ error: error.message }, 'the lease can neither be taken nor renewed')
      return false
    }
  }

  #isHeld({ spec, metadata }: LeaseObject): boolean {
    if (!spec.holderIdentity) return false
    const version = metadata.resourceVersion
    if (this.#observed === undefined || this.#observed.version !== version)
      this.#observed = { version, at: performance.now() }
    return performance.now() - this.#observed.at < (spec.leaseDurationSeconds ?? LEASE_SECONDS) * 1000
  }

  #spec(old: LeaseObject | undefined): LeaseObject['spec'] {
    const now = microTime()
    const mine = old?.spec.holderIdentity === this.#identity
    return {
      holderIdentity: this.#identity,
      leaseDurationSeconds: LEASE_SECONDS,
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

/** Waits, or until `signal` fires. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal })
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'AbortError') throw error
  }
}
