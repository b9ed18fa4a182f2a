import { networkInterfaces } from 'node:os'
import { Address, Prefix } from '@margay/net'
import type { Clock } from './ports.ts'

/** How long what the kernel said of its interfaces is believed. */
const FRESH_MS = 1000

interface Network {
  readonly prefix: Prefix
  readonly name: string
}

/** Finds the interface in whose network an address is: where a next hop is that needs no router. */
export function connectedInterface(clock: Pick<Clock, 'now'>): (address: string) => string | undefined {
  let networks: readonly Network[] = []
  let readAt = Number.NEGATIVE_INFINITY
  return (text) => {
    const address = Address.tryParse(text)
    if (address === undefined) return undefined
    if (clock.now() - readAt > FRESH_MS) {
      networks = readNetworks()
      readAt = clock.now()
    }
    const holding = networks.filter(({ prefix }) => prefix.contains(address))
    return holding.toSorted((a, b) => b.prefix.length - a.prefix.length)[0]?.name
  }
}

function readNetworks(): Network[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.flatMap(({ cidr }) => {
      const prefix = cidr === null ? undefined : Prefix.tryParse(cidr)
      // Every link has the link-local network: it says nothing of where an address is.
      return prefix === undefined || prefix.address.isLinkLocal ? [] : [{ prefix, name }]
    }),
  )
}
