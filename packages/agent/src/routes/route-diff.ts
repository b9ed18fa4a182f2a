import type { Route, RouteChange } from '@margay/netlink'

/** The kernel knows a route by destination and priority. */
export function routeKey({ dst, priority }: Route): string {
  return `${dst} ${priority ?? 0}`
}

/** The changes that lead from `actual` to `desired`: additions and replacements, then deletions. Pure. */
export function diffRoutes(
  desired: ReadonlyMap<string, Route>,
  actual: ReadonlyMap<string, Route>,
  keepGateways: boolean,
): RouteChange[] {
  const changes: RouteChange[] = []
  for (const [key, route] of desired) {
    const present = actual.get(key)
    if (present === undefined || !sameRoute(present, route)) changes.push({ op: 'replace', route })
  }
  for (const [key, route] of actual) {
    const learned = route.gateway !== undefined || route.multipath !== undefined
    if (!desired.has(key) && !(keepGateways && learned)) changes.push({ op: 'delete', route })
  }
  return changes
}

function sameRoute(a: Route, b: Route): boolean {
  const type = a.type ?? 'unicast'
  // Only unicast leads anywhere; the kernel hangs IPv6 blackholes on the loopback by itself.
  return type === (b.type ?? 'unicast') && (type !== 'unicast' || hopText(a) === hopText(b))
}

/** Compares what we set: a gateway's interface is the kernel's choice. */
function hopText({ gateway, oif, multipath }: Route): string {
  if (multipath !== undefined)
    return multipath
      .map((hop) => `${hop.gateway} ${hop.weight ?? 1}`)
      .toSorted()
      .join(', ')
  return gateway === undefined ? `dev ${oif}` : `via ${gateway}`
}
