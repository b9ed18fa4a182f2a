import type { Family } from '@margay/net'

/** The two address families of this speaker, as (AFI, SAFI): IPv4 and IPv6 unicast (RFC 4760). */
export const FAMILIES: readonly Family[] = [4, 6]

export const SAFI_UNICAST = 1

/** Address Family Identifier of a family. */
export const afiOf = (family: Family): 1 | 2 => (family === 4 ? 1 : 2)

/** The family of an (AFI, SAFI) pair, undefined for those this speaker does not carry. */
export function familyOf(afi: number, safi: number): Family | undefined {
  if (safi !== SAFI_UNICAST) return undefined
  return afi === 1 ? 4 : afi === 2 ? 6 : undefined
}

/** The name of a family in configuration, status and metrics. */
export type FamilyName = 'ipv4' | 'ipv6'

export const familyName = (family: Family): FamilyName => (family === 4 ? 'ipv4' : 'ipv6')
