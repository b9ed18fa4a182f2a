import { Prefix } from '@margay/net'

/** Whether the CIDR `inner` is strictly within the CIDR `outer`. Both must be CIDRs. */
export function cidrContains(outer: string, inner: string): boolean {
  const [outside, inside] = [Prefix.tryParse(outer), Prefix.tryParse(inner)]
  if (outside === undefined || inside === undefined || outside.family !== inside.family) return false
  return inside.length > outside.length && outside.contains(inside.address)
}
