import type { Family } from '@margay/net'
import { BgpMessageError } from '../errors.ts'
import type { WireSession } from '../wire/attribute-codec.ts'
import type { Capability } from '../wire/capabilities/capability.ts'
import { MAX_EXTENDED_OCTETS, MAX_MESSAGE_OCTETS } from '../wire/header.ts'
import { ipv4Value } from '../wire/ip-text.ts'
import type { OpenMessage } from '../wire/messages/open.ts'
import { AS_TRANS } from '../wire/path-attributes.ts'

/** What this end brings to a session. */
export interface LocalEnd {
  readonly asn: number
  readonly peerAsn: number
  readonly routerId: string
  readonly holdTimeSeconds: number
  readonly keepaliveSeconds: number | undefined
  readonly capabilities: readonly Capability[]
}

export type GracefulRestartCapability = Extract<Capability, { name: 'gracefulRestart' }>

/** What both ends agreed on; fixed for the life of the session. */
export interface Negotiated {
  readonly wire: WireSession
  readonly families: readonly Family[]
  readonly holdTimeSeconds: number
  readonly keepaliveSeconds: number
  readonly peerRouterId: string
  readonly peerAsn: number
  readonly routeRefresh: boolean
  /** Longest message that we may send and that the peer may. */
  readonly maxOctets: number
  readonly peerGracefulRestart: GracefulRestartCapability | undefined
  /** Both ends set the N bit of RFC 8538. */
  readonly notificationRestart: boolean
  readonly peerCapabilities: readonly Capability[]
}

/**
 * Judges a peer's OPEN (RFC 4271 §6.2, RFC 6286, RFC 6793) and works out what the session will be.
 * @throws {BgpMessageError} OPEN Message Error
 */
export function negotiate(local: LocalEnd, open: OpenMessage): Negotiated {
  const find = <N extends Capability['name']>(name: N): Extract<Capability, { name: N }> | undefined =>
    open.capabilities.find((item): item is Extract<Capability, { name: N }> => item.name === name)
  const fourOctet = find('fourOctetAs')
  const peerAsn = fourOctet?.asn ?? open.asn
  checkOpen(local, open, peerAsn)
  const offered = (name: Capability['name']): boolean => local.capabilities.some((item) => item.name === name)
  const extended = offered('extendedMessages') && find('extendedMessages') !== undefined
  const holdTimeSeconds = Math.min(local.holdTimeSeconds, open.holdTimeSeconds)
  const ours = local.capabilities.find((item) => item.name === 'gracefulRestart')
  const theirs = ours === undefined ? undefined : find('gracefulRestart')
  return {
    wire: {
      fourOctetAs: fourOctet !== undefined && offered('fourOctetAs'),
      internal: local.asn === local.peerAsn,
    },
    families: commonFamilies(local.capabilities, open.capabilities),
    holdTimeSeconds,
    keepaliveSeconds: keepaliveFor(holdTimeSeconds, local.keepaliveSeconds),
    peerRouterId: open.routerId,
    peerAsn,
    routeRefresh: find('routeRefresh') !== undefined,
    maxOctets: extended ? MAX_EXTENDED_OCTETS : MAX_MESSAGE_OCTETS,
    peerGracefulRestart: theirs,
    notificationRestart: ours?.notification === true && theirs?.notification === true,
    peerCapabilities: open.capabilities,
  }
}

function checkOpen(local: LocalEnd, open: OpenMessage, peerAsn: number): void {
  const asMatches = peerAsn === local.peerAsn && (open.asn === peerAsn || (open.asn === AS_TRANS && peerAsn > 0xffff))
  if (!asMatches) {
    throw new BgpMessageError(`peer AS ${peerAsn} (${open.asn}), configured ${local.peerAsn}`, { code: 2, subcode: 2 })
  }
  const isSelf = open.routerId === local.routerId && local.asn === local.peerAsn
  if (ipv4Value(open.routerId) === 0 || isSelf) {
    throw new BgpMessageError(`BGP identifier ${open.routerId}`, { code: 2, subcode: 3 })
  }
  if (open.holdTimeSeconds === 1 || open.holdTimeSeconds === 2) {
    throw new BgpMessageError(`hold time ${open.holdTimeSeconds} s`, { code: 2, subcode: 6 })
  }
}

/** A third of the hold time, or less where the operator wants so; 0 for none (RFC 4271 §4.4). */
function keepaliveFor(holdTimeSeconds: number, configured: number | undefined): number {
  if (holdTimeSeconds === 0) return 0
  const third = Math.max(1, Math.floor(holdTimeSeconds / 3))
  return configured === undefined ? third : Math.min(third, configured)
}

/** A speaker that sends no multiprotocol capability carries IPv4 unicast (RFC 4760 §8). */
function commonFamilies(local: readonly Capability[], remote: readonly Capability[]): Family[] {
  const families = (capabilities: readonly Capability[]): Family[] => {
    const listed = capabilities.flatMap((item) => (item.name === 'multiprotocol' ? [item.family] : []))
    return listed.length === 0 ? [4] : listed
  }
  const theirs = families(remote)
  return families(local).filter((family, index, all) => theirs.includes(family) && all.indexOf(family) === index)
}
