import { Prefix } from '@margay/net'
import { isWithin } from '../peer-address.ts'
import type { ResolvedDynamicNeighbors, ResolvedPeer } from './config.ts'
import type { SocketOptions } from './ports.ts'

interface Group {
  readonly config: ResolvedDynamicNeighbors
  readonly prefix: Prefix
  readonly members: Set<string>
}

/** Who may connect without being listed, and how many of them are there. */
export class DynamicNeighbors {
  /** The longest prefix first. */
  readonly #groups: readonly Group[]

  constructor(configs: readonly ResolvedDynamicNeighbors[]) {
    this.#groups = configs
      .map((config) => ({ config, prefix: Prefix.parse(config.prefix), members: new Set<string>() }))
      .toSorted((a, b) => b.prefix.length - a.prefix.length)
  }

  /** @returns the peer to make for `address`; undefined when no prefix holds it or its group is full */
  admit(address: string): ResolvedPeer | undefined {
    const group = this.#groups.find((candidate) => isWithin(address, candidate.prefix))
    if (group === undefined || group.members.size >= group.config.limit) return undefined
    group.members.add(address)
    return { ...group.config.template, address }
  }

  has(address: string): boolean {
    return this.#groups.some((group) => group.members.has(address))
  }

  /** The peer is gone: there is room for another one. */
  remove(address: string): void {
    for (const group of this.#groups) group.members.delete(address)
  }

  /** Socket options by prefix, for listening sockets. */
  socketOptions(): SocketOptions[] {
    return this.#groups.flatMap(({ config: { prefix, template } }) => {
      const { password, ttlSecurity } = template
      if (password === undefined && ttlSecurity === undefined) return []
      return [{ peerAddress: prefix, password, ttlSecurityHops: ttlSecurity }]
    })
  }
}
