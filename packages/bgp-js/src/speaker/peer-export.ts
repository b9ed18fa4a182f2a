import { Address, type Family } from '@margay/net'
import type { Negotiated } from '../fsm/negotiation.ts'
import type { CompiledPolicy } from '../policy/compile-policy.ts'
import type { PolicyPeer } from '../policy/policy-route.ts'
import { type ExportTarget, RouteExporter } from '../rib/export-rules.ts'
import type { GroupMember } from '../rib/group-member.ts'
import type { UpdateGroup } from '../rib/update-group.ts'
import { FAMILIES, familyName } from '../wire/address-family.ts'
import type { WireSession } from '../wire/attribute-codec.ts'
import { encodeEndOfRib } from '../wire/messages/update.ts'
import type { ResolvedPeer } from './config.ts'
import type { SpeakerContext } from './context.ts'
import type { Session } from './session.ts'
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

  constructor(session: Session, family: Family, peer: { readonly index: number; readonly address: string }) {
    this.#session = session
    this.#family = family
    this.peerIndex = peer.index
    this.address = peer.address
  }

  get isCongested(): boolean {
    return this.#session.connection?.isCongested ?? true
  }

  send(octets: Buffer, messages: number): void {
    this.#session.sendUpdates(octets, messages)
  }

  sendEnd(kind: 'endOfRib' | 'endOfRefresh'): void {
    if (kind === 'endOfRib') this.#session.sendUpdates(encodeEndOfRib(this.#family), 1)
  }
}

interface Membership {
  readonly member: GroupMember
  group: UpdateGroup
}

/** The place of one family of a session in the update groups. */
export interface SessionMembership {
  readonly member: GroupMember
  readonly group: UpdateGroup
  readonly wire: WireSession
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
    const peer = { index: this.#peerIndex, address: this.#config.address }
    const member = new SessionMember(this.#session, family, peer)
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
    return membership === undefined ? undefined : { ...membership, wire: this.#negotiated.wire }
  }

  #settings(family: Family): GroupSettings {
    const { wire, maxOctets } = this.#negotiated
    const target = this.#target()
    const { compiled, identity } = this.#policy
    const peer = this.#policyPeer()
    return {
      key: `${JSON.stringify(target)} ${identity}`,
      maxOctets,
      addPaths: wire.addPath?.send.includes(family) === true ? this.#maxPaths() : undefined,
      newExporter: (rib, blocks) => new RouteExporter(target, { compiled, peer }, rib, blocks),
    }
  }

  #maxPaths(): number {
    return Number.POSITIVE_INFINITY
  }

  #policyPeer(): PolicyPeer {
    const { address, asn } = this.#config
    return { address, asn, type: this.#isInternal ? 'iBGP' : 'eBGP', localAsn: this.#context.config.asn }
  }

  get #isInternal(): boolean {
    return this.#negotiated.wire.internal
  }

  #target(): ExportTarget {
    const { config } = this.#context
    const { nextHopSelf, nextHopUnchanged, routeReflectorClient } = this.#config
    const kind = this.#isInternal ? 'internal' : 'external'
    return {
      kind,
      localAsn: config.asn,
      localAs: undefined,
      confederationId: undefined,
      client: routeReflectorClient,
      clusterId: config.clusterId,
      nextHopSelf,
      nextHopUnchanged,
      ownNextHop: this.#ownNextHops(),
      ownLinkLocal: undefined,
      defaultLocalPref: config.defaultLocalPref,
      removePrivateAs: false,
      role: undefined,
      longLived: false,
      drain: false,
      refuseAll: config.ebgpRequiresPolicy && kind === 'external' && this.#policy.compiled === undefined,
      wire: this.#negotiated.wire,
      maxOctets: this.#negotiated.maxOctets,
    }
  }

  #ownNextHops(): Partial<Record<Family, string>> {
    const localAddress = this.#session.connection?.localAddress ?? ''
    const sessionFamily = Address.tryParse(localAddress)?.family
    const found: Partial<Record<Family, string>> = {}
    for (const family of FAMILIES) {
      const name = familyName(family)
      const own =
        this.#config.nextHop[name] ??
        (family === sessionFamily ? localAddress : undefined) ??
        this.#context.config.nextHop[name]
      if (own !== undefined) found[family] = own
    }
    return found
  }
}
