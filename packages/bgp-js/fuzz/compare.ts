import type { AdjRibInView } from '../src/index.ts'
import { addressHex, hexOf } from './octets.ts'
import type { Twin, TwinRoute } from './twin.ts'

const ORIGINS = ['igp', 'egp', 'incomplete']
const WELL_KNOWN: Readonly<Record<string, string>> = {
  'graceful-shutdown': 'ffff0000',
  'llgr-stale': 'ffff0006',
  'no-llgr': 'ffff0007',
  blackhole: 'ffff029a',
  'no-export': 'ffffff01',
  'no-advertise': 'ffffff02',
  'no-export-subconfed': 'ffffff03',
  'no-peer': 'ffffff04',
}
/** Communities that keep a route from an external peer; LLGR_STALE does where it did not offer RFC 9494. */
const KEPT = /^(?:.{8})*?(?:ffffff0[123]|ffff0006)/

const communityHex = (text: string): string => {
  const parts = text.split(':').map(Number)
  return WELL_KNOWN[text] ?? parts.map((part) => part.toString(16).padStart(4, '0')).join('')
}

const keyOf = (prefix: string, pathId = 0): string => {
  const [address = '', length = ''] = prefix.split('/')
  return `${prefix.includes(':') ? 2 : 1} ${addressHex(address)}/${length} ${pathId.toString(16).padStart(8, '0')}`
}

const asText = (route: Omit<TwinRoute, 'afi' | 'lengthOctets' | 'plainPath'>, isPathKnown: boolean): string =>
  JSON.stringify([
    route.nextHop,
    isPathKnown ? route.asPath : '',
    route.med,
    route.origin,
    route.communities,
    isPathKnown ? route.isUsed : '',
  ])

/** What AdjRibIn holds of a peer and the twin does not, and the other way round. */
export function compareTables(rows: readonly AdjRibInView[], twin: Twin): string[] {
  const differences: string[] = []
  const seen = new Set<string>()
  for (const { prefix, pathId, received, refused } of rows) {
    const key = keyOf(prefix, pathId)
    seen.add(key)
    const expected = twin.table.get(key)
    if (expected === undefined) {
      differences.push(`${key}: held, should not be`)
      continue
    }
    const held = {
      nextHop: addressHex(received.nextHop),
      asPath: received.asPath,
      med: received.med,
      origin: ORIGINS.indexOf(received.origin),
      communities: (received.communities ?? []).map(communityHex).join(''),
      isUsed: refused === undefined,
    }
    const isPathKnown = expected.asPath !== undefined
    const [is, should] = [asText(held, isPathKnown), asText(expected, isPathKnown)]
    if (is !== should) differences.push(`${key}: ${is}, should be ${should}`)
  }
  for (const key of twin.table.keys()) if (!seen.has(key)) differences.push(`${key}: not held`)
  return differences
}

/** Attributes longer than this may not fit into a message of the receiver's. */
const SURE_TO_FIT = 3000

/** What an external peer was told that nobody announced, or was not told although it should be. */
export function compareReceived(
  received: Twin,
  senders: readonly Twin[],
  own: { asn: number; hops: readonly string[] },
): string[] {
  const differences: string[] = []
  const candidates = new Map<string, TwinRoute[]>()
  for (const sender of senders) {
    for (const [key, route] of sender.table) {
      if (route.isUsed === false) continue
      const prefix = key.slice(0, -9)
      const known = candidates.get(prefix)
      if (known === undefined) candidates.set(prefix, [route])
      else known.push(route)
    }
  }
  for (const [key, route] of received.table) {
    const prefix = key.slice(0, -9)
    const possible = (candidates.get(prefix) ?? []).filter(({ communities }) => !KEPT.test(communities))
    const paths = possible.map(({ plainPath }) => plainPath)
    const isKnown = paths.some((path) => path === undefined || route.asPath === `${own.asn} ${path}`.trim())
    if (!isKnown) differences.push(`${prefix}: the receiver was sent [${route.asPath}], of [${paths.join('], [')}]`)
    if (!own.hops.includes(route.nextHop))
      differences.push(`${prefix}: the receiver was sent next hop ${route.nextHop}`)
  }
  for (const [prefix, routes] of candidates) {
    const isSure = routes.every(
      ({ communities, lengthOctets, isUsed }) =>
        isUsed === true && !KEPT.test(communities) && lengthOctets < SURE_TO_FIT,
    )
    if (isSure && !received.table.has(`${prefix} 00000000`)) differences.push(`${prefix}: the receiver was not told`)
  }
  return differences
}

/** Octets of messages for a file. */
export const hexMessages = (messages: readonly Uint8Array[]): string[] => messages.map(hexOf)
