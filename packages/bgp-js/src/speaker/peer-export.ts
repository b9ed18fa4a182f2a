import type { Family } from '@margay/net'
import type { Negotiated } from '../fsm/negotiation.ts'
import { parseZoned } from '../peer-address.ts'
import type { CompiledPolicy } from '../policy/compile-policy.ts'
import { type ExportTarget, RouteExporter } from '../rib/export-rules.ts'
import type { GroupMark, GroupMember } from '../rib/group-member.ts'
import type { UpdateGroup } from '../rib/update-group.ts'
import { FAMILIES, familyName } from '../wire/address-family.ts'
import type { WireSession } from '../wire/attribute-codec.ts'
import { encodeRouteRefresh, RefreshSubtype } from '../wire/messages/route-refresh.ts'
import { encodeEndOfRib } from '../wire/messages/update.ts'
import type { ResolvedPeer } from './config.ts'
import type { SpeakerContext } from './context.ts'
import type { Clock } from './ports.ts'
import type { Session } from './session.ts'
import { localAsOf, policyPeer, roleTowards, withoutZone } from './session-facts.ts'
import type { GroupSettings } from './update-groups.ts'

/** A policy, with a text that is equal for policies that treat every route alike for every peer of a group. */
export interface GroupPolicy {
  readonly identity: string
  readonly compiled: CompiledPolicy | undefined
}

/** One family of one Established session, as its update group sees it. */
class SessionMember implements GroupMember {
  readonly peerIndex: number
  readonly address: string
  readonly #session: Session
  readonly #family: Family

  readonly #marksRefresh: boolean
  readonly #clock: Clock
  readonly #joinedAt: number
  /** From joining until the whole table had gone out. */
  convergedMs: number | undefined

  constructor(
    session: Session,
    family: Family,
    peer: { readonly index: number; readonly address: string; readonly marksRefresh: boolean },
    clock: Clock,
  ) {
    this.#session = session
    this.#family = family
    this.#marksRefresh = peer.marksRefresh
    this.#clock = clock
    this.#joinedAt = clock.now()
    this.peerIndex = peer.index
    this.address = peer.address
  }

  get isCongested(): boolean {
    return this.#session.connection?.isCongested ?? true
  }

  send(octets: Buffer, messages: number): void {
    this.#session.sendUpdates(octets, messages)
  }

  sendMark(kind: GroupMark): void {
    if (kind === 'endOfRib') {
      this.#session.sendUpdates(encodeEndOfRib(this.#family), 1)
      this.convergedMs = this.#clock.now() - this.#joinedAt
      return
    }
    if (!this.#marksRefresh) return
    const subtype = kind === 'endOfRefresh' ? RefreshSubtype.EndOfRefresh : RefreshSubtype.BeginningOfRefresh
    this.#session.send(encodeRouteRefresh(this.#family, subtype), 'routeRefresh')
  }
}

interface Membership {
  readonly member: SessionMember
  group: UpdateGroup
}

/** The place of one family of a session in the update groups. */
export interface SessionMembership {
  readonly member: GroupMember
  readonly group: UpdateGroup
  readonly wire: WireSession
  /** From the start of the session until the whole table had gone to the socket; undefined until then. */
  readonly convergedMs: number | undefined
}

/** The way of routes to one peer while its session is up: its places in the update groups. */
export class PeerExport {
  readonly #context: SpeakerContext
  readonly #session: Session
  readonly #negotiated: Negotiated
  readonly #peerIndex: number
  readonly #members = new Map<Family, Membership>()
  #config: ResolvedPeer
  #policy: GroupPolicy

  constructor(
    context: SpeakerContext,
    session: Session,
    peer: { readonly negotiated: Negotiated; readonly index: number; readonly config: ResolvedPeer },
    policy: GroupPolicy,
  ) {
    this.#context = context
    this.#session = session
    this.#negotiated = peer.negotiated
    this.#peerIndex = peer.index
    this.#config = peer.config
    this.#policy = policy
  }

  /** Sends the whole table of a family, then every change. */
  startSending(family: Family): void {
    if (this.#members.has(family)) return
    const peer = {
      index: this.#peerIndex,
      address: withoutZone(this.#config.address),
      marksRefresh: this.#negotiated.enhancedRefresh,
    }
    const member = new SessionMember(this.#session, family, peer, this.#context.clock)
    const group = this.#context.updateGroups[family].join(member, this.#settings(family))
    this.#members.set(family, { member, group })
  }

  /** The session is over. */
  end(): void {
    for (const [family, { member, group }] of this.#members) this.#context.updateGroups[family].leave(member, group)
    this.#members.clear()
  }

  /** Other settings for the running session. */
  reconfigure(config: ResolvedPeer, policy: GroupPolicy): void {
    this.#config = config
    this.#policy = policy
    for (const [family, membership] of this.#members) {
      const { member, group } = membership
      membership.group = this.#context.updateGroups[family].retarget(member, group, this.#settings(family))
    }
  }

  /** RFC 2918 §4: the peer wants a family again. */
  resend(family: Family): void {
    const membership = this.#members.get(family)
    membership?.group.replay(membership.member)
  }

  /** The socket has room again. */
  writable(): void {
    for (const [family, { group, member }] of this.#members) {
      if (group.pending(member) > 0) this.#context.updateGroups[family].wake(group)
    }
  }

  membership(family: Family): SessionMembership | undefined {
    const membership = this.#members.get(family)
    if (membership === undefined) return undefined
    return { ...membership, wire: this.#negotiated.wire, convergedMs: membership.member.convergedMs }
  }

  #settings(family: Family): GroupSettings {
    const { wire, maxOctets } = this.#negotiated
    const target = this.#target()
    const addPaths = wire.addPath?.send.includes(family) === true ? this.#config.addPath.send : undefined
    const { compiled, identity } = this.#policy
    const { routeFacts: facts } = this.#context
    const peer = policyPeer(this.#config, this.#negotiated.kind, this.#context.config)
    return {
      key: `${JSON.stringify(target)} ${identity} ${addPaths}`,
      maxOctets,
      addPaths,
      newExporter: (rib, blocks) => new RouteExporter(target, { compiled, peer, facts }, rib, blocks),
    }
  }

  #target(): ExportTarget {
    const { config } = this.#context
    const { nextHopSelf, nextHopUnchanged, routeReflectorClient, removePrivateAs, drain } = this.#config
    const { kind, wire, maxOctets, peerLongLived } = this.#negotiated
    const { hops, linkLocal } = this.#ownNextHops()
    return {
      kind,
      localAsn: config.asn,
      localAs: localAsOf(this.#config),
      confederationId: config.confederation?.identifier,
      client: routeReflectorClient,
      clusterId: config.clusterId,
      nextHopSelf,
      nextHopUnchanged,
      ownNextHop: hops,
      ownLinkLocal: linkLocal,
      defaultLocalPref: config.defaultLocalPref,
      removePrivateAs,
      role: roleTowards(this.#negotiated),
      longLived: peerLongLived.length > 0,
      drain,
      refuseAll: config.ebgpRequiresPolicy && kind === 'external' && this.#policy.compiled === undefined,
      wire,
      maxOctets,
    }
  }

  /** Our addresses as the peer can reach them. With RFC 8950 agreed, the IPv6 one does for IPv4 as well. */
  #ownNextHops(): { hops: Partial<Record<Family, string>>; linkLocal: string | undefined } {
    const local = parseZoned(this.#session.connection?.localAddress ?? '')?.address
    const hops: Partial<Record<Family, string>> = {}
    for (const family of FAMILIES) {
      const name = familyName(family)
      const own =
        this.#config.nextHop[name] ??
        (family === local?.family ? local.toString() : undefined) ??
        this.#context.config.nextHop[name]
      if (own !== undefined) hops[family] = own
    }
    const overIpv6 = this.#negotiated.extendedNextHop && local?.family === 6
    if (overIpv6 && this.#config.nextHop.ipv4 === undefined && hops[6] !== undefined) hops[4] = hops[6]
    const linkLocal = local?.family === 6 && local.isLinkLocal ? local.toString() : undefined
    return { hops, linkLocal }
  }
}
