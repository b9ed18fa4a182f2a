import type { Family } from '@margay/net'
import { BgpMessageError } from '../errors.ts'
import type { PeerKind } from '../rib/path.ts'
import type { WireSession } from '../wire/attribute-codec.ts'
import type { Capability, LongLivedFamily } from '../wire/capabilities/capability.ts'
import type { BgpRole } from '../wire/capabilities/role.ts'
import { MAX_EXTENDED_OCTETS, MAX_MESSAGE_OCTETS } from '../wire/header.ts'
import { ipv4Value } from '../wire/ip-text.ts'
import type { OpenMessage } from '../wire/messages/open.ts'
import { AS_TRANS } from '../wire/path-attributes.ts'
import { kindOfAsn } from './peer-kind.ts'
import { checkRole, type LocalRole } from './role-check.ts'

/** Which AS a peer may say it is: one, one of several, or any that is not ours. */
export type PeerAsRule = number | readonly number[] | 'external'

/** What this end brings to a session. */
export interface LocalEnd {
  /** What OPEN says: our AS, the confederation's, or the one we pose as (local-as). */
  readonly asn: number
  /** The AS that makes a peer internal, where that is not `asn`. */
  readonly ownAsn?: number
  /** The other member ASes of our confederation. */
  readonly memberAsns?: readonly number[]
  readonly peerAsn: PeerAsRule
  readonly role?: LocalRole | undefined
  readonly routerId: string
  readonly holdTimeSeconds: number
  readonly keepaliveSeconds: number | undefined
  readonly capabilities: readonly Capability[]
}

export type GracefulRestartCapability = Extract<Capability, { name: 'gracefulRestart' }>

/** Families for which several paths of a prefix are told apart (RFC 7911), from our end. */
interface AddPathAgreement {
  readonly send: readonly Family[]
  readonly receive: readonly Family[]
}

/** What both ends agreed on; fixed for the life of the session. */
export interface Negotiated {
  readonly wire: WireSession
  readonly kind: PeerKind
  readonly families: readonly Family[]
  readonly holdTimeSeconds: number
  readonly keepaliveSeconds: number
  readonly peerRouterId: string
  readonly peerAsn: number
  readonly routeRefresh: boolean
  /** Both ends mark the beginning and the end of a refresh (RFC 7313). */
  readonly enhancedRefresh: boolean
  readonly addPath: AddPathAgreement
  /** IPv4 unicast may go by IPv6 next hops (RFC 8950). */
  readonly extendedNextHop: boolean
  /** What the peer is to us (RFC 9234); undefined where we have no role. */
  readonly peerRole: BgpRole | undefined
  /** Longest message that we may send and that the peer may. */
  readonly maxOctets: number
  readonly peerGracefulRestart: GracefulRestartCapability | undefined
  /** Families that may be kept long (RFC 9494): we and the peer offer it, beside graceful restart. */
  readonly peerLongLived: readonly LongLivedFamily[]
  /** Both ends set the N bit of RFC 8538. */
  readonly notificationRestart: boolean
  readonly peerCapabilities: readonly Capability[]
}

/**
 * Judges a peer's OPEN (RFC 4271 §6.2, RFC 6286, RFC 6793) and works out what the session will be.
 * @throws {BgpMessageError} OPEN Message Error
 */
export function negotiate(local: LocalEnd, open: OpenMessage): Negotiated {
  const [ours, theirs] = [capabilitiesOf(local.capabilities), capabilitiesOf(open.capabilities)]
  const peerAsn = theirs.find('fourOctetAs')?.asn ?? open.asn
  const kind = kindOfAsn(local.ownAsn ?? local.asn, local.memberAsns ?? [], peerAsn)
  checkOpen(local, open, { peerAsn, kind })
  const both = (name: Capability['name']): boolean => ours.has(name) && theirs.has(name)
  const holdTimeSeconds = Math.min(local.holdTimeSeconds, open.holdTimeSeconds)
  const families = commonFamilies(local.capabilities, open.capabilities)
  const addPath = agreedAddPath(ours, theirs, families)
  const nextHops = [ours.find('extendedNextHop'), theirs.find('extendedNextHop')]
  const extendedNextHop = families.includes(4) && nextHops.every((item) => item?.ipv4OverIpv6 === true)
  const restart = ours.find('gracefulRestart')
  const peerRestart = restart === undefined ? undefined : theirs.find('gracefulRestart')
  return {
    wire: { fourOctetAs: both('fourOctetAs'), internal: kind !== 'external', addPath, extendedNextHop },
    kind,
    families,
    holdTimeSeconds,
    keepaliveSeconds: keepaliveFor(holdTimeSeconds, local.keepaliveSeconds),
    peerRouterId: open.routerId,
    peerAsn,
    routeRefresh: theirs.has('routeRefresh'),
    enhancedRefresh: both('enhancedRefresh'),
    addPath,
    extendedNextHop,
    peerRole: kind === 'external' ? checkRole(local.role, theirs.roles) : undefined,
    maxOctets: both('extendedMessages') ? MAX_EXTENDED_OCTETS : MAX_MESSAGE_OCTETS,
    peerGracefulRestart: peerRestart,
    // RFC 9494 §3: without graceful restart beside it, it counts as not received.
    peerLongLived:
      both('longLivedGracefulRestart') && peerRestart !== undefined
        ? (theirs.find('longLivedGracefulRestart')?.families ?? []).filter((item) => families.includes(item.family))
        : [],
    notificationRestart: restart?.notification === true && peerRestart?.notification === true,
    peerCapabilities: open.capabilities,
  }
}

interface CapabilityLookup {
  find<N extends Capability['name']>(name: N): Extract<Capability, { name: N }> | undefined
  has(name: Capability['name']): boolean
  /** Values of every Role capability. */
  readonly roles: readonly number[]
}

function capabilitiesOf(capabilities: readonly Capability[]): CapabilityLookup {
  return {
    find: <N extends Capability['name']>(name: N) =>
      capabilities.find((item): item is Extract<Capability, { name: N }> => item.name === name),
    has: (name) => capabilities.some((item) => item.name === name),
    roles: capabilities.flatMap((item) => (item.name === 'role' ? [item.value] : [])),
  }
}

/** RFC 7911 §4: one end has to be able to send a family's paths and the other to receive them. */
function agreedAddPath(
  ours: CapabilityLookup,
  theirs: CapabilityLookup,
  families: readonly Family[],
): AddPathAgreement {
  const of = (side: CapabilityLookup, family: Family) =>
    side.find('addPath')?.families.find((item) => item.family === family)
  return {
    send: families.filter((family) => of(ours, family)?.send === true && of(theirs, family)?.receive === true),
    receive: families.filter((family) => of(ours, family)?.receive === true && of(theirs, family)?.send === true),
  }
}

function checkOpen(local: LocalEnd, open: OpenMessage, peer: { peerAsn: number; kind: PeerKind }): void {
  const { peerAsn, kind } = peer
  const asMatches = open.asn === peerAsn || (open.asn === AS_TRANS && peerAsn > 0xffff)
  // AS 0 is nobody's (RFC 7607).
  if (!asMatches || peerAsn === 0 || !isAllowed(local, peerAsn, kind)) {
    const said = asMatches ? String(peerAsn) : `${open.asn}, and ${peerAsn} in its capability`
    const wanted = Array.isArray(local.peerAsn) ? local.peerAsn.join(', ') : String(local.peerAsn)
    throw new BgpMessageError(`peer says AS ${said}, configured ${wanted}`, { code: 2, subcode: 2 })
  }
  const isSelf = open.routerId === local.routerId && kind === 'internal'
  if (ipv4Value(open.routerId) === 0 || isSelf) {
    throw new BgpMessageError(`BGP identifier ${open.routerId}`, { code: 2, subcode: 3 })
  }
  if (open.holdTimeSeconds === 1 || open.holdTimeSeconds === 2) {
    throw new BgpMessageError(`hold time ${open.holdTimeSeconds} s`, { code: 2, subcode: 6 })
  }
}

function isAllowed(local: LocalEnd, peerAsn: number, kind: PeerKind): boolean {
  if (local.peerAsn === 'external') return kind === 'external' && peerAsn !== local.asn
  return typeof local.peerAsn === 'number' ? peerAsn === local.peerAsn : local.peerAsn.includes(peerAsn)
}

/** A third of the hold time, or less where the operator wants so; 0 for none (RFC 4271 §4.4). */
export function keepaliveFor(holdTimeSeconds: number, configured: number | undefined): number {
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
