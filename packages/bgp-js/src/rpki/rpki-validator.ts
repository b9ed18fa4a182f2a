import type { Prefix } from '@margay/net'
import type { ValidationState } from '../policy/policy-route.ts'
import { type RpkiCacheConfig, type RpkiCacheStatus, RtrClient, type RtrClientPorts } from './rtr-client.ts'
import type { VrpChanges } from './rtr-exchange.ts'
import type { Vrp } from './rtr-pdu.ts'
import { VrpTable, vrpKey } from './vrp-table.ts'

export interface RpkiConfig {
  readonly caches: readonly RpkiCacheConfig[]
}

/** What a validator knows of its surroundings. */
export interface RpkiPorts extends RtrClientPorts {
  /** Routes inside these prefixes may have another validation state now. Called once per slice of a change. */
  readonly onChange: (prefixes: readonly Prefix[]) => void
}

type Change = { readonly vrp: Vrp; readonly isThere: boolean }

/** Changes that are applied at one go; a full table takes several, and timers get their turn in between. */
const SLICE = 1000

/**
 * Origin validation (RFC 6811) by the data of one of several caches: the most preferred that has any. When another one
 * becomes that, only what differs changes.
 */
export class RpkiValidator {
  readonly #clients: readonly RtrClient[]
  readonly #ports: RpkiPorts
  readonly #table = new VrpTable()
  /** What the table is, or is on its way to be. */
  readonly #wanted = new Map<string, Vrp>()
  #queue: Change[] = []
  #isApplying = false
  #active: RtrClient | undefined
  #stopped = false

  constructor(config: RpkiConfig, ports: RpkiPorts) {
    this.#ports = ports
    this.#clients = config.caches
      .map((cache) => {
        const client: RtrClient = new RtrClient(cache, ports, (changes) => this.#changed(client, changes))
        return client
      })
      .toSorted((a, b) => a.config.preference - b.config.preference)
  }

  /** VRPs in use. */
  get size(): number {
    return this.#table.size
  }

  start(): void {
    for (const client of this.#clients) client.start()
  }

  stop(): void {
    this.#stopped = true
    for (const client of this.#clients) client.stop()
  }

  /** `originAs`: what `routeOriginAs` makes of the path. */
  validate(prefix: Prefix, originAs: number | undefined): ValidationState {
    return this.#table.validate(prefix, originAs)
  }

  /** Most preferred first; `inUse` marks the one whose data these are. */
  status(): (RpkiCacheStatus & { readonly inUse: boolean })[] {
    return this.#clients.map((client) => ({ ...client.status(), inUse: client === this.#active }))
  }

  #changed(client: RtrClient, changes: VrpChanges): void {
    const best = this.#clients.find(({ hasData }) => hasData)
    if (best !== this.#active) {
      this.#active = best
      this.#becomes(best?.vrps() ?? [])
    } else if (client === best) {
      for (const vrp of changes.removed) this.#want(vrp, false)
      for (const vrp of changes.added) this.#want(vrp, true)
    }
    this.#apply()
  }

  #becomes(vrps: Iterable<Vrp>): void {
    const next = new Map<string, Vrp>()
    for (const vrp of vrps) next.set(vrpKey(vrp), vrp)
    for (const [key, vrp] of this.#wanted) if (!next.has(key)) this.#want(vrp, false)
    for (const [key, vrp] of next) if (!this.#wanted.has(key)) this.#want(vrp, true)
  }

  #want(vrp: Vrp, isThere: boolean): void {
    if (isThere) this.#wanted.set(vrpKey(vrp), vrp)
    else this.#wanted.delete(vrpKey(vrp))
    this.#queue.push({ vrp, isThere })
  }

  #apply(): void {
    if (this.#isApplying || this.#queue.length === 0) return
    this.#isApplying = true
    let at = 0
    const slice = (): void => {
      if (this.#stopped) return
      const changes = this.#queue.slice(at, at + SLICE)
      at += changes.length
      for (const { vrp, isThere } of changes) {
        if (isThere) this.#table.add(vrp)
        else this.#table.remove(vrp)
      }
      this.#ports.onChange(changes.map(({ vrp }) => vrp.prefix))
      if (at < this.#queue.length) {
        this.#ports.clock.setTimeout(slice, 0)
        return
      }
      this.#queue = []
      this.#isApplying = false
    }
    slice()
  }
}
