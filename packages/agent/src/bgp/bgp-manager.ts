import { isDeepStrictEqual } from 'node:util'
import type { Bus } from '@margay/bus'
import type { Logger } from 'pino'
import { type AgentTopics, DESIRED_BGP_KEY } from '../topics.ts'
import { type BgpInputs, desiredBgp } from './desired-bgp.ts'

/** Keeps the speaker's orders up to date. Recomputes once after any number of changes made in one turn. */
export class BgpManager {
  readonly #bus: Bus<AgentTopics>
  readonly #inputs: () => BgpInputs
  readonly #log: Logger
  #scheduled = false
  #started = false

  constructor(bus: Bus<AgentTopics>, inputs: () => BgpInputs, log: Logger) {
    this.#bus = bus
    this.#inputs = inputs
    this.#log = log
  }

  /** The inputs are complete from now on. */
  start(): void {
    this.#started = true
    this.markDirty()
  }

  markDirty(): void {
    if (!this.#started || this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#update()
    })
  }

  #update(): void {
    const table = this.#bus.table('speakerDesired')
    const desired = desiredBgp(this.#inputs())
    if (desired === undefined) {
      this.#log.warn({ node: this.#inputs().nodeName }, 'no BGP: the node has no InternalIP, or is not there')
    } else if (!isDeepStrictEqual(table.get(DESIRED_BGP_KEY), desired)) {
      table.set(DESIRED_BGP_KEY, desired)
      table.markInSync()
      this.#log.info({ peers: desired.peers.length, originated: desired.originated }, 'told the speaker')
    }
  }
}
