import { isDeepStrictEqual } from 'node:util'
import type { Family } from '@margay/net'
import type { Negotiated } from '../fsm/negotiation.ts'
import { parseZoned } from '../peer-address.ts'
import type { Direction } from '../policy/compile-actions.ts'
import { compilePolicy } from '../policy/compile-policy.ts'
import type { Policy, PrefixListPolicy } from '../policy/policy.ts'
import type { PolicyPeer, RoutePolicy } from '../policy/policy-route.ts'
import { AdjRibIn, type PathWalk } from '../rib/adj-rib-in.ts'
import type { AttributeSet } from '../rib/attribute-store.ts'
import type { ExportRefusal } from '../rib/export-rules.ts'
import type { ImportContext } from '../rib/import-rules.ts'
import type { PathSource, PeerKind } from '../rib/path.ts'
import { FAMILIES } from '../wire/address-family.ts'
import { ipv4Value } from '../wire/ip-text.ts'
import { CeaseSubcode, NotificationCode } from '../wire/notification-names.ts'
import { prefixText } from '../wire/prefix-key.ts'
import type { RouteUpdate } from '../wire/resolve-update.ts'
import type { ResolvedPeer } from './config.ts'
import type { SpeakerContext } from './context.ts'
import { MalformedLog } from './malformed-log.ts'
import { type GroupPolicy, PeerExport, type SessionMembership } from './peer-export.ts'
import { type ImportSettings, importJudge } from './peer-import.ts'
import { peerKind } from './peer-kind.ts'
import type { Session, SessionEnd } from './session.ts'
import { localAsOf, policyPeer, roleTowards, withoutZone } from './session-facts.ts'
import { type Retention, StaleRoutes } from './stale-routes.ts'

const WALK_SLICE = 256

/** Fixed for one Established session. */
interface ActiveSession {
  readonly negotiated: Negotiated
  readonly context: ImportContext
  readonly export: PeerExport
}

/** The routes of one peer: what it sent, what it is sent, and both policies. */
export class PeerRoutes {
  readonly adjRibIn: Readonly<Record<Family, AdjRibIn>>
  readonly stale: StaleRoutes
  readonly #context: SpeakerContext
  readonly #index: number
  readonly #malformed: MalformedLog
  #config: ResolvedPeer
  #importPolicy: GroupPolicy
  #active: ActiveSession | undefined

  constructor(context: SpeakerContext, config: ResolvedPeer) {
    this.#context = context
    this.#config = config
    this.#malformed = new MalformedLog(context.clock, context.log)
    this.#importPolicy = this.#policy(config.import, 'import')
    const { locRib } = context
    this.#index = locRib.addSource(this.#source(undefined))
    this.adjRibIn = { 4: new AdjRibIn(locRib, 4, this.#index), 6: new AdjRibIn(locRib, 6, this.#index) }
    this.stale = new StaleRoutes(context.clock, context.work, this.adjRibIn)
  }

  get #kind(): PeerKind {
    return this.#active?.negotiated.kind ?? peerKind(this.#context.config, this.#config)
  }

  get #policyPeer(): PolicyPeer {
    return policyPeer(this.#config, this.#kind, this.#context.config)
  }

  sessionUp(session: Session, negotiated: Negotiated): void {
    const { config } = this.#context
    const localAddress = session.connection?.localAddress ?? ''
    this.#active = {
      negotiated,
      context: this.#importContext(localAddress, negotiated),
      export: new PeerExport(
        this.#context,
        session,
        { negotiated, index: this.#index, config: this.#config },
        this.#policy(this.#config.export, 'export'),
      ),
    }
    this.#replaceSource(this.#source(negotiated))
    const stalePathMs = config.gracefulRestart.stalePathSeconds * 1000
    const longLived = negotiated.peerLongLived.filter((item) => item.forwardingPreserved).map((item) => item.family)
    this.stale.sessionUp(negotiated.peerGracefulRestart, negotiated.families, stalePathMs, longLived)
    this.#context.restart.peerUp(this.#config.address, negotiated)
    for (const family of negotiated.families) this.startSending(family)
  }

  sessionDown(end: SessionEnd): void {
    this.#active?.export.end()
    this.#active = undefined
    this.stale.sessionDown(retentionOf(end))
    this.#context.restart.peerGone(this.#config.address)
  }

  /** The peer is no longer configured: every route goes, at once or in slices. */
  close(): void {
    this.#active?.export.end()
    this.#active = undefined
    this.stale.close(() => this.#context.locRib.removeSource(this.#index))
  }

  /** Sends the whole table of a family, once route selection for it has begun. */
  startSending(family: Family): void {
    if (this.#active?.negotiated.families.includes(family) !== true || !this.#context.isSettled(family)) return
    this.#active.export.startSending(family)
  }

  receive(update: RouteUpdate<AttributeSet>): void {
    const { attributes } = this.#context.locRib
    // A withdrawal may drop the last path of a set that the same message announces again.
    for (const announced of update.announced) attributes.retain(announced.attributes.id)
    this.#take(update)
    for (const announced of update.announced) attributes.release(announced.attributes.id)
  }

  #take(update: RouteUpdate<AttributeSet>): void {
    const active = this.#active
    if (active === undefined) return
    for (const problem of update.problems) this.#malformed.note(this.#config.address, problem)
    for (const { family, nlri } of update.withdrawn) this.adjRibIn[family].withdrawAll(nlri)
    for (const { family, nlri, attributes } of update.announced) {
      const table = this.adjRibIn[family]
      table.announceAll(
        nlri,
        attributes,
        importJudge(this.#importSettings(active), this.#context.locRib, family, table.source),
      )
    }
    if (update.endOfRib !== undefined) {
      this.stale.endOfRib(update.endOfRib)
      this.#context.restart.endOfRib(this.#config.address, update.endOfRib)
    }
  }

  /** RFC 7313 §4: the peer begins to send a family again. */
  beginRefresh(family: Family): void {
    if (this.#active?.negotiated.families.includes(family) === true) this.stale.beginRefresh(family)
  }

  /** RFC 7313 §4: the peer has sent all of a family again. */
  endRefresh(family: Family): void {
    if (this.#active?.negotiated.families.includes(family) === true) this.stale.endRefresh(family)
  }

  /** RFC 2918 §4: the peer wants a family again. */
  resend(family: Family): void {
    this.#active?.export.resend(family)
  }

  /** Policies and next-hop settings changed: applies them to what is there, without touching the session. */
  reconfigure(config: ResolvedPeer): void {
    this.#config = config
    this.#importPolicy = this.#policy(config.import, 'import')
    const source = this.#context.locRib.source(this.#index)
    this.#replaceSource({ ...source, client: config.routeReflectorClient })
    const active = this.#active
    if (active === undefined) return
    this.#active = { ...active, context: this.#importContext(active.context.localAddress, active.negotiated) }
    active.export.reconfigure(config, this.#policy(config.export, 'export'))
    for (const family of active.negotiated.families) this.#reimport(this.#active, family)
  }

  /** RPKI says something else of some prefixes: imports those anew. */
  revalidate(isAffected: (prefix: string) => boolean): void {
    const active = this.#active
    if (active === undefined || this.#importPolicy.compiled === undefined) return
    for (const family of active.negotiated.families) this.#reimport(active, family, isAffected)
  }

  /** The socket has room again. */
  writable(): void {
    this.#active?.export.writable()
  }

  /** Prefixes that the peer was sent, and those that it has not been sent the latest of. */
  counts(family: Family): { advertised: number; pending: number } {
    const membership = this.#active?.export.membership(family)
    if (membership === undefined) return { advertised: 0, pending: 0 }
    const { group, member } = membership
    return { advertised: group.advertised(member), pending: group.pending(member) }
  }

  membership(family: Family): SessionMembership | undefined {
    return this.#active?.export.membership(family)
  }

  /** Why the best path of a prefix is not sent to this peer; undefined when it is, or there is none. */
  explainExport(family: Family, prefix: number): ExportRefusal | 'cameFromPeer' | 'nextHopIsPeer' | undefined {
    const membership = this.membership(family)
    return membership?.group.explain(membership.member, prefix)
  }

  #importSettings({ context }: ActiveSession): ImportSettings {
    const policy = this.#importPolicy.compiled
    return {
      context,
      policy,
      policyPeer: this.#policyPeer,
      facts: this.#context.routeFacts,
      refuseAll: this.#context.config.ebgpRequiresPolicy && this.#kind === 'external' && policy === undefined,
    }
  }

  #importContext(localAddress: string, negotiated: Negotiated): ImportContext {
    const { allowOwnAs, enforceFirstAs } = this.#config
    const { config } = this.#context
    return {
      localAsn: config.asn,
      peerAsn: negotiated.peerAsn,
      kind: negotiated.kind,
      routerId: config.routerId,
      clusterId: config.clusterId,
      localAddress: withoutZone(localAddress),
      allowOwnAs,
      enforceFirstAs,
      localAs: localAsOf(this.#config),
      confederationId: config.confederation?.identifier,
      role: roleTowards(negotiated),
    }
  }

  #reimport(active: ActiveSession, family: Family, isAffected?: (prefix: string) => boolean): void {
    const table = this.adjRibIn[family]
    const { paths, prefixes } = this.#context.locRib.family(family)
    this.#walkSlices(table, () => {
      if (this.#active !== active) return undefined
      const judge = importJudge(this.#importSettings(active), this.#context.locRib, family, table.source)
      return (path) => {
        if (isAffected?.(prefixText(prefixes.keyOf(paths.prefix[path] as number))) !== false)
          table.reimport(path, judge)
      }
    })
  }

  /** Visits every path of a table in slices. @param begin called for each slice; undefined ends the walk */
  #walkSlices(table: AdjRibIn, begin: () => ((path: number) => void) | undefined): void {
    const walk: PathWalk = table.walk()
    this.#context.work.schedule({
      run: () => {
        const visit = begin()
        for (let count = 0; count < WALK_SLICE; count++) {
          const path = table.step(walk)
          if (path === 0) return false
          visit?.(path)
        }
        return true
      },
    })
  }

  /** A policy that throws refuses the route: one bad route must not cost the session. */
  #policy(policy: RoutePolicy | Policy | PrefixListPolicy | undefined, direction: Direction): GroupPolicy {
    if (policy === undefined) return { identity: '', compiled: undefined }
    const compiled = compilePolicy(policy, direction)
    // A policy that looks at the peer that it works for shares its results with no other peer.
    const identity = compiled.dependsOnPeer ? this.#context.newIdentity() : JSON.stringify(policy)
    return {
      identity,
      compiled: {
        ...compiled,
        evaluate: (route, peer) => {
          try {
            return compiled.evaluate(route, peer)
          } catch (error) {
            this.#context.log.error({ error, peer: peer.address, prefix: route.prefix }, 'policy failed: route refused')
            return undefined
          }
        },
      },
    }
  }

  /**
   * A peer that came back with another identifier ranks differently, and one that is a reflector's client now, or no
   * longer, has its routes sent to others: the paths that it has here are chosen among, and exported, anew.
   */
  #replaceSource(source: PathSource): void {
    const { locRib } = this.#context
    if (isDeepStrictEqual(locRib.source(this.#index), source)) return
    locRib.replaceSource(this.#index, source)
    for (const family of FAMILIES) {
      const rib = locRib.family(family)
      this.#walkSlices(this.adjRibIn[family], () => (path) => rib.pathChanged(path))
    }
  }

  #source(negotiated: Negotiated | undefined): PathSource {
    const { address, asn, routeReflectorClient } = this.#config
    const zoned = parseZoned(address)
    return {
      id: address,
      kind: negotiated?.kind ?? this.#kind,
      asn: negotiated?.peerAsn ?? asn,
      zone: zoned?.zone ?? this.#config.interface,
      routerId: negotiated === undefined ? 0 : ipv4Value(negotiated.peerRouterId),
      addressValue: zoned?.address.value ?? 0n,
      client: routeReflectorClient,
    }
  }
}

/** What outlives the session: RFC 4724 §4.2, RFC 9494 §4.2, and RFC 8538 §4 where both ends agreed on it. */
function retentionOf(end: SessionEnd): Retention {
  const { negotiated } = end
  const offer = negotiated.peerGracefulRestart
  if (offer === undefined || !isGraceful(end)) return { families: [], restartTimeSeconds: 0, longLivedSeconds: {} }
  const longLived = negotiated.peerLongLived.filter((item) => item.staleTimeSeconds > 0)
  const kept = [...offer.families, ...longLived].map((item) => item.family)
  return {
    families: negotiated.families.filter((family) => kept.includes(family)),
    restartTimeSeconds: offer.restartTimeSeconds,
    longLivedSeconds: Object.fromEntries(longLived.map((item) => [item.family, item.staleTimeSeconds])),
  }
}

function isGraceful({ event, negotiated }: SessionEnd): boolean {
  if (event.type === 'TcpConnectionFails') return true
  if (!negotiated.notificationRestart || event.type === 'ManualStop' || event.type === 'AutomaticStop') return false
  const { received } = event
  return !(received?.code === NotificationCode.Cease && received.subcode === CeaseSubcode.HardReset)
}
